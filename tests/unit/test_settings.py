# SPDX-License-Identifier: Apache-2.0
"""What is recorded as set is what the host says, whatever a mode wished for."""

from vhostaccel.observe.settings import read_settings, settings_between


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_settings_are_read_from_the_ports(tmp_path):
    write(tmp_path / "eth0" / "threaded", "1\n")
    write(tmp_path / "eth0" / "gro_flush_timeout", "200000\n")
    assert read_settings(["eth0", "gone"], tmp_path) == {
        "eth0 threaded": "1",
        "eth0 gro_flush_timeout": "200000",
    }


def test_a_setting_that_changed_in_the_window_is_told_as_a_change():
    opened = {"eth0 threaded": "1", "eth1 threaded": "1", "nfv0-0 is a": "tap"}
    closed = {"eth0 threaded": "1", "eth1 threaded": "0"}
    assert settings_between(opened, closed) == {
        "eth0 threaded": "1",
        "eth1 threaded": "1, then 0",
        "nfv0-0 is a": "tap, then gone",
    }
