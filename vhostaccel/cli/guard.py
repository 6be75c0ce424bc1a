# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel guard``: what the mode ``xdp`` is worth on this machine."""

import json
from pathlib import Path

import click
from rich.table import Table

from vhostaccel.cli.tables import console, table
from vhostaccel.codec import to_plain
from vhostaccel.errors import EXIT_PASSED, EXIT_VERDICT_FAILED
from vhostaccel.guard.bench import Bench, run_bench
from vhostaccel.guard.kernels import KERNELS
from vhostaccel.guard.trial import run_trial


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


@guard.command()
@click.option(
    "--kernel",
    "series",
    type=click.Choice(KERNELS),
    multiple=True,
    help="May be repeated [all].",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/guard"),
    show_default=True,
    help="Folder for consoles and what the scenes printed.",
)
def kernels(series: tuple[str, ...], output: Path) -> int:
    """Play the guard's scenes on Debian's kernels, each booted in a machine of its own."""
    trials = []
    for name in series or KERNELS:
        trial = run_trial(name, output.resolve() / name, click.echo)
        trials.append(trial)
        counts = f"{len(trial.passed)} scenes passed, {len(trial.failed)} failed"
        click.echo(
            f"Linux {trial.kernel}: {counts}, {len(trial.skipped)} skipped, "
            f"in {trial.seconds:.0f} s"
        )
        for what in (*trial.failed, *trial.skipped, *trial.splats):
            click.echo(f"  {what}")
    good = all(trial.is_good for trial in trials)
    return EXIT_PASSED if good else EXIT_VERDICT_FAILED


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
