# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel kmod selftest``: the kernel's selftests in a machine of their own."""

import json
import tempfile
from pathlib import Path

import click

from vhostaccel.cli.output import say
from vhostaccel.codec import to_plain
from vhostaccel.errors import EXIT_PASSED, EXIT_VERDICT_FAILED, UsageError
from vhostaccel.kmod.debug_config import config_names
from vhostaccel.kmod.selftest import PLAIN, Outcome, Wishes, run_selftests


@click.command()
@click.option(
    "--kernel",
    type=click.Choice([PLAIN, *config_names()]),
    default=PLAIN,
    show_default=True,
    help="The distribution's, or one with detectors.",
)
@click.option("--only", multiple=True, help="Run this program; may be given again.")
@click.option("--fuzz-seconds", type=int, help="For how long each fuzzer runs [s].")
@click.option("--seed", type=int, help="Of the fuzzers; printed by every run.")
@click.option("--set", "settings", multiple=True, help="NAME=value for the tests.")
@click.option("--igb", is_flag=True, help="On emulated igb NICs, not on naisim.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder for what was printed."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def selftest(
    kernel: str,
    only: tuple[str, ...],
    fuzz_seconds: int | None,
    seed: int | None,
    settings: tuple[str, ...],
    igb: bool,
    output: Path | None,
    as_json: bool,
) -> int:
    """Run the kernel's selftests; a report of the kernel fails them too."""
    for setting in settings:
        if "=" not in setting:
            raise UsageError(f"--set {setting} sets nothing", hint="--set NAME=value")
    numbers = {"KSFT_FUZZ_SECONDS": fuzz_seconds, "KSFT_FUZZ_SEED": seed}
    given = tuple(f"{key}={n}" for key, n in numbers.items() if n is not None)
    wishes = Wishes(kernel=kernel, only=only, settings=(*given, *settings), nics=igb)
    folder = output or Path(tempfile.mkdtemp(prefix="vhostaccel-selftest-"))
    outcome = run_selftests(wishes, folder.absolute(), say)
    if as_json:
        click.echo(json.dumps(to_plain(outcome), indent=2))
    else:
        _show(outcome)
    return EXIT_PASSED if outcome.is_good else EXIT_VERDICT_FAILED


def _show(outcome: Outcome) -> None:
    for result in outcome.results:
        click.echo(f"{result.outcome:8} {result.name}")
        if result.outcome != "passed":
            for line in result.told:
                click.echo(f"         {line}")
    for splat in outcome.splats:
        click.echo(f"kernel:  {splat}")
    if outcome.leaks:
        click.echo(f"leaks:\n{outcome.leaks}")
    skipped = sum(result.outcome == "skipped" for result in outcome.results)
    click.echo(
        f"{outcome.passed} passed, {len(outcome.failures)} failed, {skipped} skipped, "
        f"{len(outcome.splats)} reports of the kernel; {outcome.seconds:.0f} s on "
        f"{outcome.kernel}; {outcome.folder}"
    )
