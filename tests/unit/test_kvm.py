# SPDX-License-Identifier: Apache-2.0
"""Hardware virtualisation is used where the host has it, nested where it is let."""

import pytest

from vhostaccel.lab import kvm
from vhostaccel.lab.kvm import look_at_kvm


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Return what makes this host's files: flags of the CPU, and if guests nest."""
    device, cpuinfo = tmp_path / "kvm", tmp_path / "cpuinfo"
    monkeypatch.setattr(kvm, "_DEVICE", str(device))
    monkeypatch.setattr(kvm, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(kvm, "_MODULES", tmp_path)

    def make(flags, nested=None, *, opens=True):
        cpuinfo.write_text(f"flags\t\t: fpu {flags} sse\n")
        if opens:
            device.write_text("")
        if nested is not None:
            parameters = tmp_path / "kvm_amd/parameters"
            parameters.mkdir(parents=True)
            (parameters / "nested").write_text(f"{nested}\n")
        return look_at_kvm()

    return make


@pytest.mark.parametrize("flag", ["svm", "vmx"])
def test_a_machine_without_others_inside_needs_no_nesting(host, flag):
    found = host(flag, "0")
    assert found.works
    assert not found.works_nested


@pytest.mark.parametrize("allowed", ["1", "Y"])
def test_the_lab_needs_nesting(host, allowed):
    assert host("svm", allowed).works_nested


@pytest.mark.parametrize(
    ("flags", "opens"), [("svm", False), ("svm_lock", True)], ids=["device", "flag"]
)
def test_without_the_device_or_the_flag_there_is_none(host, flags, opens):
    found = host(flags, "1", opens=opens)
    assert not found.works
    assert not found.works_nested
