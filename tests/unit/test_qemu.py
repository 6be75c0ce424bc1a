# SPDX-License-Identifier: Apache-2.0
"""The lab's QEMU command line."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest

from vhostaccel.lab.qemu import Boot, LabFiles, qemu_argv
from vhostaccel.scenario.model import LabSpec

BOOT = Boot(
    kernel_image=Path("/cache/vmlinuz"),
    modules=Path("/cache/lib/modules"),
    python=Path("/repo/.venv/bin/python"),
    source=Path("/repo"),
)
FILES = LabFiles(folder=Path("/run/lab"))
MACS = ("52:54:00:aa:00:0a", "52:54:00:aa:00:0b")


def argv(spec=LabSpec(), *, kvm=False):  # noqa: B008  # frozen
    return qemu_argv(spec, FILES, BOOT, kvm=kvm, nic_macs=MACS)


def following(arguments, option):
    return [b for a, b in pairwise(arguments) if a == option]


def test_every_wire_is_a_stream_socket_with_an_igb_on_a_port_of_its_own():
    arguments = argv()
    devices = following(arguments, "-device")
    for wire, mac in zip("ab", MACS, strict=True):
        assert any(
            f"stream,id=wire-{wire},server=on" in netdev
            and f"/run/lab/wire-{wire}.sock" in netdev
            for netdev in following(arguments, "-netdev")
        )
        assert any(d.startswith(f"igb,bus=port-{wire},") and mac in d for d in devices)


def test_the_outside_is_read_only():
    (outside,) = following(argv(), "-fsdev")
    assert "readonly=on" in outside


@pytest.mark.parametrize(("kvm", "accelerator"), [(True, "kvm"), (False, "tcg")])
def test_hardware_virtualisation_is_used_where_it_is_usable(kvm, accelerator):
    (chosen,) = following(argv(kvm=kvm), "-accel")
    assert chosen.startswith(accelerator)


def test_counting_instructions_needs_one_thread_even_with_kvm():
    arguments = argv(dataclasses.replace(LabSpec(), icount=True), kvm=True)
    assert following(arguments, "-accel") == ["tcg,thread=single"]
    assert "-icount" in arguments
