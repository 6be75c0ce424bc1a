# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page of one run, or of several side by side."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from vhostaccel import __version__
from vhostaccel.lab.storage import write_atomic
from vhostaccel.report.compare import mode_lines
from vhostaccel.report.hops import hop_tables
from vhostaccel.report.junit import claim_sentence
from vhostaccel.report.run import Run
from vhostaccel.report.series import Series, series_of
from vhostaccel.report.summary import (
    SIDE_BY_SIDE,
    show_duration,
    show_lost,
    show_ratio,
    show_value,
)
from vhostaccel.units import show_rate
from vhostaccel.verify.verdict import Status, Verdict

FILE_NAME = "page.html"

_SYMBOLS = {
    Status.PASS: "\N{CHECK MARK}",
    Status.FAIL: "\N{MULTIPLICATION X}",
    Status.SKIP: "\N{EN DASH}",
    Status.VOID: "\N{EMPTY SET}",
}


def render_page(runs: Sequence[Run]) -> str:
    """Return the page as HTML that needs no other file, no script and no network.

    Raises:
        ValueError: If there is no run.
    """
    # matplotlib takes longer to load than most commands to end.
    from vhostaccel.report import plots

    if not runs:
        raise ValueError("a page needs at least one run")
    series = series_of(runs)
    return _template().render(
        title=runs[0].scenario.name if len(runs) == 1 else f"{len(runs)} runs compared",
        version=__version__,
        runs=runs,
        series=series,
        figures={
            "egress": Markup(plots.egress_figure(series)),
            "lost": Markup(plots.lost_figure(series)),
            "latency": Markup(plots.latency_figure(series)),
            "cpu": Markup(plots.cpu_figure(series)),
        },
        verdicts=_verdict_lines(series),
        environment=_environment_lines(runs),
        settings=_setting_lines(runs),
        read_back=_read_back_lines(series),
        compared=[(run, mode_lines(run)) for run in runs if len(run.modes) > 1],
        side_by_side_verdicts=SIDE_BY_SIDE,
        ratio=show_ratio,
        hop_tables={one.number: hop_tables(one.result.points) for one in series},
        claim_sentence=claim_sentence,
        symbols=_SYMBOLS,
        rate=show_rate,
        count=_count,
        duration=show_duration,
        lost=show_lost,
        value=show_value,
    )


def write_page(runs: Sequence[Run], path: Path) -> None:
    """Write ``render_page`` to a file.

    Raises:
        StorageError: If it cannot be written.
    """
    write_atomic(path, render_page(runs).encode())


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # a console line in a record may hold anything
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _verdict_lines(
    series: Sequence[Series],
) -> list[tuple[str, str, list[Verdict | None]]]:
    """Return each verdict's name and limit, and what it came to in each series."""
    found = [
        {verdict.name: verdict for verdict in one.result.verdicts} for one in series
    ]
    limits = {name: v.limit for column in found for name, v in column.items()}
    return [
        (name, limit, [column.get(name) for column in found])
        for name, limit in limits.items()
    ]


def _environment_lines(runs: Sequence[Run]) -> list[tuple[str, list[str], bool]]:
    """Return each fact of the environments, and whether the runs differ in it."""
    return _side_by_side([run.environment for run in runs])


def _setting_lines(runs: Sequence[Run]) -> list[tuple[str, list[str], bool]]:
    return _side_by_side([_settings(run) for run in runs])


def _read_back_lines(series: Sequence[Series]) -> list[tuple[str, list[str], bool]]:
    """Return each setting of the receive path, as it was read in each series' trials."""
    return _side_by_side([_read_back(one) for one in series])


def _read_back(one: Series) -> dict[str, str]:
    seen: dict[str, dict[str, None]] = {}
    for point in one.result.points:
        for name, value in point.settings.items():
            seen.setdefault(name, {})[value] = None
    return {name: " | ".join(values) for name, values in seen.items()}


def _side_by_side(
    columns: Sequence[dict[str, str]],
) -> list[tuple[str, list[str], bool]]:
    names = dict.fromkeys(name for column in columns for name in column)
    lines = [(name, [column.get(name, "-") for column in columns]) for name in names]
    return [(name, values, len(set(values)) > 1) for name, values in lines]


def _settings(run: Run) -> dict[str, str]:
    lab, guest = run.scenario.lab, run.scenario.guest
    disturbance = run.scenario.disturbance
    traffic, void = run.scenario.traffic, run.scenario.void
    return {
        "modes": ", ".join(run.scenario.modes),
        "left out": "; ".join(f"{m}: {why}" for m, why in run.left_out.items()) or "none",
        "loads": f"{', '.join(map(show_rate, traffic.rates))} frames/s per direction",
        "directions": traffic.directions.value,
        "frames": f"{traffic.frames.value}, {traffic.flows} flows per direction and guest",
        "trial": f"flood of {traffic.flood:g} s, measured in its last {traffic.window:g} s, "
        f"then up to {traffic.drain:g} s of drain",
        "sweeps": str(traffic.sweeps),
        "host": f"{lab.cpus} CPUs, {lab.memory >> 20} MiB, placement {lab.placement.value}, "
        f"threaded NAPI {'on' if lab.threaded_napi else 'off'}",
        "guests": f"{guest.count} x {guest.kind.value}, {guest.memory >> 20} MiB",
        "neighbours": "none"
        if traffic.neighbour is None
        else f"every other guest at {show_rate(traffic.neighbour)} frames/s per direction",
        "disturbance": "none"
        if disturbance is None
        else f"{disturbance.action.value} of guest {disturbance.guest}, "
        f"{disturbance.count} times, held for {disturbance.hold:g} s",
        "void when": f"offered < {void.offered_share:g} of intended, or NIC received < "
        f"{void.received_share:g} of sent at up to {show_rate(void.saturation)} frames/s",
    }  # fmt: skip


def _count(frames: int) -> str:
    return f"{frames:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
