# SPDX-License-Identifier: Apache-2.0
"""Findings are read from what the kernel's checkers print, none is missed."""

import pytest

from vhostaccel.errors import ProvideError
from vhostaccel.kmod.checkers import added, checkpatch_findings, warning_findings

TERSE = """\
drivers/vhost/net.c:12: WARNING:LONG_LINE: line length of 101 exceeds 100 columns
0001-x.patch:3: CHECK:MACRO_ARG_REUSE: Macro argument reuse 'x' - side-effects?
total: 0 errors, 1 warnings, 1 checks, 40 lines checked
"""


def test_findings_of_checkpatch_have_place_kind_and_message():
    first, second = checkpatch_findings(TERSE)
    assert (first.place, first.line, first.kind) == (
        "drivers/vhost/net.c",
        12,
        "LONG_LINE",
    )
    assert second.message.startswith("Macro argument reuse")
    assert checkpatch_findings("total: 0 errors, 0 warnings, 9 lines checked\n") == ()


@pytest.mark.parametrize(
    "output",
    ["", "perl: not found\n", TERSE.replace("1 warnings", "2 warnings")],
    ids=["nothing", "did not run", "one is missing"],
)
def test_a_checker_that_did_not_run_or_says_more_than_was_read_is_an_error(output):
    with pytest.raises(ProvideError, match="checkpatch"):
        checkpatch_findings(output)


def test_warnings_are_read_with_and_without_a_column():
    output = (
        "  CC [M]  net/nai/nai_core.o\n"
        "net/nai/nai_core.c:7:3: warning: unused variable 'a' [-Wunused-variable]\n"
        "include/net/nai.h:30: warning: Function parameter 'x' not described\n"
        "In file included from x.c:3:\n"
    )
    first, second = warning_findings(output, "compiler")
    assert (first.place, first.line, first.kind) == (
        "net/nai/nai_core.c",
        7,
        "unused-variable",
    )
    assert second.kind == "compiler"


def test_only_what_was_not_there_before_is_ours():
    before = warning_findings("a.c:1:1: warning: old\na.c:9:1: warning: twice\n", "x")
    after = warning_findings(
        "a.c:4:1: warning: old\n"
        "a.c:12:1: warning: twice\n"
        "a.c:13:1: warning: twice\n"
        "b.c:1:1: warning: old\n",
        "x",
    )
    assert [(new.place, new.line) for new in added(after, before)] == [
        ("a.c", 13),
        ("b.c", 1),
    ]
