# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel doctor``: what this host has and lacks, and how to mend it."""

import json

import click
from rich.console import Console
from rich.table import Table

from vhostaccel.codec import to_plain
from vhostaccel.doctor import CheckStatus, examine
from vhostaccel.errors import EXIT_NOT_PROVIDED, EXIT_PASSED

_SIGNS = {
    CheckStatus.OK: "[green]ok[/]",
    CheckStatus.WARN: "[yellow]warn[/]",
    CheckStatus.MISSING: "[red]missing[/]",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Say what this host can do, and how to mend what it cannot."""
    checks = examine()
    if as_json:
        click.echo(json.dumps([to_plain(check) for check in checks], indent=2))
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("", "what", "needed for", "seen", "mend with"):
            table.add_column(heading, overflow="fold")
        for check in checks:
            sign = _SIGNS[check.status]
            needed = ", ".join(check.needed_for)
            table.add_row(sign, check.name, needed, check.seen, check.mend or "")
        Console().print(table)
    lacks = any(check.status is CheckStatus.MISSING for check in checks)
    return EXIT_NOT_PROVIDED if lacks else EXIT_PASSED
