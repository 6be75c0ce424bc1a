# SPDX-License-Identifier: Apache-2.0
"""What is recorded as set is what the host says, whatever a mode wished for."""

from vhostaccel.observe.settings import read_settings, settings_between


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_settings_are_read_from_ports_taps_and_guests(tmp_path):
    net, proc = tmp_path / "net", tmp_path / "proc"
    write(net / "eth0" / "threaded", "1\n")
    write(net / "eth0" / "gro_flush_timeout", "200000\n")
    write(net / "nfv0-0" / "tun_flags", "0x5002\n")
    (net / "nfv1-0" / "macvtap").mkdir(parents=True)
    qemu = "qemu\0-netdev\0tap,id=hostnet0\0-set\0netdev.hostnet0.poll-us=50\0"
    write(proc / "7" / "cmdline", qemu)
    write(proc / "8" / "cmdline", "qemu\0-netdev\0tap,id=hostnet0\0")
    guests = {7: "nfv0", 8: "nfv1", 9: "nfv2"}

    found = read_settings(["eth0"], ["nfv0-0", "nfv1-0", "gone"], guests, net, proc)

    assert found == {
        "eth0 threaded": "1",
        "eth0 gro_flush_timeout": "200000",
        "nfv0-0 is a": "tap",
        "nfv1-0 is a": "macvtap",
        "nfv0 poll-us": "50",
        "nfv1 poll-us": "0",
    }


def test_a_setting_that_changed_in_the_window_is_told_as_a_change():
    opened = {"eth0 threaded": "1", "eth1 threaded": "1", "nfv0-0 is a": "tap"}
    closed = {"eth0 threaded": "1", "eth1 threaded": "0"}
    assert settings_between(opened, closed) == {
        "eth0 threaded": "1",
        "eth1 threaded": "1, then 0",
        "nfv0-0 is a": "tap, then gone",
    }
