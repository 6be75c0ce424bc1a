# SPDX-License-Identifier: Apache-2.0
"""The page's figures: curves over offered load, and where frames and CPU went."""

from collections.abc import Callable, Iterable, Sequence
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from vhostaccel.report import ink
from vhostaccel.report.rows import UNEXPLAINED, Row
from vhostaccel.report.series import Series
from vhostaccel.report.summary import show_duration
from vhostaccel.units import show_rate

_OFFERED = "offered load [frames/s per direction]"
_MANY_RATES = 8
_FEW_PERCENT = 0.0005


def egress_figure(series: Sequence[Series]) -> str:
    """Egress against offered load; every trial as a dot, the means as a line."""
    with ink.pen():
        figure = Figure(figsize=(8.8, 4.6), layout="constrained")
        axes = figure.add_subplot()
        _load_axis(axes, series)
        axes.set_yscale("symlog", linthresh=1, linscale=0.5)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: show_rate(y)))
        axes.set_ylabel("egress [frames/s per direction]")
        _ideal_line(axes, series)
        for one in series:
            _egress_curve(axes, one)
        axes.set_ylim(bottom=0)
        _legend(figure, axes, void=any(row.void for one in series for row in one.rows))
        return ink.to_svg(
            figure, "egress", "Egress against offered load; the rates are tabled below"
        )


def latency_figure(series: Sequence[Series]) -> str:
    """One-way latency against offered load: p50 solid, p99 dashed."""
    with ink.pen():
        figure = Figure(figsize=(8.8, 3.8), layout="constrained")
        axes = figure.add_subplot()
        _load_axis(axes, series)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: show_duration(y)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel("one-way latency")
        for one in series:
            _latency_curve(axes, one, "p50", "-", lambda row: row.p50_ns)
            _latency_curve(axes, one, "p99", "--", lambda row: row.p99_ns)
        axes.margins(y=0.15)
        low, high = axes.get_ylim()
        if high < 300 * low:  # else ticks inside the decades would crowd
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        _legend(figure, axes)
        return ink.to_svg(
            figure, "latency", "Latency against offered load, p50 and p99"
        )


def lost_figure(series: Sequence[Series]) -> str:
    """What became of the offered frames, by load: delivered, or lost where."""
    with ink.pen():
        figure, panels = _panels(series)
        shown: set[str] = set()
        for one, axes in zip(series, panels, strict=True):
            shown |= _fate_bars(axes, one)
        places = [place for place in ink.PLACES if place in shown]
        handles = [
            Patch(label=place, facecolor=ink.colour(ink.PLACES.get(place, "muted")))
            for place in [*places, *sorted(shown - set(places))]
        ]
        figure.legend(
            handles=handles, loc="outside upper left", ncols=5, handlelength=1
        )
        return ink.to_svg(figure, "lost", "Share of offered frames delivered and lost")


def cpu_figure(series: Sequence[Series]) -> str:
    """Share of the datapath CPU by owner, against offered load."""
    with ink.pen():
        figure, panels = _panels(series)
        found: dict[str, Line2D] = {}
        for one, axes in zip(series, panels, strict=True):
            _load_axis(axes, series)
            axes.set_title(one.label)
            axes.set_ylim(0, 1.05)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.0%}"))
            for owner in _owners([one]):
                (line,) = axes.plot(
                    [row.offered_fps for row in one.sound_rows],
                    [row.cpu.get(owner, 0.0) for row in one.sound_rows],
                    color=ink.colour(ink.OWNERS.get(owner, "muted")),
                    marker=ink.marker(list(ink.OWNERS).index(owner) if owner in ink.OWNERS else 0),
                    linestyle="--" if owner == "idle" else "-",
                    label=owner,
                )  # fmt: skip
                found.setdefault(owner, line)
        if found:
            handles = [found[owner] for owner in _owners(series)]
            figure.legend(handles=handles, loc="outside upper left", ncols=8)
        return ink.to_svg(figure, "cpu", "Share of the datapath CPU by owner")


def _owners(series: Iterable[Series]) -> list[str]:
    found = {owner for one in series for row in one.sound_rows for owner in row.cpu}
    known = [owner for owner in ink.OWNERS if owner in found]
    return [*known, *sorted(found - set(known))]


def _load_axis(axes: Axes, series: Sequence[Series]) -> None:
    rates = sorted({row.rate for one in series for row in one.rows})
    axes.set_xscale("log")
    if rates and len(rates) <= _MANY_RATES:
        axes.set_xticks(rates)
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: show_rate(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(_OFFERED)
    if rates:
        axes.set_xlim(rates[0] / 1.25, rates[-1] * 1.25)


def _ideal_line(axes: Axes, series: Sequence[Series]) -> None:
    rates = [row.rate for one in series for row in one.rows]
    if rates:
        ends = [min(rates), max(rates)]
        axes.plot(
            ends, ends, color=ink.colour("muted"), linestyle=":", linewidth=1.2,
            label="ideal: egress = offered",
        )  # fmt: skip


def _egress_curve(axes: Axes, one: Series) -> None:
    colour, marker = ink.series_colour(one.number), ink.marker(one.number)
    sweep = [point for point in one.result.points if point.purpose == "sweep"]
    sound = [point for point in sweep if point.void is None]
    void = [point for point in sweep if point.void is not None]
    axes.plot(
        [row.offered_fps for row in one.sound_rows],
        [row.egress_fps for row in one.sound_rows],
        color=colour, marker=marker, label=one.label,
        linestyle=ink.DASHES[one.number // ink.HUES % len(ink.DASHES)],
    )  # fmt: skip
    axes.plot(
        [point.offered_fps for point in sound],
        [point.egress_fps for point in sound],
        color=colour, marker=marker, linestyle="", alpha=0.4, markersize=3.5,
    )  # fmt: skip
    axes.plot(
        [point.rate for point in void],
        [point.egress_fps for point in void],
        color=ink.colour("muted"), marker="x", linestyle="",
    )  # fmt: skip


def _latency_curve(
    axes: Axes, one: Series, name: str, style: str, value: Callable[[Row], float | None]
) -> None:
    pairs = [(row.offered_fps, value(row)) for row in one.sound_rows]
    known = [(load, ns) for load, ns in pairs if ns is not None]
    axes.plot(
        [load for load, _ in known],
        [ns for _, ns in known],
        color=ink.series_colour(one.number),
        marker=ink.marker(one.number),
        markerfacecolor=ink.colour("ground") if name == "p99" else None,
        linestyle=style,
        label=f"{one.label} {name}",
    )


def _fate_bars(axes: Axes, one: Series) -> set[str]:
    """Stack one bar a load; return the places that can be seen."""
    axes.set_title(one.label)
    axes.set_xlabel(_OFFERED)
    axes.set_ylim(0, 1.0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.0%}"))
    axes.grid(visible=False, axis="x")
    rows = [row for row in one.sound_rows if row.offered]
    shares = [
        {"delivered": row.delivered / row.offered}
        | {place: frames / row.offered for place, frames in row.lost.items()}
        for row in rows
    ]
    found = {p for share in shares for p, part in share.items() if part >= _FEW_PERCENT}
    floor = [0.0] * len(rows)
    for place in [*ink.PLACES, *sorted(found - set(ink.PLACES))]:
        # A negative residual is more out than in; no bar can show it, the table does.
        heights = [max(0.0, share.get(place, 0.0)) for share in shares]
        axes.bar(
            range(len(rows)), heights, bottom=floor, width=0.72, linewidth=0.8,
            color=ink.colour(ink.PLACES.get(place, "muted")),
            edgecolor=ink.colour("ground"),
            hatch="///" if place == UNEXPLAINED else None,
        )  # fmt: skip
        floor = [low + high for low, high in zip(floor, heights, strict=True)]
    axes.set_xticks(range(len(rows)), [show_rate(row.rate) for row in rows])
    return found


def _panels(series: Sequence[Series]) -> tuple[Figure, list[Axes]]:
    columns = min(2, len(series)) or 1
    lines = ceil(len(series) / columns) or 1
    figure = Figure(figsize=(8.8, 2.9 * lines + 0.5), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    panels = [axes for line in grid for axes in line]
    for axes in panels[len(series) :]:
        axes.remove()
    return figure, panels[: len(series)]


def _legend(figure: Figure, axes: Axes, *, void: bool = False) -> None:
    handles, _ = axes.get_legend_handles_labels()
    if void:
        handles.append(
            Line2D([], [], color=ink.colour("muted"), marker="x", linestyle="", label="void trial")
        )  # fmt: skip
    if handles:
        # Above the axes: inside, it would lie over a curve sooner or later.
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
