# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel kmod``: build, install, check and publish the kernel part."""

import json
import os
import shutil
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from vhostaccel.cli.kmod_coverage import coverage
from vhostaccel.cli.kmod_debug import debug_kernel
from vhostaccel.cli.kmod_kunit import kunit
from vhostaccel.cli.kmod_selftest import selftest
from vhostaccel.cli.output import say
from vhostaccel.codec import to_plain
from vhostaccel.errors import EXIT_PASSED, EXIT_VERDICT_FAILED, ProvideError
from vhostaccel.kmod.build import Built, build_modules
from vhostaccel.kmod.check import check_kernel_part
from vhostaccel.kmod.checkall import long_checks
from vhostaccel.kmod.generated import regenerate as make_anew
from vhostaccel.kmod.install import install_steps, remove_steps
from vhostaccel.kmod.inuse import module_uses
from vhostaccel.kmod.layout import read_kernel_part
from vhostaccel.kmod.mail import publish
from vhostaccel.kmod.nextkernel import NEXT_SERIES
from vhostaccel.kmod.package import describe_package
from vhostaccel.kmod.report import Report
from vhostaccel.kmod.sign import CERT_VARIABLE, KEY_VARIABLE, find_signing
from vhostaccel.kmod.steps import Step, carry_out
from vhostaccel.kmod.target import (
    Target,
    require_installable,
    require_reloadable,
    require_root,
    require_series,
)
from vhostaccel.kmod.verify import Trial, verify_series
from vhostaccel.kmod.verifynext import publish_next, verify_next
from vhostaccel.lab.kernel import SERIES, Kernel, find_kernel, provide_kernel
from vhostaccel.lab.source import provide_source
from vhostaccel.lab.storage import storage_error


@click.group()
def kmod() -> None:
    """Build, install, check and publish the kernel part."""


kmod.add_command(coverage)
kmod.add_command(debug_kernel)
kmod.add_command(kunit)
kmod.add_command(selftest)


@kmod.command()
@click.option(
    "--kernel", "version", help="Version of the kernel, as uname -r prints it."
)
@click.option("--sign-key", help=f"PEM file or pkcs11: address [{KEY_VARIABLE}].")
@click.option(
    "--sign-cert",
    type=click.Path(path_type=Path),
    help=f"Its certificate [{CERT_VARIABLE}].",
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder to copy them to."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(
    version: str | None,
    sign_key: str | None,
    sign_cert: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Build nai, tun, vhost_net and igb; quick when nothing has changed."""
    signing = find_signing(sign_key, sign_cert)
    built = build_modules(provide_kernel(say, version), say, signing)
    if output is not None:
        _copy(built, output)
    if as_json:
        plain = {
            "kernel": built.kernel,
            "folder": str(built.folder),
            "modules": {name: str(path) for name, path in built.modules.items()},
            "signed_with": str(built.signed_with) if built.signed_with else None,
            "fresh": built.fresh,
        }
        click.echo(json.dumps(plain, indent=2))
        return
    signed = f"signed with {built.signed_with}" if built.signed_with else "not signed"
    how = "built now" if built.fresh else "built before, from the same sources"
    click.echo(f"for {built.kernel}, {how}, {signed}:")
    for path in built.modules.values():
        click.echo(f"  {(output or path.parent) / path.name}")


_RELOAD = click.option(
    "--reload", is_flag=True, help="Load the modules anew; refused while one is in use."
)
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only print the steps.")


@kmod.command()
@click.option("--kernel", help="Version of the kernel [the one that runs].")
@_RELOAD
@_DRY_RUN
def install(kernel: str | None, reload: bool, dry_run: bool) -> None:
    """Install the modules on this host, through DKMS."""
    target = Target(kernel=kernel or os.uname().release)
    require_series(target)
    if not dry_run:
        require_installable(target, reload=reload)
    version, source = _sources_for(target, dry_run)
    part = read_kernel_part()
    package = describe_package(part, version)
    steps = install_steps(target, package, part, source, reload=reload)
    _carry_out(steps, dry_run, f"{package.label} is installed for {target.kernel}")


@kmod.command()
@_RELOAD
@_DRY_RUN
def remove(reload: bool, dry_run: bool) -> None:
    """Take everything away that install has put onto this host."""
    target = Target(kernel=os.uname().release)
    if not dry_run:
        require_root(target)
        if reload:
            require_reloadable(target)
    steps = remove_steps(target, reload=reload)
    _carry_out(steps, dry_run, "nothing of vhostaccel is installed")


@kmod.command()
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Folder to fill."
)
@click.option("--verify", is_flag=True, help="git am and build after each patch.")
@click.option(
    "--base",
    type=click.Choice([SERIES, NEXT_SERIES]),
    default=SERIES,
    show_default=True,
    help="The series of kernels that they are for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def series(output: Path, verify: bool, base: str, as_json: bool) -> int:
    """Write the kernel part as patches, ready for git am."""
    if base == NEXT_SERIES:
        written = publish_next(output, say)
        steps = verify_next(written[1:], say) if verify else ()
    else:
        kernel, source = _with_source()
        part = read_kernel_part()
        written, steps = publish(part, source, output), ()
        if verify:
            steps = verify_series(written[1:], part, source, kernel.headers, say)
    if as_json:
        plain = {"written": [str(path) for path in written], "steps": to_plain(steps)}
        click.echo(json.dumps(plain, indent=2))
    else:
        for path in written:
            click.echo(path)
        if steps:
            Console().print(_steps_table(steps))
    return EXIT_VERDICT_FAILED if any(step.error for step in steps) else EXIT_PASSED


@kmod.command()
@click.option("--regenerate", is_flag=True, help="Only make the generated files anew.")
@click.option(
    "--all", "whole", is_flag=True, help="Also what takes minutes: whole kernels."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(regenerate: bool, whole: bool, as_json: bool) -> int:
    """Run the kernel's own checkers; only answered findings may be left."""
    kernel, source = _with_source()
    part = read_kernel_part()
    if regenerate:
        for where in make_anew(part, source):
            click.echo(f"made anew: {part.own[where]}")
        return EXIT_PASSED
    if whole:
        with long_checks(part, kernel, say) as more:
            found = check_kernel_part(
                part, source, kernel.headers, say, semantics=None, more=more
            )
    else:
        found = check_kernel_part(part, source, kernel.headers, say)
    if as_json:
        click.echo(json.dumps(to_plain(found), indent=2))
    else:
        _show_check(found)
    return EXIT_PASSED if found.is_clean else EXIT_VERDICT_FAILED


def _sources_for(target: Target, dry_run: bool) -> tuple[str, Path]:
    """Return the sources of the target's kernel, or else of the newest, and which."""
    if dry_run:
        kernel = find_kernel(target.kernel) or find_kernel()
        return kernel.package_version if kernel else "the newest kernel", Path()
    try:
        kernel = provide_source(provide_kernel(say, target.kernel), say)
    except ProvideError as error:
        say(f"taking the newest sources of the series: {error.what}")
        kernel, _ = _with_source()
    assert kernel.source is not None
    return kernel.package_version, kernel.source


def _carry_out(steps: list[Step], dry_run: bool, done: str) -> None:
    if dry_run:
        for step in steps:
            click.echo(f"would: {step.what}")
    else:
        carry_out(steps, say)
        click.echo(f"{done}{'' if steps else ': nothing to do'}")
    click.echo("in the running kernel now:")
    for use in module_uses():
        click.echo(f"  {use}")
    if any(use.loaded for use in module_uses()):
        click.echo("what is loaded stays until the next boot, or until --reload")


def _with_source() -> tuple[Kernel, Path]:
    kernel = provide_source(provide_kernel(say), say)
    assert kernel.source is not None
    return kernel, kernel.source


def _steps_table(steps: tuple[Trial, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("patch", "git am", "modules built", "warnings", "error"):
        table.add_column(heading, overflow="fold")
    for step in steps:
        table.add_row(
            step.patch,
            "ok" if step.applied else "failed",
            " ".join(step.modules),
            str(step.warnings),
            step.error,
        )
    return table


def _show_check(found: Report) -> None:
    table = Table(box=None, pad_edge=False)
    headings = ("checker", "looked at", "time [s]", "CPU [s]", "findings", "answered")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for done in found.checks:
        times = (f"{done.seconds:.1f}", f"{done.cpu_seconds:.1f}")
        counts = (str(len(done.findings)), str(found.answered(done)))
        table.add_row(done.tool, done.looked_at, *times, *counts)
    Console().print(table)
    for note in found.notes:
        click.echo(f"note: {note}")
    for finding in found.open:
        click.echo(f"{finding.tool}: {finding}")
    for answer in found.unneeded:
        click.echo(f"answer that nothing needs: {answer.kind} in {answer.place}")
    if found.is_clean:
        click.echo("clean: every finding is answered in kmod/checkpatch-answers.toml")


def _copy(built: Built, output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for path in built.modules.values():
            shutil.copyfile(path, output / path.name)
    except OSError as error:
        raise storage_error(output, error) from error
