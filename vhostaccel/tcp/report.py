# SPDX-License-Identifier: Apache-2.0
"""A measurement as a table, as a record, and as lines for `docs/benchmarks`."""

import json
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vhostaccel.codec import to_plain
from vhostaccel.lab.storage import write_atomic
from vhostaccel.tcp.cells import Cell, Ratio, Spread, cells_of
from vhostaccel.tcp.model import CONGESTION_CONTROL, TcpRun

SCHEMA = "vhostaccel-tcp/1"
_HEADINGS = (
    "streams",
    "way",
    "goodput [Mbit/s]",
    "min..max",
    "sent again",
    "segments per frame in / out",
    "lost in NIC / tap",
    "trials (void)",
)
_NOTE = (
    "goodput: median of the trials; segments per frame: TCP segments on the wire for "
    "each frame into and out of the guest; lost: frames a trial; copy passes no GRO of "
    "the NIC"
)


def to_record(run: TcpRun) -> dict[str, Any]:
    """Return the measurement as its record holds it."""
    return {
        "schema": SCHEMA,
        "summary": to_plain(cells_of(run)),
        **to_plain(run),
    }


def write_files(run: TcpRun, folder: Path) -> None:
    """Write record and markdown into the folder.

    Raises:
        StorageError: If they cannot be written.
    """
    record = json.dumps(to_record(run), indent=1, allow_nan=False)
    write_atomic(folder / "record.json", f"{record}\n".encode())
    write_atomic(folder / "tcp.md", markdown(run).encode())


def table(run: TcpRun) -> RenderableType:
    """Return the measurement, to be printed by rich."""
    made = Table(box=None, pad_edge=False)
    for number, heading in enumerate(_HEADINGS):
        made.add_column(
            heading, justify="left" if number == 1 else "right", no_wrap=number < 4
        )
    found = cells_of(run)
    for cell in found:
        made.add_row(*_row(cell))
    lines = [Text(line) for line in _sentences(found)]
    problems = [
        Text(f"left over: {what}", style="bold red")
        for what in (*run.left_over, *run.warnings)
    ]
    return Group(made, Text(""), *lines, Text(_NOTE, style="dim"), *problems)


def markdown(run: TcpRun) -> str:
    """Return the measurement as a section for `docs/benchmarks`."""
    spec = run.spec
    found = cells_of(run)
    lines = [
        f"# TCP through the guest ({run.started[:10]})",
        "",
        f"`{run.command}`: {spec.repeats} turns, {spec.seconds:g} s each with a window "
        f"of {spec.seconds - spec.warm_up:g} s, {CONGESTION_CONTROL}, A to B. "
        f"{run.environment.get('machine', '')}; lab: {run.environment.get('lab', '')}, "
        f"{run.environment.get('placement', '')}.",
        "",
        f"| {' | '.join(_HEADINGS)} |",
        "|" + "---|" * len(_HEADINGS),
        *(f"| {' | '.join(_row(cell))} |" for cell in found),
        "",
        *(f"- {line}" for line in _sentences(found)),
        f"- {_NOTE}.",
    ]
    return "\n".join(lines) + "\n"


def _row(cell: Cell) -> tuple[str, ...]:
    goodput, again = cell.goodput_mbps, cell.retransmit_share
    return (
        str(cell.streams),
        cell.way,
        "-" if goodput is None else f"{goodput.median:.1f}",
        _range(goodput),
        "-" if again is None else f"{again.median:.2%}",
        f"{_figure(cell.segments_per_frame_in)} / {_figure(cell.segments_per_frame_out)}",
        f"{_count(cell.lost_in_nic)} / {_count(cell.lost_in_tap)}",
        f"{cell.trials} ({cell.void})",
    )


def _sentences(cells: tuple[Cell, ...]) -> list[str]:
    return [
        f"{cell.streams} stream{'s' if cell.streams > 1 else ''}: {_compared(cell, one)}"
        for cell in cells
        for one in cell.ratios
    ]


def _compared(cell: Cell, one: Ratio) -> str:
    return (
        f"{cell.way} has {one.of_medians:.2f} times the goodput of {one.over} "
        f"(by turn {one.least:.2f}..{one.greatest:.2f})"
    )


def _range(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.least:.1f}..{spread.greatest:.1f}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
