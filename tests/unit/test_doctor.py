# SPDX-License-Identifier: Apache-2.0
"""From facts about a host to what it lacks and how that is mended."""

from dataclasses import replace
from pathlib import Path

import pytest

from vhostaccel.doctor import CheckStatus, examine, is_able
from vhostaccel.doctor.checks import Check, judge
from vhostaccel.doctor.facts import (
    PROGRAMS,
    Facts,
    GuardFacts,
    is_static,
    qemu_version,
)
from vhostaccel.lab.kernel import Kernel
from vhostaccel.lab.kvm import Kvm

VERSION = "6.12.117+deb12-amd64"
CACHE = Path("/home/me/.cache/vhostaccel")
KERNEL = Kernel(
    version=VERSION,
    package_version="6.12.117-1~deb12u1",
    image=CACHE / "vmlinuz",
    modules=CACHE / "lib/modules" / VERSION,
    headers=CACHE / "headers",
    source=CACHE / "source",
)
ABLE = Facts(
    is_root=True,
    qemu_version=(10, 0, 2),
    qemu_has_igb=True,
    kvm=Kvm(device_opens=True, cpu_virtualises=True, nests=True),
    programs={name: Path("/usr/bin") / name for name in PROGRAMS},
    libvirt_qemu_driver=Path("/usr/lib/libvirt_driver_qemu.so"),
    busybox=Path("/bin/busybox"),
    busybox_is_static=True,
    kernel=KERNEL,
    kernel_compiler=Path("/usr/bin/x86_64-linux-gnu-gcc-12"),
    has_nai=True,
    guard=GuardFacts(lacks_program=None, lacks_kernel=None, casts=True),
    absent_distributions=(),
    cache=CACHE,
    disk_free_bytes=50 << 30,
    memory_bytes=16 << 30,
    cpus=2,
)


def troubles(facts: Facts) -> list[Check]:
    return [check for check in judge(facts) if check.status is not CheckStatus.OK]


def test_a_host_with_everything_has_no_trouble():
    assert troubles(ABLE) == []
    assert is_able(judge(ABLE), "tap")
    assert all(check.mend == "" for check in judge(ABLE))


@pytest.mark.parametrize(
    ("change", "name", "mend"),
    [
        pytest.param(
            {"qemu_version": (7, 2, 18)}, "QEMU", "make setup", id="qemu too old"
        ),
        pytest.param(
            {"qemu_has_igb": False}, "QEMU", "make setup", id="qemu without igb"
        ),
        pytest.param({"qemu_version": None}, "QEMU", "make setup", id="no qemu"),
        pytest.param(
            {"programs": {**ABLE.programs, "virsh": None}},
            "virsh",
            "libvirt-clients",
            id="no virsh",
        ),
        pytest.param(
            {"libvirt_qemu_driver": None},
            "QEMU driver",
            "libvirt-daemon-driver-qemu",
            id="no driver",
        ),
        pytest.param(
            {"busybox_is_static": False},
            "busybox",
            "busybox-static",
            id="dynamic busybox",
        ),
        pytest.param(
            {"kernel_compiler": None}, "compiler", "make setup", id="no compiler"
        ),
        pytest.param(
            {"absent_distributions": ("scapy",)}, "Python", "make setup", id="no scapy"
        ),
        pytest.param({"memory_bytes": 1 << 30}, "memory", "end other", id="no memory"),
    ],
)
def test_what_is_missing_is_named_with_what_mends_it(change, name, mend):
    checks = judge(replace(ABLE, **change))
    (trouble,) = troubles(replace(ABLE, **change))
    assert trouble.status is CheckStatus.MISSING
    assert name in trouble.name
    assert mend in trouble.mend
    assert "tap" in trouble.needed_for
    assert not is_able(checks, "tap")


def test_without_the_kernels_source_there_is_tap_but_no_copy():
    checks = judge(replace(ABLE, kernel=replace(KERNEL, source=None)))
    assert is_able(checks, "tap")
    assert not is_able(checks, "copy")


def test_a_host_without_frame_queues_of_its_own_still_has_the_lab():
    facts = replace(ABLE, has_nai=False)
    (trouble,) = troubles(facts)
    assert trouble.status is CheckStatus.WARN
    assert "kmod install" in trouble.mend
    assert "attach" in trouble.needed_for
    assert is_able(judge(facts), "copy")


@pytest.mark.parametrize(
    ("kvm", "reason", "mend"),
    [
        pytest.param((False, False, False), "no virtualisation", "", id="no svm"),
        pytest.param((False, True, False), "does not open", "adduser", id="no rights"),
        pytest.param((True, True, False), "nested", "nested=1", id="no nesting"),
    ],
)
def test_without_kvm_the_lab_runs_under_tcg(kvm, reason, mend):
    opens, virtualises, nests = kvm
    facts = replace(
        ABLE, kvm=Kvm(device_opens=opens, cpu_virtualises=virtualises, nests=nests)
    )
    (trouble,) = troubles(facts)
    assert trouble.status is CheckStatus.WARN
    assert reason in trouble.seen
    assert "TCG" in trouble.seen
    assert mend in trouble.mend
    assert is_able(judge(facts), "tap")


def test_a_report_needs_no_lab():
    facts = replace(ABLE, qemu_version=None, kernel=None)
    assert is_able(judge(facts), "report")
    assert not is_able(judge(facts), "flood-test")


def test_a_full_disk_matters_less_once_the_kernel_is_there():
    full = replace(ABLE, disk_free_bytes=100 << 20)
    assert is_able(judge(full), "flood-test")
    assert not is_able(judge(replace(full, kernel=None)), "flood-test")


def test_qemu_versions_are_read_with_and_without_a_package_version():
    assert qemu_version(
        "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright"
    ) == (10, 0, 2)
    assert qemu_version("") is None


def test_linking_is_told_from_the_program_itself():
    assert is_static(b"\x7fELF" + b"\0" * 5000)
    assert not is_static(b"\x7fELF" + b"\0" * 60 + b"/lib64/ld-linux-x86-64.so.2\0")
    assert not is_static(b"#!/bin/sh\n")


def test_this_host_is_examined_without_an_error():
    checks = examine()
    assert {check.name for check in checks} >= {"libvirtd", "Python packages", "memory"}
    assert all(check.seen for check in checks)
    assert all(check.mend for check in checks if check.status is CheckStatus.MISSING)


def test_without_the_guards_program_there_is_no_xdp_but_tap():
    guard = GuardFacts(lacks_program="no object", lacks_kernel=None, casts=False)
    checks = judge(replace(ABLE, guard=guard))
    assert not is_able(checks, "xdp")
    assert is_able(checks, "tap")


def test_a_kernel_without_btf_is_no_obstacle_to_the_lab():
    guard = GuardFacts(lacks_program=None, lacks_kernel="no BTF", casts=False)
    (check,) = troubles(replace(ABLE, guard=guard))
    assert (check.name, check.seen) == ("the guard here", "no BTF")
    assert is_able(judge(replace(ABLE, guard=guard)), "xdp")
