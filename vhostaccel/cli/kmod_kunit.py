# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel kmod kunit``: the kernel part's own tests, in seconds."""

import json

import click

from vhostaccel.cli.output import say
from vhostaccel.codec import to_plain
from vhostaccel.errors import EXIT_PASSED, EXIT_VERDICT_FAILED
from vhostaccel.kmod.kunit import KunitRun, run_kunit


@click.command()
@click.argument("wanted", default="")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def kunit(wanted: str, as_json: bool) -> int:
    """Run the KUnit suites; WANTED is a suite, or suite.case, with * as you like."""
    run = run_kunit(say, wanted)
    if as_json:
        click.echo(json.dumps(to_plain(run), indent=2))
    else:
        _show(run)
    return EXIT_PASSED if run.is_good else EXIT_VERDICT_FAILED


def _show(run: KunitRun) -> None:
    for failure in run.results.failed:
        click.echo(f"failed: {failure.name}")
        for line in failure.said:
            click.echo(f"    {line}")
    for skipped in run.results.skipped:
        click.echo(f"skipped: {skipped}")
    for problem in (*run.results.problems, *run.splats):
        click.echo(f"wrong: {problem}")
    if not run.is_good:
        click.echo(f"the kernel's log: {run.log}")
    click.echo(
        f"{len(run.results.passed)} of {run.results.count} tests passed, "
        f"{len(run.results.skipped)} skipped, on {run.kernel}: "
        f"built in {run.build_s:.0f} s, run in {run.run_s:.1f} s"
    )
