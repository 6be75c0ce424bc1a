# SPDX-License-Identifier: Apache-2.0
"""How much the generator can offer here: ``python -m vhostaccel.traffic.bench``.

Floods a null sink; the engine has one CPU, the sink another. Offered against intended,
shed frames and the engine's CPU time in the window: median and spread of the repeats.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

from vhostaccel.errors import VhostAccelError
from vhostaccel.scenario.model import Directions, FrameMix
from vhostaccel.traffic.generator import Generator, RunningTrial
from vhostaccel.traffic.nullsink import NullSink
from vhostaccel.traffic.trial import DirectionLoad, TrialResult, TrialSpec
from vhostaccel.units import FramesPerSecond, Seconds, show_rate

_RATES = tuple(map(FramesPerSecond, (10_000, 50_000, 200_000)))
_FLOOD = Seconds(1.5)
_WINDOW = Seconds(1.0)
_RESULT_TIMEOUT = Seconds(30.0)
_HEAD = (
    f"{'frames':8}{'directions':12}{'intended':>10}"
    f"{'offered':>9}{'min..max':>17}{'shed %':>8}{'engine CPU %':>14}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One load; rates are per direction."""

    rate: FramesPerSecond
    frames: FrameMix
    directions: Directions


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """What one trial of a case came to."""

    offered_fps: float
    """Least of the directions."""
    shed_share: float
    """Of the frames intended, over the whole flood."""
    cpu_share: float
    """CPU time of the engine over the length of the window."""


def cases() -> Iterator[Case]:
    """Return every load of the benchmark."""
    both = (Directions.A_TO_B, Directions.BOTH)
    for frames, directions, rate in product(FrameMix, both, _RATES):
        yield Case(rate=rate, frames=frames, directions=directions)


def measure(generator: Generator, case: Case) -> Repeat:
    """Run one trial and watch the engine's CPU time in its window.

    Raises:
        TrafficError: If the generator failed.
    """
    back = case.rate if case.directions is Directions.BOTH else FramesPerSecond(0)
    trial = generator.start(
        TrialSpec(
            a_to_b=(DirectionLoad(rate=case.rate),),
            b_to_a=(DirectionLoad(rate=back),),
            frames=case.frames,
            flood=_FLOOD,
            window=_WINDOW,
            drain=Seconds(5.0),
            quiet=Seconds(0.1),
        )
    )
    cpu_share = _cpu_share(generator.pid, trial)
    return _repeat(trial.result(_RESULT_TIMEOUT), cpu_share)


def line(case: Case, repeats: list[Repeat]) -> str:
    """Return the row of the table for a case."""
    offered = sorted(r.offered_fps for r in repeats)
    shed = median(r.shed_share for r in repeats)
    cpu = sorted(100 * r.cpu_share for r in repeats)
    return (
        f"{case.frames:8}{case.directions:12}{show_rate(case.rate):>10}"
        f"{median(offered):9.0f}{f'{offered[0]:.0f}..{offered[-1]:.0f}':>17}"
        f"{100 * shed:8.2f}{f'{cpu[0]:.0f}..{cpu[-1]:.0f}':>14}"
    )


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    print(_HEAD)
    with tempfile.TemporaryDirectory() as folder:
        a, b = Path(folder) / "a", Path(folder) / "b"
        with NullSink(a, b, cpu=cpus[-1]), Generator(a, b, cpu=cpus[0]) as generator:
            for case in cases():
                repeats = [measure(generator, case) for _ in range(options.repeats)]
                print(line(case, repeats), flush=True)
    print(f"\nmedians of {options.repeats} repeats; rates are per direction")
    return 0


def _cpu_share(pid: int, trial: RunningTrial) -> float:
    _wait_until(trial.window_opens_at())
    cpu_ns, at_ns = _cpu_ns(pid), time.monotonic_ns()
    _wait_until(trial.window_closes_at())
    return (_cpu_ns(pid) - cpu_ns) / (time.monotonic_ns() - at_ns)


def _cpu_ns(pid: int) -> int:
    return int((Path("/proc") / str(pid) / "schedstat").read_text().split()[0])


def _wait_until(at_ns: int) -> None:
    time.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)


def _repeat(result: TrialResult, cpu_share: float) -> Repeat:
    driven = [d for d in (result.a_to_b, result.b_to_a) if d.intended_fps]
    intended = sum(d.intended_count for d in driven)
    return Repeat(
        offered_fps=min(d.offered_fps for d in driven),
        shed_share=sum(d.shed_count for d in driven) / intended,
        cpu_share=cpu_share,
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VhostAccelError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
