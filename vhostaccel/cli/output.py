# SPDX-License-Identifier: Apache-2.0
"""Progress: one line for each thing that happens, with the time since the start."""

import time

import click

_STARTED = time.monotonic()


def say(what: object) -> None:
    """Print a line of progress on standard error."""
    elapsed_s = time.monotonic() - _STARTED
    click.echo(f"[{elapsed_s:6.1f} s] {what}", err=True)
