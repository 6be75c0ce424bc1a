# SPDX-License-Identifier: Apache-2.0
"""How each value of a scenario file is read and what it may be.

A field reader takes the value ``tomllib`` made and returns the one the model wants,
or raises ``ValueError`` with a sentence that says what to write instead.
"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from vhostaccel.scenario.expect import read_expect
from vhostaccel.scenario.model import (
    Action,
    Directions,
    FrameMix,
    GuestKind,
    Placement,
)
from vhostaccel.units import frames_per_second, seconds, size_bytes

FieldReader = Callable[[Any], Any]

MOST_GUESTS = 100  # guest numbers are the second byte of their 10.x addresses
MOST_CPUS = 64
MOST_REPETITIONS = 100_000
MOST_FLOWS = 256  # per direction and guest: a frame's mark has a byte for them
MOST_PAIRS = 4096  # guests x flows; each keeps a window of sequence numbers


def nearest(word: str, known: Iterable[str]) -> str:
    """Return what to write instead of an unknown word."""
    choices = tuple(known)
    close = get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(choices)}"


def text(value: Any) -> str:
    """Read a text that is not empty."""
    if type(value) is not str or not value.strip():
        raise ValueError(f"must be a text, not {shown(value)}")
    return " ".join(value.split())


def flag(value: Any) -> bool:
    """Read true or false."""
    if type(value) is not bool:
        raise ValueError(f"must be true or false, not {shown(value)}")
    return value


def whole(least: int, most: int) -> FieldReader:
    """Return a reader of whole numbers in a range."""

    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(
                f"must be a whole number from {least} to {most}, not {shown(value)}"
            )
        return value

    return read


def share(value: Any) -> float:
    """Read a share from 0 to 1."""
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise ValueError(f"must be a share from 0 to 1, not {shown(value)}")
    return float(value)


def choice(kind: type[StrEnum]) -> FieldReader:
    """Return a reader of one of an enum's values."""

    def read(value: Any) -> StrEnum:
        known = [member.value for member in kind]
        if value not in known:
            raise ValueError(f"cannot be {shown(value)}; {nearest(str(value), known)}")
        return kind(value)

    return read


def quantity(read_unit: Callable[[str], Any]) -> FieldReader:
    """Return a reader of a positive quantity with its unit."""

    def read(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError(
                f"must be a text with number and unit, not {shown(value)}: "
                f"a number without its unit cannot be reviewed"
            )
        amount = read_unit(value)
        if amount <= 0:
            raise ValueError(f"must be more than nothing, not {shown(value)}")
        return amount

    return read


def several(read_one: FieldReader) -> FieldReader:
    """Return a reader of a list with at least one item."""

    def read(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or not value:
            raise ValueError(
                f"must be a list with at least one item, not {shown(value)}"
            )
        return tuple(read_one(item) for item in value)

    return read


def rates(value: Any) -> tuple[Any, ...]:
    """Read a list of rates, lowest first."""
    found: tuple[int, ...] = several(quantity(frames_per_second))(value)
    if list(found) != sorted(set(found)):
        raise ValueError("must name each rate once, lowest first")
    return found


def expectation(value: Any) -> str:
    """Read ``pass``, ``fail`` or a bound."""
    written = text(value)
    read_expect(written)
    return written


def shown(value: Any) -> str:
    """Return the value as TOML writes it, cut to a length that fits a message."""
    if type(value) is bool:
        return str(value).lower()
    written = repr(value)
    return written if len(written) <= 60 else f"{written[:57]}..."


TOP: dict[str, FieldReader] = {"about": text, "modes": several(text)}
LAB: dict[str, FieldReader] = {
    "cpus": whole(1, MOST_CPUS),
    "memory": quantity(size_bytes),
    "placement": choice(Placement),
    "threaded_napi": flag,
    "icount": flag,
}
GUEST: dict[str, FieldReader] = {
    "kind": choice(GuestKind),
    "count": whole(1, MOST_GUESTS),
    "memory": quantity(size_bytes),
}
TRAFFIC: dict[str, FieldReader] = {
    "rates": rates,
    "directions": choice(Directions),
    "frames": choice(FrameMix),
    "flows": whole(1, MOST_FLOWS),
    "flood": quantity(seconds),
    "window": quantity(seconds),
    "sweeps": whole(1, 1000),
    "drain": quantity(seconds),
    "neighbour": quantity(frames_per_second),
}
DISTURBANCE: dict[str, FieldReader] = {
    "action": choice(Action),
    "count": whole(1, MOST_REPETITIONS),
    "hold": quantity(seconds),
    "guest": whole(0, MOST_GUESTS - 1),
}
VOID: dict[str, FieldReader] = {
    "offered_share": share,
    "received_share": share,
    "saturation": quantity(frames_per_second),
}
CLAIM: dict[str, FieldReader] = {"verdict": text, "mode": text, "expect": expectation}
TABLES = {
    "lab": LAB,
    "guest": GUEST,
    "traffic": TRAFFIC,
    "disturbance": DISTURBANCE,
    "void": VOID,
    "claim": CLAIM,
}
NAMES = (*TOP, *TABLES)


def cure(key: str, known: Iterable[str]) -> str:
    """Return what to write instead of a key that stands where it means nothing."""
    homes = [table for table, readers in TABLES.items() if key in readers]
    return f"it belongs in [{homes[0]}]" if homes else nearest(key, known)
