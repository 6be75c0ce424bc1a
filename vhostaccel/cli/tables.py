# SPDX-License-Identifier: Apache-2.0
"""Tables that fit a terminal, and that a pipe gets unbroken."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 200


def console() -> Console:
    """Return standard output: as wide as the terminal, or wide where it is none."""
    found = Console()
    return found if found.is_terminal else Console(width=_PIPE_WIDTH)


def table(words: Sequence[str], numbers: Sequence[str], last: Sequence[str]) -> Table:
    """Return an empty table with these headings.

    Args:
        words: of columns that are aligned to the left and never broken.
        numbers: of columns after them that are aligned to the right.
        last: of columns of text, which take what width is left.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in words:
        made.add_column(heading, no_wrap=True)
    for heading in numbers:
        made.add_column(heading, justify="right", no_wrap=True)
    for heading in last:
        made.add_column(heading, overflow="fold")
    return made
