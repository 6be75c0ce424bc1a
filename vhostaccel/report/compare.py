# SPDX-License-Identifier: Apache-2.0
"""The modes of one run side by side: peak, what is left of it in the flood, against tap."""

from collections.abc import Mapping
from dataclasses import dataclass

from vhostaccel.report.run import ModeResult, Run
from vhostaccel.verify.case import CONTROL
from vhostaccel.verify.curve import mean_egress
from vhostaccel.verify.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeLine:
    """One mode; a figure is None where no sound trial gives it."""

    mode: str
    peak_fps: float | None
    """Highest mean egress per direction [frames/s]."""
    peak_over_tap: float | None
    flooded_fps: float | None
    """Mean egress per direction at the highest load [frames/s]."""
    flooded_over_tap: float | None
    verdicts: Mapping[str, Verdict]
    """By name."""


def mode_lines(run: Run) -> tuple[ModeLine, ...]:
    """Return a line for each mode that was run, in the order they took turns."""
    highest = max(run.scenario.traffic.rates)
    curves = {result.mode: mean_egress(result.points) for result in run.modes}
    control = curves.get(CONTROL, {})
    return tuple(
        _line(result, curves[result.mode], control, highest) for result in run.modes
    )


def _line(
    result: ModeResult,
    curve: Mapping[int, float],
    control: Mapping[int, float],
    highest: int,
) -> ModeLine:
    peak, flooded = max(curve.values(), default=None), curve.get(highest)
    return ModeLine(
        mode=result.mode,
        peak_fps=peak,
        peak_over_tap=_ratio(peak, max(control.values(), default=None)),
        flooded_fps=flooded,
        flooded_over_tap=_ratio(flooded, control.get(highest)),
        verdicts={verdict.name: verdict for verdict in result.verdicts},
    )


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None
