# SPDX-License-Identifier: Apache-2.0
"""The controls of the checkers: mistakes made on purpose, which they have to find.

Most of them end with 0 and print nothing both when all is well and when they do not
work, so nothing is concluded from their silence unless they speak up here.
"""

from collections.abc import Iterable

from vhostaccel.errors import ProvideError
from vhostaccel.kmod.answers import Finding
from vhostaccel.kmod.layout import KMOD

PLANTED_C = KMOD / "planted" / "planted.c"
PLANTED_SPEC = KMOD / "planted" / "planted.yaml"

MISTAKES: dict[str, tuple[str, ...]] = {
    "W=1": ("no previous prototype", "set but not used"),
    "sparse": (
        "incorrect type in return expression (different base types)",
        "incorrect type in initializer (different address spaces)",
        "context imbalance in 'planted_kept'",
    ),
    "clang": (
        "no previous prototype",
        "set but not used",
        "'value' is used uninitialized whenever",
    ),
    "i386": ("format '%lu' expects argument of type", "divides 64 bits by __udivdi3"),
    "kernel-doc": ("'unknown' not described",),
    "coccicheck": ("second lock", "reference preceded by free"),
    "YNL schema": ("'u33'", "'enum-nane'"),
}
"""What each checker says of the planted mistakes, in part."""


def overlooked(checkers: Iterable[str], findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the planted mistakes that the checkers did not find."""
    told = [
        finding.message.replace("\N{LEFT SINGLE QUOTATION MARK}", "'")
        for finding in findings
    ]
    told = [line.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") for line in told]
    wanted = [mistake for checker in checkers for mistake in MISTAKES[checker]]
    return tuple(
        mistake for mistake in wanted if not any(mistake in line for line in told)
    )


def require_seen(
    title: str, checkers: Iterable[str], findings: Iterable[Finding], place: str
) -> None:
    """Refuse to believe a checker that does not see the planted mistakes.

    Args:
        title: what is run, for the message.
        checkers: whose mistakes are to be found.
        findings: all that was found.
        place: of the planted file.

    Raises:
        ProvideError: If one was overlooked.
    """
    there = [finding for finding in findings if finding.place == place]
    missed = overlooked(checkers, there)
    if missed:
        raise ProvideError(
            f"{title} overlooks mistakes that were made on purpose: {'; '.join(missed)}",
            hint=f"it would overlook ours too: run it by hand on {PLANTED_C}; its "
            "words may have changed, or it does not work here",
        )
