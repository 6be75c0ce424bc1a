# SPDX-License-Identifier: Apache-2.0
"""What a mode did at each load: the means over the sweeps that every report shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from vhostaccel.observe.point import DisturbanceResult, Ledger, Point
from vhostaccel.traffic.trial import Latency
from vhostaccel.verify.curve import by_rate

UNEXPLAINED = "unexplained"
"""Place of the frames that no counter explains."""

PATH = (
    "nic", "guard", "softnet", "frame queue", "bridge", "tap", "guest", "tap return",
    "nic transmit", UNEXPLAINED,
)  # fmt: skip
"""Places where a frame may be lost, in the order it passes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mode at one load, over the trials that are not void."""

    rate: int
    """Intended load per direction [frames/s]."""
    trials: int
    void: int
    """Trials left out of all that follows."""
    offered_fps: float
    a_to_b_fps: float
    b_to_a_fps: float
    egress_fps: float
    """Mean of the directions that were driven."""
    offered: int
    """Frames, of all trials and directions together."""
    delivered: int
    lost: dict[str, int]
    """By place, largest first; places without loss are left out."""
    p50_ns: float | None
    """Median over trials and directions of the one-way latency."""
    p99_ns: float | None
    """Likewise of its 99th percentile."""
    cpu: dict[str, float]
    """Share of the window by owner, ``idle`` and ``softirq`` included."""


def rows_of(points: Iterable[Point]) -> tuple[Row, ...]:
    """Return one row for each load of the sweep, lowest first."""
    sweep = [point for point in points if point.purpose == "sweep"]
    return tuple(_row(rate, there) for rate, there in by_rate(sweep).items())


def _row(rate: int, trials: Sequence[Point]) -> Row:
    sound = [point for point in trials if point.void is None]
    ledgers = [ledger for point in sound for ledger in (point.a_to_b, point.b_to_a)]
    latencies = [
        way.latency
        for point in sound
        for way in (point.trial.a_to_b, point.trial.b_to_a)
        if way.latency is not None
    ]
    return Row(
        rate=rate,
        trials=len(trials),
        void=len(trials) - len(sound),
        offered_fps=_mean(point.offered_fps for point in sound),
        a_to_b_fps=_mean(point.trial.a_to_b.egress_fps for point in sound),
        b_to_a_fps=_mean(point.trial.b_to_a.egress_fps for point in sound),
        egress_fps=_mean(point.egress_fps for point in sound),
        offered=sum(ledger.offered for ledger in ledgers),
        delivered=sum(ledger.delivered for ledger in ledgers),
        lost=lost_by_place(ledgers),
        p50_ns=_median(latencies, "p50"),
        p99_ns=_median(latencies, "p99"),
        cpu=_cpu(sound),
    )


def told(disturbance: DisturbanceResult) -> str:
    """Return what came of a disturbance in one line."""
    line = (
        f"{disturbance.action.value} {disturbance.done} of {disturbance.asked} times in "
        f"{disturbance.took_s:.3g} s"
    )
    if not disturbance.failures:
        return line
    return f"{line}, {len(disturbance.failures)} failures: {disturbance.failures[0]}"


def lost_by_place(ledgers: Iterable[Ledger]) -> dict[str, int]:
    """Add up where frames were lost, the largest place first."""
    lost: dict[str, int] = {}
    for ledger in ledgers:
        for place, frames in (*ledger.dropped.items(), (UNEXPLAINED, ledger.residual)):
            lost[place] = lost.get(place, 0) + frames
    ranked = sorted(lost.items(), key=lambda item: -abs(item[1]))
    return {place: frames for place, frames in ranked if frames}


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else 0.0


def _median(latencies: Sequence[Latency], field: str) -> float | None:
    values = [getattr(latency, field) for latency in latencies]
    return float(median(values)) if values else None


def _cpu(points: Sequence[Point]) -> dict[str, float]:
    shares = [
        {"idle": p.cpu.idle, "softirq": p.cpu.softirq, **p.cpu.owners} for p in points
    ]
    owners = dict.fromkeys(owner for share in shares for owner in share)
    return {owner: fmean(share.get(owner, 0.0) for share in shares) for owner in owners}
