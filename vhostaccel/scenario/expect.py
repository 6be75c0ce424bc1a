# SPDX-License-Identifier: Apache-2.0
"""What a claim expects of a verdict: pass, fail, or a bound on its value."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

OUTCOMES = ("pass", "fail")

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BOUND = re.compile(r"\s*(<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A bound on a verdict's value."""

    comparison: str
    limit: float

    def holds(self, value: float) -> bool:
        """Say whether the value keeps the bound."""
        return _COMPARISONS[self.comparison](value, self.limit)


def read_expect(text: str) -> str | Bound:
    """Return ``pass``, ``fail`` or the bound a claim's ``expect`` stands for.

    Raises:
        ValueError: If it is none of them.
    """
    if text in OUTCOMES:
        return text
    match = _BOUND.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no expectation; write pass, fail or a bound like '< 0.25'"
        )
    return Bound(comparison=match[1], limit=float(match[2]))
