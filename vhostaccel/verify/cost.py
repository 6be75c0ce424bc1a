# SPDX-License-Identifier: Apache-2.0
"""What a frame costs the host, in instructions; not a verdict, but what two rest on.

Up to saturation every frame is delivered, so its cost is the work over the frames. In
overload the work is split between the frames delivered and those dropped, by what
they come to at several loads. ``docs/measurement.md`` argues for both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from vhostaccel.observe.point import Instructions, Point
from vhostaccel.scenario.model import Scenario
from vhostaccel.verify.case import CONTROL, Case, Rule
from vhostaccel.verify.curve import by_rate, sound_sweep
from vhostaccel.verify.verdict import Verdict

_BETWEEN = ("guard", "softnet", "frame queue", "bridge", "tap")
"""Places between NIC and guest, as the ledger spells them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Host instructions per frame of one mode; each figure once per sweep."""

    whole: dict[int, tuple[float, ...]]
    """Per frame delivered, by load, where every frame is delivered."""
    delivered: tuple[float, ...]
    """Per frame delivered in overload."""
    dropped: tuple[float, ...]
    """Per frame dropped in overload, wherever that was."""
    in_software: tuple[float, ...]
    """Per frame that the host took from the NIC in overload and dropped before a guest."""


def compared(case: Case, rule: Rule) -> tuple[Cost, Cost] | Verdict:
    """Return what frames cost in a mode and in the control, or why they cannot be compared.

    Args:
        case: the mode.
        rule: of the verdict that rests on the comparison.
    """
    if case.mode == CONTROL:
        return rule.skipped_for_control()
    ours = cost_of(case.points, case.scenario)
    theirs = cost_of(case.control, case.scenario)
    if ours is None or theirs is None:
        return rule.skipped(f"no instructions of {case.mode} and {CONTROL} to compare")
    if why := case.starved():
        return rule.void(why)
    return ours, theirs


def cost_of(points: Iterable[Point], scenario: Scenario) -> Cost | None:
    """Return what the frames of a mode cost, or None if no instructions were counted."""
    listed = tuple(points)
    idle = {
        point.sweep: point.instructions
        for point in listed
        if point.purpose == "idle" and point.instructions is not None
    }
    counted = [
        (point, work(point.instructions, idle[point.sweep]))
        for point in sound_sweep(listed)
        if point.instructions is not None and point.sweep in idle
    ]
    if not counted:
        return None
    border = scenario.void.saturation
    below = [(point, done) for point, done in counted if point.rate <= border]
    above = [(point, done) for point, done in counted if point.rate > border]
    fits = _fit_sweeps((p.sweep, _delivered(p), _dropped(p), done) for p, done in above)
    halfway = _fit_sweeps(
        (p.sweep, _in_guests(p), _in_software(p), done) for p, done in above
    )
    return Cost(
        whole={
            rate: tuple(done / _delivered(p) for p, done in below if p.rate == rate)
            for rate in by_rate(p for p, _ in below if _delivered(p))
        },
        delivered=tuple(delivered for delivered, _ in fits),
        dropped=tuple(dropped for _, dropped in fits),
        in_software=tuple(dropped for _, dropped in halfway),
    )


def work(trial: Instructions, idle: Instructions) -> float:
    """Return what the frames took: neither reading counters nor ticks and timers.

    Args:
        trial: with frames.
        idle: of a trial without any, which tells what ticks and timers take.
    """
    housekeeping = (idle.busy - idle.reading) / (idle.elapsed - idle.reading)
    spared = trial.elapsed - trial.reading
    return trial.busy - trial.reading - housekeeping * spared


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return how many times the others' median ours is."""
    return median(ours) / median(theirs)


def _fit_sweeps(
    trials: Iterable[tuple[int, int, int, float]],
) -> list[tuple[float, float]]:
    """Fit each sweep's trials: sweep, frames of one kind, of the other, and the work."""
    by_sweep = groupby(sorted(trials), key=lambda trial: trial[0])
    fits = [_fit([trial[1:] for trial in sweep]) for _, sweep in by_sweep]
    return [fit for fit in fits if fit is not None]


def _fit(trials: Sequence[tuple[int, int, float]]) -> tuple[float, float] | None:
    """Split work between two kinds of frames, by least squares.

    Residuals are relative to the work, so that a long trial does not outweigh others.
    Return None where the trials do not tell the two apart.
    """
    shares = [(one / w, other / w) for one, other, w in trials if w > 0]
    aa = sum(a * a for a, _ in shares)
    ab = sum(a * b for a, b in shares)
    bb = sum(b * b for _, b in shares)
    determinant = aa * bb - ab * ab
    if determinant <= 1e-9 * aa * bb:  # also of a single trial
        return None
    a, b = sum(a for a, _ in shares), sum(b for _, b in shares)
    return (a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant


def _delivered(point: Point) -> int:
    return point.a_to_b.delivered + point.b_to_a.delivered


def _dropped(point: Point) -> int:
    return point.a_to_b.offered + point.b_to_a.offered - _delivered(point)


def _in_software(point: Point) -> int:
    """Return the frames dropped between the NIC and the guests."""
    return sum(
        ledger.dropped.get(place, 0)
        for ledger in (point.a_to_b, point.b_to_a)
        for place in _BETWEEN
    )


def _in_guests(point: Point) -> int:
    """Return the frames that reached a guest, which may have dropped them then."""
    ledgers = (point.a_to_b, point.b_to_a)
    in_nic = sum(ledger.dropped.get("nic", 0) for ledger in ledgers)
    offered = sum(ledger.offered for ledger in ledgers)
    return offered - in_nic - _in_software(point)
