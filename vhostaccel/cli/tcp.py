# SPDX-License-Identifier: Apache-2.0
"""``tcp-test``: TCP through the guest, the modes in turns."""

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from vhostaccel.cli.output import say
from vhostaccel.errors import (
    EXIT_NOT_PROVIDED,
    EXIT_PASSED,
    EXIT_VERDICT_FAILED,
    UsageError,
)
from vhostaccel.modes.table import MODES, PLANNED
from vhostaccel.tcp.cells import cells_of
from vhostaccel.tcp.model import TcpRun, TcpSpec
from vhostaccel.tcp.report import table
from vhostaccel.tcp.run import Measurement
from vhostaccel.testbed import provide

_SHORTEST_S = 2.0
_MOST_STREAMS = 64


@click.command("tcp-test")
@click.option("--streams", default="1,8", show_default=True, help="Parallel streams.")
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Turns of each way.",
)
@click.option(
    "--seconds", type=click.FloatRange(_SHORTEST_S), default=8.0, show_default=True,
    help="Length of a trial; the first second is not measured.",
)  # fmt: skip
@click.option(
    "--modes", default="tap,copy", show_default=True, help="Modes that take turns."
)
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--json", "as_json", is_flag=True, help="Print the record.")
def tcp_test(
    streams: str,
    repeats: int,
    seconds: float,
    modes: str,
    output: Path | None,
    as_json: bool,
) -> int:
    """Send TCP through a forwarding guest in the lab, `tap` with and without GRO."""
    spec = TcpSpec(
        modes=_modes(modes), streams=_counts(streams), repeats=repeats, seconds=seconds
    )
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = output or Path("runs") / f"{stamp}-tcp"
    command = shlex.join(["vhostaccel", *sys.argv[1:]])
    measurement = Measurement(spec, folder, command=command, report=say)
    run = measurement.execute(provide(spec.modes, say))
    if as_json:
        click.echo((folder / "record.json").read_text())
    else:
        Console().print(table(run))
        click.echo(f"\nrecord: {folder / 'record.json'}\nmarkdown: {folder / 'tcp.md'}")
    return _status(run)


def _status(run: TcpRun) -> int:
    if run.left_over or run.warnings:
        return EXIT_VERDICT_FAILED
    judged = all(cell.goodput_mbps is not None for cell in cells_of(run))
    return EXIT_PASSED if judged else EXIT_NOT_PROVIDED


def _modes(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in MODES:
            raise UsageError(
                f"this version has no mode {name}",
                hint=f"it has: {', '.join(MODES)}; planned: {', '.join(PLANNED)}",
            )
    return names


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(
        int(part) if part.strip().isdecimal() else 0 for part in text.split(",")
    )
    if not all(0 < count <= _MOST_STREAMS for count in counts):
        raise UsageError(
            f"--streams {text} is no list of numbers from 1 to {_MOST_STREAMS}",
            hint="--streams 1,8",
        )
    return tuple(dict.fromkeys(counts))
