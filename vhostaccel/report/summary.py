# SPDX-License-Identifier: Apache-2.0
"""The terminal summary of a run: what was offered, what came out, what was judged."""

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vhostaccel.report.compare import mode_lines
from vhostaccel.report.cost import cost_table
from vhostaccel.report.junit import claim_sentence
from vhostaccel.report.rows import Row, rows_of, told
from vhostaccel.report.run import ModeResult, Run
from vhostaccel.units import show_rate
from vhostaccel.verify.verdict import Status, Verdict

WIDTH = 99
_STYLE = {
    Status.PASS: "bold green",
    Status.FAIL: "bold red",
    Status.SKIP: "bold yellow",
    Status.VOID: "bold magenta",
}
_PLACES_SHOWN = 2
SIDE_BY_SIDE = ("livelock", "where-dropped", "alive")
"""Verdicts that are shown where modes are compared."""


def summary(run: Run) -> RenderableType:
    """Return the summary of a run, to be printed by rich."""
    parts: list[RenderableType] = [
        Text(run.scenario.name, style="bold"),
        Text(run.scenario.about, style="dim"),
    ]
    for result in run.modes:
        parts += [Text(""), _curve_table(result), *_disturbances(result), Text("")]
        parts += _verdicts(result)
    if len(run.modes) > 1:
        parts += [Text(""), _side_by_side(run)]
    parts += [Text(f"{mode} was left out: {why}") for mode, why in run.left_out.items()]
    if (costs := cost_table(run)) is not None:
        parts += [Text(""), costs]
    parts += [Text(""), Text("claims", style="bold"), _claims(run), Text("")]
    parts.append(Text.from_markup(one_line(run)))
    if not run.complete:
        parts.append(Text(f"cut short: {run.why}", style="bold red"))
    return Group(*parts)


def summary_text(run: Run, width: int = WIDTH) -> str:
    """Return the summary as plain text of at most ``width`` columns."""
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(summary(run))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def one_line(run: Run) -> str:
    """Return the run in one line of rich markup: status, name, claims held, time."""
    held = sum(claim.status is Status.PASS for claim in run.claims)
    minutes, seconds = divmod(round(run.duration_s), 60)
    return (
        f"{_marked(run.status)}  {escape(run.scenario.name)}  "
        f"{held} of {len(run.claims)} claims held, {minutes} min {seconds} s"
    )


def show_duration(ns: float | None) -> str:
    """Print a duration with three digits: ``850 us``, ``2.4 ms``, ``1.2 s``."""
    if ns is None:
        return "-"
    if ns >= 1e12:
        return f"{ns / 1e9:.0f} s"
    for limit, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if ns >= limit:
            return f"{ns / limit:.3g} {unit}"
    return f"{ns:.0f} ns"


def show_lost(row: Row) -> str:
    """Print where most frames were lost, as shares of what was offered."""
    lost = row.offered - row.delivered
    if not row.offered or not row.lost:
        return "none" if row.offered else "-"
    parts = [
        f"{place} {frames / row.offered:.1%}"
        for place, frames in list(row.lost.items())[:_PLACES_SHOWN]
    ]
    return f"{lost / row.offered:.1%}: {', '.join(parts)}"


def show_ratio(ratio: float | None) -> str:
    """Print a ratio with three digits or all before the point, or a dash."""
    if ratio is None:
        return "-"
    return f"{ratio:.3g}" if ratio < 1000 else f"{ratio:.0f}"


def _show_briefly(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    value = "" if verdict.value is None else f" {verdict.value:.2f}"
    return _marked(verdict.status) + value


def _side_by_side(run: Run) -> Table:
    highest = show_rate(max(run.scenario.traffic.rates))
    table = Table(
        title="modes side by side [dim](frames/s per direction, means)[/dim]",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("mode", no_wrap=True)
    for heading in ("peak", "/ tap", f"at {highest}", "/ tap", *SIDE_BY_SIDE):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in mode_lines(run):
        table.add_row(
            escape(line.mode),
            "-" if line.peak_fps is None else show_rate(line.peak_fps),
            show_ratio(line.peak_over_tap),
            "-" if line.flooded_fps is None else show_rate(line.flooded_fps),
            show_ratio(line.flooded_over_tap),
            *(_show_briefly(line.verdicts.get(name)) for name in SIDE_BY_SIDE),
        )
    return table


def _curve_table(result: ModeResult) -> Table:
    table = Table(
        title=f"mode {escape(result.mode)} [dim](frames/s per direction, means)[/dim]",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
    )
    for heading in ("intended", "offered", "a to b", "b to a"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("lost where", ratio=1)
    for heading in ("p50", "p99", "void"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows_of(result.points):
        table.add_row(*_cells(row))
    return table


def _disturbances(result: ModeResult) -> list[RenderableType]:
    return [
        Text(f"disturbed at {show_rate(point.rate)}: {told(point.disturbance)}")
        for point in result.points
        if point.disturbance is not None
    ]


def _cells(row: Row) -> tuple[str, ...]:
    if row.void == row.trials:
        figures: tuple[str, ...] = ("-",) * 6
    else:
        figures = (
            show_rate(row.offered_fps),
            show_rate(row.a_to_b_fps),
            show_rate(row.b_to_a_fps),
            show_lost(row),
            show_duration(row.p50_ns),
            show_duration(row.p99_ns),
        )
    return (show_rate(row.rate), *figures, f"{row.void}/{row.trials}")


def _verdicts(result: ModeResult) -> list[RenderableType]:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1)
    for verdict in result.verdicts:
        table.add_row(
            _marked(verdict.status), escape(verdict.name), show_value(verdict),
            escape(verdict.why),
        )  # fmt: skip
    return [Text(f"verdicts on {result.mode}", style="bold"), table]


def show_value(verdict: Verdict) -> str:
    """Print a verdict's value with three digits, or a dash."""
    return "-" if verdict.value is None else f"{verdict.value:.3g}"


def _claims(run: Run) -> RenderableType:
    if not run.claims:
        return Text("none", style="dim")
    table = Table.grid(padding=(0, 2, 0, 0))
    for claim in run.claims:
        why = "" if claim.status is Status.PASS else claim.why
        table.add_row(_marked(claim.status), escape(claim_sentence(claim)), escape(why))
    return table


def _marked(status: Status) -> str:
    return f"[{_STYLE[status]}]{status.value}[/]"
