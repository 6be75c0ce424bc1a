# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel kmod debug-kernel``: a kernel that checks itself, and proof that it does."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from vhostaccel.cli.output import say
from vhostaccel.errors import EXIT_PASSED, EXIT_VERDICT_FAILED
from vhostaccel.kmod.debug_config import config_names
from vhostaccel.kmod.debug_kernel import provide_debug_kernel
from vhostaccel.kmod.debug_proof import Proof, prove


@click.command("debug-kernel")
@click.option(
    "--config",
    type=click.Choice(config_names()),
    default="kasan",
    show_default=True,
    help="What is looked for: kmod/configs has each.",
)
@click.option(
    "--prove", "proves", is_flag=True, help="Boot it, and have each detector fire once."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def debug_kernel(config: str, proves: bool, as_json: bool) -> int:
    """Build the kernel with the series in it and detectors on; quick after a change."""
    kernel = provide_debug_kernel(config, say)
    proof = prove(kernel, say) if proves else None
    if as_json:
        plain = {
            "version": kernel.version,
            "image": str(kernel.image),
            "modules": str(kernel.modules),
            "key": kernel.debug.key if kernel.debug else None,
            "proof": asdict(proof) if proof else None,
        }
        click.echo(json.dumps(plain, indent=2))
    else:
        click.echo(f"debug kernel {kernel.label}: {kernel.image}")
        if proof:
            _show(proof)
    return EXIT_PASSED if proof is None or proof.holds else EXIT_VERDICT_FAILED


def _show(proof: Proof) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("mistake", "to be found by", "reported as"):
        table.add_column(heading, overflow="fold")
    for control in proof.controls:
        table.add_row(control.mistake, control.detector, control.seen or "NOT REPORTED")
    Console().print(table)
    for name, results in proof.suites.items():
        click.echo(
            f"KUnit {name}: {len(results.passed)} passed, {len(results.failed)} failed, "
            f"{len(results.skipped)} skipped"
        )
        for failure in results.failed:
            click.echo(f"  failed: {failure.name}: {' / '.join(failure.said[-3:])}")
        for problem in results.problems:
            click.echo(f"  {problem}")
    if not proof.suites:
        click.echo("KUnit: no suite was run")
    for headline in proof.unexpected:
        click.echo(f"nobody provoked: {headline}")
