# SPDX-License-Identifier: Apache-2.0
"""Egress against offered load: the mean of the sweeps at each load, and its peak."""

from collections.abc import Iterable, Mapping
from statistics import fmean

from vhostaccel.observe.point import Point


def sound_sweep(points: Iterable[Point]) -> tuple[Point, ...]:
    """Return the points of the sweeps that are not void."""
    return tuple(p for p in points if p.purpose == "sweep" and p.void is None)


def by_rate(points: Iterable[Point]) -> dict[int, list[Point]]:
    """Return the points grouped by intended load, lowest first."""
    grouped: dict[int, list[Point]] = {}
    for point in sorted(points, key=lambda point: point.rate):
        grouped.setdefault(point.rate, []).append(point)
    return grouped


def mean_egress(points: Iterable[Point]) -> dict[int, float]:
    """Return the mean egress at each intended load of the sound sweep points."""
    return {
        rate: fmean(point.egress_fps for point in there)
        for rate, there in by_rate(sound_sweep(points)).items()
    }


def at_peak(curve: Mapping[int, float]) -> int:
    """Return the load of the highest egress; the lowest such load.

    Raises:
        ValueError: If the curve has no load.
    """
    return max(curve, key=lambda rate: curve[rate])


def peak_fps(points: Iterable[Point]) -> float | None:
    """Return the highest mean egress of the sweep [frames/s per direction].

    None when no point is sound.
    """
    return max(mean_egress(points).values(), default=None)
