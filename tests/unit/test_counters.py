# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from vhostaccel.observe import counters
from vhostaccel.observe.sample import ThreadTime

# Of a 6.12.117 kernel with two CPUs and an igb.
SOFTNET = """\
00042cd1 00000000 0000000e 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
00005ee4 0000012c 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000
"""
STAT = """\
cpu  118 0 2274 4203 12 0 1719 3 0 0
cpu0 58 0 1190 1800 7 0 1611 2 0 0
cpu1 60 0 1084 2403 5 0 108 1 0 0
intr 91023 96 9 0 0
ctxt 120331
"""
INTERRUPTS = """\
           CPU0       CPU1
  1:          0          9   IO-APIC   1-edge      i8042
 25:          1          0  PCI-MSIX-0000:01:00.0   0-edge      eth0
 26:      11333         67  PCI-MSIX-0000:01:00.0   1-edge      eth0-rx-0
 27:         15          0  PCI-MSIX-0000:01:00.0   2-edge      eth0-tx-0
 28:        900          0  PCI-MSIX-0000:02:00.0   1-edge      eth01-rx-0
NMI:          0          0   Non-maskable interrupts
LOC:       1604       1344   Local timer interrupts
ERR:          0
"""


def test_softnet_columns_are_hexadecimal_and_by_cpu() -> None:
    assert counters.parse_softnet(SOFTNET) == ((0, 300), (14, 1))


def test_ticks_are_of_each_cpu_and_not_of_their_sum() -> None:
    ticks = counters.parse_cpu_ticks(STAT)
    assert ticks == {
        "cpu0": (58, 0, 1190, 1800, 7, 0, 1611, 2),
        "cpu1": (60, 0, 1084, 2403, 5, 0, 108, 1),
    }


def test_interrupts_are_of_the_named_nic_only_and_sum_over_cpus() -> None:
    found = counters.parse_interrupts(INTERRUPTS, ["eth0", "br-a"])
    assert found == {"eth0": 1, "eth0-rx-0": 11400, "eth0-tx-0": 15}


def test_no_text_is_no_interrupts() -> None:
    assert counters.parse_interrupts("", ["eth0"]) == {}


def make_thread(folder: Path, comm: str, schedstat: str) -> None:
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{comm}\n")
    if schedstat:
        (folder / "schedstat").write_text(f"{schedstat}\n")


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(counters, "_PROC", tmp_path)
    return tmp_path


def test_a_guests_threads_are_told_apart_by_name(proc: Path) -> None:
    tasks = proc / "700" / "task"
    make_thread(tasks / "700", "qemu-system-x86", "5 1 1")
    make_thread(tasks / "1002", "vhost-700", "40 4 1")
    make_thread(tasks / "999", "vhost-700", "30 3 1")
    make_thread(tasks / "1003", "CPU 0/KVM", "900 9 1")
    found = counters.guest_threads(700, "nfv0")
    assert found == {
        "700": ThreadTime(owner="qemu", name="nfv0 qemu-system-x86", run_ns=5, wait_ns=1),
        # Workers are numbered as they were made, which is not the order of the text.
        "999": ThreadTime(owner="vhost", name="nfv0:0 vhost", run_ns=30, wait_ns=3),
        "1002": ThreadTime(owner="vhost", name="nfv0:1 vhost", run_ns=40, wait_ns=4),
        "1003": ThreadTime(owner="vcpu", name="nfv0 vcpu 0", run_ns=900, wait_ns=9),
    }  # fmt: skip


def test_a_thread_that_is_gone_is_left_out(proc: Path) -> None:
    make_thread(proc / "7" / "task" / "8", "CPU 0/KVM", "")
    assert counters.guest_threads(7, "nfv0") == {}
    assert counters.guest_threads(12345, "nfv1") == {}


def test_only_softirq_and_napi_threads_are_taken_of_the_kernels(proc: Path) -> None:
    make_thread(proc / "15", "ksoftirqd/0", "70 7 1")
    make_thread(proc / "30", "napi/eth0-8193", "80 8 1")
    make_thread(proc / "31", "kworker/0:1", "90 9 1")
    found = counters.kernel_threads()
    assert {(thread.owner, thread.name) for thread in found.values()} == {
        ("ksoftirqd", "ksoftirqd/0"),
        ("napi", "napi/eth0-8193"),
    }


def test_a_devices_statistics_are_read_by_their_kernel_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "_NET", tmp_path)
    folder = tmp_path / "eth0" / "statistics"
    folder.mkdir(parents=True)
    for number, name in enumerate(("rx_packets", "rx_missed_errors", "tx_dropped")):
        (folder / name).write_text(f"{number + 5}\n")
    counts = counters.read_netdev("eth0")
    assert (counts.rx_packets, counts.rx_missed, counts.tx_dropped) == (5, 6, 7)


def test_a_macvtap_is_counted_as_a_tap_with_the_same_traffic_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "_NET", tmp_path)
    folder = tmp_path / "nfv0-0" / "statistics"
    folder.mkdir(parents=True)
    # Of 6.12.117: what found the ring full is in rx_packets, rx_errors and rx_dropped.
    shown = {"rx_packets": 96_000, "rx_errors": 92_228, "rx_dropped": 92_228}
    shown |= {"tx_packets": 3772, "tx_dropped": 3}
    for file, value in shown.items():
        (folder / file).write_text(f"{value}\n")
    (tmp_path / "nfv0-0" / "macvtap").mkdir()
    counts = counters.read_netdev("nfv0-0")
    assert (counts.tx_packets, counts.tx_dropped) == (3772, 92_228)
    assert (counts.rx_packets, counts.rx_dropped, counts.rx_errors) == (3772, 3, 0)
