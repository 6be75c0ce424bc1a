# SPDX-License-Identifier: Apache-2.0
"""From facts to checks: what each mode and command needs, and how to mend it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vhostaccel.doctor.facts import PROGRAMS, Facts, GuardFacts
from vhostaccel.lab.kernel import Kernel
from vhostaccel.lab.kvm import Kvm

_GIB = 1 << 30
QEMU_SINCE = (8, 2)
"""The first QEMU whose igb card receives as an 82576 does."""
LAB_MEMORY_BYTES = 4 * _GIB
LAB_DISK_BYTES = 2 * _GIB

LAB = ("flood-test", "run", "lab")
MODES: Mapping[str, tuple[str, ...]] = {
    "tap": LAB,
    "tap-threaded": LAB,
    "tap-defer": LAB,
    "tap-busypoll": LAB,
    "macvtap": LAB,
    "xdp": LAB,
    "copy": (*LAB, "tcp-test"),
    "copy-tx": (*LAB, "tcp-test"),
    "seed": (*LAB, "tcp-test"),
}
"""Each mode and the commands that run it; a new mode adds its own needs to `judge`."""
HOST = ("attach", "list", "watch", "libvirt enable")
"""Commands that want frame queues on this very host."""

_MEND_ALL = "make setup"


class CheckStatus(StrEnum):
    """What a check found."""

    OK = "ok"
    MISSING = "missing"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a mode or command needs, and whether it is there."""

    name: str
    needed_for: tuple[str, ...]
    """Modes and commands that do not work, or work worse, without it."""
    status: CheckStatus
    seen: str
    mend: str
    """The command that mends it; empty when there is nothing to mend."""


def is_able(checks: Iterable[Check], purpose: str) -> bool:
    """Return whether nothing that the mode or command needs is missing."""
    return not any(
        check.status is CheckStatus.MISSING and purpose in check.needed_for
        for check in checks
    )


def judge(facts: Facts) -> tuple[Check, ...]:
    """Return the checks that the facts amount to."""
    return (
        _judge_qemu(facts),
        _judge_kvm(facts.kvm),
        *(_judge_program(name, path) for name, path in facts.programs.items()),
        _judge_driver(facts.libvirt_qemu_driver),
        _judge_busybox(facts),
        _judge_kernel(facts.kernel),
        _judge_compiler(facts),
        _judge_source(facts.kernel),
        _judge_nai(facts.has_nai),
        *_judge_guard(facts.guard),
        _judge_distributions(facts.absent_distributions),
        _judge_disk(facts),
        _judge_memory(facts.memory_bytes),
        _judge_cpus(facts.cpus),
        _judge_root(facts.is_root),
    )


def _judge_qemu(facts: Facts) -> Check:
    version = facts.qemu_version
    if version is None:
        seen = "not installed"
    else:
        card = "with" if facts.qemu_has_igb else "without"
        seen = f"{'.'.join(map(str, version))}, {card} the igb network card"
    good = version is not None and version >= QEMU_SINCE and facts.qemu_has_igb
    since = ".".join(map(str, QEMU_SINCE))
    return _need(f"QEMU >= {since} with igb", good, seen, mend=_MEND_ALL)


def _judge_kvm(kvm: Kvm) -> Check:
    obstacles = {
        "the CPU offers no virtualisation": not kvm.cpu_virtualises,
        "/dev/kvm does not open": not kvm.device_opens,
        "nested guests are off": not kvm.nests,
    }
    seen = ", ".join(text for text, stands in obstacles.items() if stands)
    if not seen:
        return _need("KVM with nesting", True, "usable", mend="")
    return Check(
        name="KVM with nesting",
        needed_for=_everything(),
        status=CheckStatus.WARN,
        seen=f"{seen}: TCG will be used, slower and just as valid",
        mend=_kvm_mend(kvm),
    )


def _kvm_mend(kvm: Kvm) -> str:
    if not kvm.cpu_virtualises:
        return ""
    if not kvm.device_opens:
        return "sudo modprobe -a kvm_amd kvm_intel; sudo adduser $USER kvm"
    return "sudo modprobe -r kvm_amd kvm_intel; sudo modprobe -a kvm_amd kvm_intel nested=1"


def _judge_program(name: str, path: Path | None) -> Check:
    seen = "not installed" if path is None else os.fspath(path)
    return _need(name, path is not None, seen, mend=_install(PROGRAMS[name]))


def _judge_driver(path: Path | None) -> Check:
    seen = "not installed" if path is None else os.fspath(path)
    mend = _install("libvirt-daemon-driver-qemu")
    return _need("libvirt's QEMU driver", path is not None, seen, mend=mend)


def _judge_busybox(facts: Facts) -> Check:
    if facts.busybox is None:
        seen = "not installed"
    else:
        kind = "static" if facts.busybox_is_static else "dynamically linked"
        seen = f"{facts.busybox}, {kind}"
    mend = _install("busybox-static")
    return _need("static busybox", facts.busybox_is_static, seen, mend=mend)


def _judge_kernel(kernel: Kernel | None) -> Check:
    seen = "none in the cache" if kernel is None else f"{kernel.version} in the cache"
    return _need("kernel under test", kernel is not None, seen, mend=_MEND_ALL)


def _judge_compiler(facts: Facts) -> Check:
    name = "the kernel's compiler"
    if facts.kernel is None:
        return _need(name, False, "unknown until there is a kernel", mend=_MEND_ALL)
    path = facts.kernel_compiler
    seen = "not installed" if path is None else os.fspath(path)
    return _need(name, path is not None, seen, mend=_MEND_ALL)


def _judge_source(kernel: Kernel | None) -> Check:
    there = kernel is not None and kernel.source is not None
    return Check(
        name="the kernel's source",
        needed_for=("copy", "copy-tx", "seed", "kmod build", "kmod series"),
        status=CheckStatus.OK if there else CheckStatus.MISSING,
        seen="in the cache" if there else "none in the cache",
        mend="" if there else _MEND_ALL,
    )


# The lab brings its own; a host without it is nothing to complain of.
def _judge_nai(has_nai: bool) -> Check:
    return Check(
        name="frame queues here",
        needed_for=HOST,
        status=CheckStatus.OK if has_nai else CheckStatus.WARN,
        seen="nai is loaded" if has_nai else "nai is not loaded; in the lab it is",
        mend="" if has_nai else "sudo .venv/bin/vhostaccel kmod install",
    )


def _judge_guard(guard: GuardFacts) -> tuple[Check, Check]:
    lacks = guard.lacks_program
    program = Check(
        name="the guard's program",
        needed_for=("xdp",),
        status=CheckStatus.OK if lacks is None else CheckStatus.MISSING,
        seen=lacks or "compiled, and libbpf is there",
        mend="" if lacks is None else _MEND_ALL,
    )
    way = (
        "bpf_rdonly_cast" if guard.casts else "bpf_probe_read_kernel, which costs more"
    )
    here = Check(
        name="the guard here",
        needed_for=("attach --mode xdp",),
        status=CheckStatus.OK if guard.lacks_kernel is None else CheckStatus.WARN,
        seen=guard.lacks_kernel or f"rings are read by {way}",
        mend="" if guard.lacks_kernel is None else "sudo modprobe tun",
    )
    return program, here


def _judge_distributions(absent: tuple[str, ...]) -> Check:
    seen = f"missing: {', '.join(absent)}" if absent else "all installed"
    return Check(
        name="Python packages",
        needed_for=(*_everything(), "report"),
        status=CheckStatus.MISSING if absent else CheckStatus.OK,
        seen=seen,
        mend=_MEND_ALL if absent else "",
    )


def _judge_disk(facts: Facts) -> Check:
    enough = facts.disk_free_bytes >= LAB_DISK_BYTES
    # A cached kernel is most of what will ever be written.
    return _want(
        "disk space",
        enough,
        facts.kernel is not None,
        f"{_gib(facts.disk_free_bytes)} free for {facts.cache}",
        mend=f"XDG_CACHE_HOME=/some/where with {_gib(LAB_DISK_BYTES)} free",
    )


def _judge_memory(memory_bytes: int) -> Check:
    enough = memory_bytes >= LAB_MEMORY_BYTES
    return _want(
        "memory",
        enough,
        memory_bytes >= LAB_MEMORY_BYTES * 3 // 4,
        f"{_gib(memory_bytes)} available, {_gib(LAB_MEMORY_BYTES)} wanted",
        mend="end other programs: the lab is a machine of its own",
    )


def _judge_cpus(cpus: int) -> Check:
    seen = f"{cpus} usable" if cpus > 1 else "1 usable: expect void runs"
    mend = "taskset: allow a second CPU; one floods, one is flooded"
    return _want("two CPUs", cpus > 1, True, seen, mend=mend)


def _judge_root(is_root: bool) -> Check:
    seen = "yes" if is_root else "no: needed on a real host, not for the lab"
    return Check(
        name="root",
        needed_for=("flood-test --host",),
        status=CheckStatus.OK if is_root else CheckStatus.WARN,
        seen=seen,
        mend="" if is_root else "sudo .venv/bin/vhostaccel flood-test --host",
    )


def _need(name: str, is_there: bool, seen: str, *, mend: str) -> Check:
    return _want(name, is_there, False, seen, mend=mend)


def _want(
    name: str, is_good: bool, is_bearable: bool, seen: str, *, mend: str
) -> Check:
    status = CheckStatus.WARN if is_bearable else CheckStatus.MISSING
    return Check(
        name=name,
        needed_for=_everything(),
        status=CheckStatus.OK if is_good else status,
        seen=seen,
        mend="" if is_good else mend,
    )


# All modes run in the lab; what only one of them needs names that one.
def _everything() -> tuple[str, ...]:
    commands = dict.fromkeys(name for names in MODES.values() for name in names)
    return (*MODES, *commands)


def _install(package: str) -> str:
    return f"sudo apt-get install --no-install-recommends {package}"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:.1f} GiB"
