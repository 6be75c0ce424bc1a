# SPDX-License-Identifier: Apache-2.0
"""Quantities with their units: how scenario files write them, how reports print them.

A quantity in a file is a string with its unit, ``"8 s"``, ``"512 MiB"``,
``"40 kframes/s"``; a bare number is refused, because nobody can review it.
"""

import re
from typing import NewType

Seconds = NewType("Seconds", float)
FramesPerSecond = NewType("FramesPerSecond", int)
Bytes = NewType("Bytes", int)

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_FRAMES_PER_SECOND = {"frames/s": 1, "kframes/s": 1_000, "Mframes/s": 1_000_000}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_QUANTITY = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z/]+)?\s*")


class UnitError(ValueError):
    """A quantity whose number or unit cannot be read."""


def _scaled(text: str, factors: dict[str, float] | dict[str, int], what: str) -> float:
    match = _QUANTITY.fullmatch(text)
    known = ", ".join(factors)
    if match is None:
        raise UnitError(f"{text!r} is no {what}; write a number and one of {known}")
    number, unit = match.groups()
    if unit is None:
        raise UnitError(f"{text!r} has no unit; a {what} takes one of {known}")
    if unit not in factors:
        raise UnitError(
            f"{text!r} has the unit {unit!r}; a {what} takes one of {known}"
        )
    return float(number.replace("_", "")) * factors[unit]


def seconds(text: str) -> Seconds:
    """Read a duration, ``"8 s"`` or ``"300 ms"`` [s].

    Raises:
        UnitError: If the number or the unit cannot be read.
    """
    return Seconds(_scaled(text, _SECONDS, "duration"))


def frames_per_second(text: str) -> FramesPerSecond:
    """Read a rate per direction, ``"600 frames/s"`` or ``"40 kframes/s"``.

    Raises:
        UnitError: If the number or the unit cannot be read.
    """
    return FramesPerSecond(round(_scaled(text, _FRAMES_PER_SECOND, "rate")))


def size_bytes(text: str) -> Bytes:
    """Read a size, ``"64 B"`` or ``"512 MiB"`` [B].

    Raises:
        UnitError: If the number or the unit cannot be read.
    """
    return Bytes(round(_scaled(text, _BYTES, "size")))


def show_rate(frames_per_s: float) -> str:
    """Print a rate as a person reads it: ``612``, ``5.2 k``, ``1.04 M``."""
    for limit, factor, suffix in ((1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if frames_per_s >= limit:
            return f"{frames_per_s / factor:.3g}{suffix}"
    return f"{frames_per_s:.0f}"
