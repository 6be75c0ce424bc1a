# SPDX-License-Identifier: Apache-2.0
"""The kernel's counters, read from its files: each parser pure, each reader thin.

Runs inside the host under test, perhaps under emulation: the standard library only.
"""

from collections.abc import Sequence
from pathlib import Path

from vhostaccel.observe.sample import NetdevCounts, ThreadTime

_NET = Path("/sys/class/net")
_PROC = Path("/proc")
_KVM = Path("/sys/kernel/debug/kvm")
_STATISTICS = {
    "rx_packets": "rx_packets",
    "rx_dropped": "rx_dropped",
    "rx_missed": "rx_missed_errors",
    "rx_errors": "rx_errors",
    "tx_packets": "tx_packets",
    "tx_dropped": "tx_dropped",
    "tx_errors": "tx_errors",
}
_KVM_TOTALS = (
    "exits",
    "irq_exits",
    "halt_exits",
    "io_exits",
    "mmio_exits",
    "irq_injections",
)


def read_netdev(name: str) -> NetdevCounts:
    """Return a network device's statistics; zeros if it is gone.

    Those of a macvtap are returned as a tap would count them.
    """
    folder = _NET / name / "statistics"
    counts = NetdevCounts(
        **{field: _integer(folder / file) for field, file in _STATISTICS.items()}
    )
    return as_of_a_tap(counts) if (_NET / name / "macvtap").exists() else counts


def as_of_a_tap(macvtap: NetdevCounts) -> NetdevCounts:
    """Turn the statistics of a macvtap round.

    What a tap sends, to its reader, a macvtap receives, from its NIC; and it counts a
    frame before it looks whether its ring is full, so that such a frame is in rx_packets
    and in rx_dropped (drivers/net/macvlan.c: macvlan_handle_frame; macvtap.c:
    macvtap_count_rx_dropped).
    """
    return NetdevCounts(
        rx_packets=macvtap.tx_packets,
        rx_dropped=macvtap.tx_dropped,
        rx_missed=0,
        rx_errors=macvtap.tx_errors,
        tx_packets=macvtap.rx_packets - macvtap.rx_dropped,
        tx_dropped=macvtap.rx_dropped,
        tx_errors=0,
    )


def parse_softnet(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return dropped and squeezed per CPU from ``/proc/net/softnet_stat``.

    Columns are hexadecimal: processed, dropped, time_squeeze, ...
    (net/core/net-procfs.c, softnet_seq_show).
    """
    rows = [line.split() for line in text.splitlines() if line.strip()]
    return (
        tuple(int(row[1], 16) for row in rows),
        tuple(int(row[2], 16) for row in rows),
    )


def parse_cpu_ticks(text: str) -> dict[str, tuple[int, ...]]:
    """Return the first eight columns of every ``cpuN`` line of ``/proc/stat``."""
    rows = (line.split() for line in text.splitlines() if line.startswith("cpu"))
    return {row[0]: tuple(map(int, row[1:9])) for row in rows if row[0] != "cpu"}


def parse_interrupts(text: str, netdevs: Sequence[str]) -> dict[str, int]:
    """Return the count of each vector of the named devices, all CPUs together."""
    lines = text.splitlines()
    cpus = len(lines[0].split()) if lines else 0
    found = {}
    for line in lines[1:]:
        words = line.split()
        if len(words) > cpus + 1 and _belongs(words[-1], netdevs):
            found[words[-1]] = sum(int(word) for word in words[1 : cpus + 1])
    return found


def _belongs(vector: str, netdevs: Sequence[str]) -> bool:
    return any(vector == name or vector.startswith(f"{name}-") for name in netdevs)


def thread_owner(comm: str) -> str:
    """Return who a thread of a guest's process works for, by its name."""
    if comm.startswith("vhost-"):
        return "vhost"
    if comm.startswith("CPU "):
        return "vcpu"
    if comm.startswith("vfwd"):
        return "vfwd"
    return "qemu"


def guest_threads(pid: int, guest: str) -> dict[str, ThreadTime]:
    """Return the CPU time of a guest's threads: vCPUs, vhost workers, QEMU's own.

    Since Linux 6.4 vhost workers are threads of the process that owns them
    (commit 6e890c5d5021 ("vhost: use vhost_tasks for worker threads")).
    """
    found: dict[str, ThreadTime] = {}
    workers = 0
    for task in sorted((_PROC / str(pid) / "task").glob("*"), key=_number):
        comm = _text(task / "comm").strip()
        owner = thread_owner(comm)
        if owner == "vhost":
            name = f"{guest}:{workers} vhost"
            workers += 1
        elif owner == "vcpu":
            name = f"{guest} vcpu {comm.split()[1].split('/')[0]}"
        else:
            name = f"{guest} {comm}"
        _add_thread(found, task, owner, name)
    return found


def kernel_threads() -> dict[str, ThreadTime]:
    """Return the CPU time of ksoftirqd and of threaded NAPI's threads."""
    found: dict[str, ThreadTime] = {}
    for comm in _PROC.glob("[0-9]*/comm"):
        name = _text(comm).strip()
        owner = name.split("/")[0]
        if owner in ("ksoftirqd", "napi"):
            _add_thread(found, comm.parent, owner, name)
    return found


def read_kvm() -> dict[str, int]:
    """Return KVM's totals over all guests; empty where debugfs does not show them."""
    return {
        name: _integer(_KVM / name) for name in _KVM_TOTALS if (_KVM / name).exists()
    }


def read_proc(name: str) -> str:
    """Return a file of ``/proc``."""
    return (_PROC / name).read_text()


def _add_thread(
    found: dict[str, ThreadTime], folder: Path, owner: str, name: str
) -> None:
    fields = _text(folder / "schedstat").split()
    if len(fields) >= 2:
        found[folder.name] = ThreadTime(
            owner=owner, name=name, run_ns=int(fields[0]), wait_ns=int(fields[1])
        )


def _number(path: Path) -> int:
    return int(path.name)


def _integer(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        # The device or thread has just gone.
        return 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
