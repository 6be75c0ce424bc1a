# SPDX-License-Identifier: Apache-2.0
"""Where a key stands in a TOML text, which ``tomllib`` does not tell."""

import re

_HEADER = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[A-Za-z0-9_-]+)\s*[.=]""")
_MULTILINE = re.compile(r'"""|\'\'\'')


def line_of(text: str, table: str = "", key: str = "", index: int = 0) -> int:
    """Return the line of a key, or the nearest line above where it would stand.

    Args:
        text: TOML that ``tomllib`` accepts.
        table: the table's name; empty for the top of the file.
        key: the key; empty for the table's header.
        index: which of several ``[[table]]``, from 0.
    """
    here, seen, best = "", -1, 1
    for number, line in _lines_outside_strings(text):
        if header := _HEADER.fullmatch(line):
            here = header[1].strip("\"'")
            seen += here == table
            if here == table and seen == index:
                best = number
                if not key:
                    return number
        elif match := _KEY.match(line):
            name = match[1].strip("\"'")
            if name == key and here == table and (not table or seen == index):
                return number
            if not here and name == table:  # `lab = {...}` and `lab.cpus = 2`
                best = number
    return best


def _lines_outside_strings(text: str) -> list[tuple[int, str]]:
    """Number the lines, leaving out those that a multi-line string began above."""
    kept, delimiter = [], ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not delimiter:
            kept.append((number, line))
        for found in _MULTILINE.findall(line):
            if not delimiter:
                delimiter = found
            elif found == delimiter:
                delimiter = ""
    return kept
