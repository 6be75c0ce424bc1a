# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel kmod coverage``: what of our kernel code its tests execute."""

import json
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from vhostaccel.cli.output import say
from vhostaccel.errors import EXIT_PASSED, EXIT_VERDICT_FAILED
from vhostaccel.kmod.coverage import (
    COVERAGE,
    Row,
    Taken,
    as_rows,
    of_kunit,
    of_selftests,
)
from vhostaccel.kmod.debug_kernel import provide_debug_kernel
from vhostaccel.kmod.kunit import run_kunit
from vhostaccel.kmod.layout import read_kernel_part
from vhostaccel.kmod.selftest import Wishes, run_selftests
from vhostaccel.lab.kernel import module_compiler, provide_kernel


@click.command()
@click.option("--kunit-only", is_flag=True, help="Leave out the selftests.")
@click.option("--set", "settings", multiple=True, help="NAME=value for the selftests.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder for what they printed."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def coverage(
    kunit_only: bool, settings: tuple[str, ...], output: Path | None, as_json: bool
) -> int:
    """Run the tests with gcov, and show what they execute of nai.ko and net_nai.c."""
    part = read_kernel_part()
    compiler = module_compiler(provide_kernel(say))
    run = run_kunit(say, coverage=True)
    by_kunit = of_kunit(part, run.log.parent, compiler)
    by_selftests: dict[str, Taken] = {}
    good = run.is_good
    if not kunit_only:
        folder = (
            output or Path(tempfile.mkdtemp(prefix="vhostaccel-gcov-"))
        ).absolute()
        wishes = Wishes(kernel=COVERAGE, settings=settings)
        outcome = run_selftests(wishes, folder, say)
        good = good and outcome.is_good
        kernel = provide_debug_kernel(COVERAGE, say)
        counts = folder / "gcov" / kernel.headers.relative_to("/")
        by_selftests = of_selftests(part, kernel.image.parent, counts, compiler)
    rows = as_rows(by_kunit, by_selftests)
    if as_json:
        click.echo(json.dumps({"good": good, "files": _plain(rows)}, indent=2))
    else:
        Console().print(_table(rows))
        if not good:
            click.echo("not all tests passed: see `kmod kunit` and `kmod selftest`")
    return EXIT_PASSED if good else EXIT_VERDICT_FAILED


def _plain(rows: tuple[Row, ...]) -> list[dict[str, object]]:
    return [
        {"file": row.place, "kunit": _counts(row.kunit)}
        | {"selftests": _counts(row.selftests)}
        | {"lines": len(row.lines), "lines_taken": sum(row.lines.values())}
        for row in rows
    ]


def _counts(taken: Taken) -> dict[str, int]:
    return {
        "lines": len(taken.lines),
        "lines_taken": taken.lines_taken,
        "branches": taken.branches,
        "branches_taken": taken.branches_taken,
    }


def _table(rows: tuple[Row, ...]) -> Table:
    table = Table(box=None, pad_edge=False, caption="lines, and branches beside them")
    for heading in ("file", "KUnit", "", "selftests", "", "both"):
        table.add_column(heading)
    for row in rows:
        both = _share(sum(row.lines.values()), len(row.lines))
        name = Path(row.place).name
        table.add_row(name, *_cells(row.kunit), *_cells(row.selftests), both)
    return table


def _cells(taken: Taken) -> tuple[str, str]:
    return (
        _share(taken.lines_taken, len(taken.lines)),
        _share(taken.branches_taken, taken.branches),
    )


def _share(some: int, every: int) -> str:
    return f"{100 * some / every:.0f}% of {every}" if every else "-"
