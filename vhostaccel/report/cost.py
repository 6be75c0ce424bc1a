# SPDX-License-Identifier: Apache-2.0
"""What a frame costs the host in each mode, as a table that is Markdown too."""

from collections.abc import Sequence
from statistics import median

from rich import box
from rich.table import Table

from vhostaccel.report.run import Run
from vhostaccel.units import show_rate
from vhostaccel.verify.case import CONTROL
from vhostaccel.verify.cost import Cost, cost_of, ratios


def cost_table(run: Run) -> Table | None:
    """Return instructions per frame by mode, or None if none were counted."""
    found = {mode.mode: cost_of(mode.points, run.scenario) for mode in run.modes}
    costs = {mode: cost for mode, cost in found.items() if cost is not None}
    if not costs:
        return None
    table = Table(
        title="host instructions per frame, median of the sweeps (least - most)",
        title_justify="left",
        title_style="bold",
        box=box.MARKDOWN,
    )
    table.add_column("frame", no_wrap=True)
    others = [mode for mode in costs if mode != CONTROL] if CONTROL in costs else []
    for heading in (*costs, *(f"{mode} / {CONTROL}" for mode in others)):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, by_mode in _rows(costs):
        control = by_mode.get(CONTROL, ())
        table.add_row(
            name,
            *(_spread(figures) for figures in by_mode.values()),
            *(_ratio(by_mode[mode], control) for mode in others),
        )
    return table


def _rows(costs: dict[str, Cost]) -> list[tuple[str, dict[str, Sequence[float]]]]:
    rates = sorted({rate for cost in costs.values() for rate in cost.whole})
    rows: list[tuple[str, dict[str, Sequence[float]]]] = [
        (
            f"delivered, {show_rate(rate)} frames/s",
            {mode: cost.whole.get(rate, ()) for mode, cost in costs.items()},
        )
        for rate in rates
    ]
    for name, field in (
        ("delivered, overload", "delivered"),
        ("dropped, overload", "dropped"),
        ("- of these, after the NIC", "in_software"),
    ):
        by_mode = {mode: getattr(cost, field) for mode, cost in costs.items()}
        rows.append((name, by_mode))
    return rows


def _spread(figures: Sequence[float]) -> str:
    if not figures:
        return "-"
    return f"{median(figures):,.0f} ({min(figures):,.0f} - {max(figures):,.0f})"


def _ratio(ours: Sequence[float], control: Sequence[float]) -> str:
    return f"{ratios(ours, control):.3f}" if ours and control else "-"
