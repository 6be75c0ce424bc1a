# SPDX-License-Identifier: Apache-2.0
"""From trials to figures: the median and the spread of each way and number of streams."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from vhostaccel.tcp.model import TcpRun, TcpTrial, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What the trials that are not void came to."""

    median: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A mode's goodput over that of `tap`, one way of it."""

    over: str
    of_medians: float
    least: float
    """Of the turns in which neither trial is void."""
    greatest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One way with so many streams."""

    way: str
    streams: int
    trials: int
    """Not void."""
    void: int
    goodput_mbps: Spread | None
    """None when every trial is void, as are the figures below."""
    retransmit_share: Spread | None
    """Segments sent again, of all segments with data in the window."""
    segments_per_frame_in: float | None
    segments_per_frame_out: float | None
    lost_in_nic: float | None
    """Frames a trial; medians, like the two above."""
    lost_in_tap: float | None
    ratios: tuple[Ratio, ...]


def cells_of(run: TcpRun) -> tuple[Cell, ...]:
    """Return a cell for each number of streams and way that was tried."""
    return tuple(
        _cell(run, way, count)
        for count in run.spec.streams
        for way in run.spec.ways
        if _trials(run, way, count)
    )


def ratio(of: Sequence[TcpTrial], over: Sequence[TcpTrial], name: str) -> Ratio | None:
    """Compare two ways by their trials that are not void, turn by turn for the spread."""
    first, second = _valid(of), _valid(over)
    below = {trial.turn: trial.goodput_mbps for trial in second}
    turns = [
        trial.goodput_mbps / below[trial.turn]
        for trial in first
        if below.get(trial.turn)
    ]
    if not turns:
        return None
    return Ratio(
        over=name,
        of_medians=median(t.goodput_mbps for t in first)
        / median(t.goodput_mbps for t in second),
        least=min(turns),
        greatest=max(turns),
    )


def _cell(run: TcpRun, way: Way, count: int) -> Cell:
    trials = _trials(run, way, count)
    valid = _valid(trials)

    def middle(figure: Callable[[TcpTrial], float]) -> float | None:
        return median(map(figure, valid)) if valid else None

    rivals = [rival for rival in run.spec.ways if rival.mode == "tap" != way.mode]
    found = (ratio(trials, _trials(run, r, count), r.name) for r in rivals)
    return Cell(
        way=way.name,
        streams=count,
        trials=len(valid),
        void=len(trials) - len(valid),
        goodput_mbps=_spread([t.goodput_mbps for t in valid]),
        retransmit_share=_spread(
            [t.retransmits / max(1, t.segments) for t in valid],
        ),
        segments_per_frame_in=middle(lambda t: t.segments_per_frame_in),
        segments_per_frame_out=middle(lambda t: t.segments_per_frame_out),
        lost_in_nic=middle(lambda t: t.lost_in_nic),
        lost_in_tap=middle(lambda t: t.lost_in_tap),
        ratios=tuple(one for one in found if one is not None),
    )


def _trials(run: TcpRun, way: Way, count: int) -> list[TcpTrial]:
    return [t for t in run.trials if t.way == way and len(t.streams) == count]


def _valid(trials: Sequence[TcpTrial]) -> list[TcpTrial]:
    return [trial for trial in trials if trial.void is None]


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    return Spread(median=median(values), least=min(values), greatest=max(values))
