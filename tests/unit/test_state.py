# SPDX-License-Identifier: Apache-2.0
"""Changes to a host and their undo."""

from vhostaccel.lab.state import HostState


def test_changes_are_undone_last_one_first():
    state, done = HostState(), []
    state.defer("first", lambda: done.append("first"))
    state.defer("second", lambda: done.append("second"))
    assert state.undo() == ()
    assert done == ["second", "first"]


def test_a_setting_gets_its_old_value_back(tmp_path):
    path = tmp_path / "threaded"
    path.write_text("0\n")
    state = HostState()
    state.write(path, "1")
    assert path.read_text() == "1"
    state.undo()
    assert path.read_text() == "0"


def test_an_undo_that_fails_is_told_and_the_others_still_happen():
    state, done = HostState(), []
    state.defer("remove br-a", lambda: done.append("br-a"))
    state.defer("remove br-b", lambda: 1 / 0)
    (failed,) = state.undo()
    assert failed.startswith("remove br-b: ")
    assert done == ["br-a"]
