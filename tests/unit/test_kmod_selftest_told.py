# SPDX-License-Identifier: Apache-2.0
"""Results of the kernel's selftests are told once, as they come."""

from vhostaccel.kmod.selftest import Teller


def test_each_result_is_told_once_and_the_growing_files_are_returned(tmp_path):
    told: list[str] = []
    teller = Teller(tmp_path, told.append)
    assert teller.look() == []
    first = tmp_path / "attach.py.ktap"
    first.write_text("TAP version 13\nok 1 attach.one\n# a comment\n")
    assert teller.look() == [first]
    assert teller.look() == [first]
    first.write_text(first.read_text() + "not ok 2 attach.two\n")
    teller.look()
    assert told == ["ok 1 attach.one", "not ok 2 attach.two"]
