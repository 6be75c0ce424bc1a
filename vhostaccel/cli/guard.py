# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel guard``: what the mode ``xdp`` is worth on this machine."""

import json

import click
from rich.table import Table

from vhostaccel.cli.tables import console, table
from vhostaccel.codec import to_plain
from vhostaccel.guard.bench import Bench, run_bench


@click.group()
def guard() -> None:
    """Look into the mode xdp; `attach --mode xdp` puts a guest behind the guard."""


@guard.command()
@click.option(
    "--repeats", type=click.IntRange(1), default=5, show_default=True, help="Of each."
)
@click.option(
    "--frames",
    type=click.IntRange(1000),
    default=1_000_000,
    show_default=True,
    help="Of each repetition.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(repeats: int, frames: int, as_json: bool) -> None:
    """Measure the CPU time of a dropped frame, in tap and guard, in name spaces of its own."""
    done = run_bench(repeats, frames)
    if as_json:
        click.echo(json.dumps(to_plain(done), indent=2))
        return
    console().print(_costs(done))
    click.echo(
        f"CPU time of a frame [ns], {repeats} times {frames:,} frames; "
        f"{done.kernel}, {done.cpu}, load {done.load:.1f}"
    )


def _costs(done: Bench) -> Table:
    made = table(
        ("mode",), ("median", "least", "most", "of tap"), ("what becomes of a frame",)
    )
    usual = done.costs[0].median_ns
    for cost in done.costs:
        least, most = min(cost.runs_ns), max(cost.runs_ns)
        share = f"{cost.median_ns / usual:.2f}"
        numbers = (f"{ns:.1f}" for ns in (cost.median_ns, least, most))
        made.add_row(cost.name, *numbers, share, cost.what)
    return made
