# SPDX-License-Identifier: Apache-2.0
"""The ledger of one direction at every load, as a table: hop by hop, then the balance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vhostaccel.observe.point import Hop, Ledger, Point
from vhostaccel.report.rows import PATH, UNEXPLAINED, lost_by_place
from vhostaccel.verify.curve import by_rate, sound_sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class HopLine:
    """One hop at every load."""

    name: str
    source: str
    frames: tuple[int, ...]
    dropped: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HopTable:
    """One direction of one mode, summed over the trials that are not void."""

    direction: str
    rates: tuple[int, ...]
    trials: tuple[int, ...]
    hops: tuple[HopLine, ...]
    offered: tuple[int, ...]
    delivered: tuple[int, ...]
    lost: dict[str, tuple[int, ...]]
    """By place; ``unexplained`` is the residual."""


def hop_tables(points: Iterable[Point]) -> tuple[HopTable, ...]:
    """Return a table for each direction that was driven."""
    grouped = by_rate(sound_sweep(points))
    tables = (
        _table("a to b", {rate: [p.a_to_b for p in ps] for rate, ps in grouped.items()}),
        _table("b to a", {rate: [p.b_to_a for p in ps] for rate, ps in grouped.items()}),
    )  # fmt: skip
    return tuple(table for table in tables if any(table.offered))


def _table(direction: str, ledgers: dict[int, list[Ledger]]) -> HopTable:
    columns = list(ledgers.values())
    names = dict.fromkeys(hop.name for c in columns for led in c for hop in led.hops)
    lost = [lost_by_place(column) for column in columns]
    # The residual is shown even where it is nothing: that is the point of a balance.
    places = {UNEXPLAINED, *(place for column in lost for place in column)}
    return HopTable(
        direction=direction,
        rates=tuple(ledgers),
        trials=tuple(len(column) for column in columns),
        hops=tuple(_line(name, columns) for name in names),
        offered=tuple(sum(led.offered for led in column) for column in columns),
        delivered=tuple(sum(led.delivered for led in column) for column in columns),
        lost={
            place: tuple(column.get(place, 0) for column in lost)
            for place in sorted(places, key=_order)
        },
    )


def _order(place: str) -> int:
    return PATH.index(place) if place in PATH else len(PATH)


def _line(name: str, columns: Sequence[Sequence[Ledger]]) -> HopLine:
    found: list[list[Hop]] = [
        [hop for led in column for hop in led.hops if hop.name == name]
        for column in columns
    ]
    return HopLine(
        name=name,
        source=next(hop.source for column in found for hop in column),
        frames=tuple(sum(hop.frames for hop in column) for column in found),
        dropped=tuple(sum(hop.dropped for hop in column) for column in found),
    )
