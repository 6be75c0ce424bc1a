# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from tests.unit.test_ledger import make_sample
from vhostaccel.observe.cpu import exits_per_s, interrupts_per_s, shares
from vhostaccel.observe.sample import Sample, ThreadTime

SECOND = 1_000_000_000


def thread(owner: str, name: str, run_s: float) -> ThreadTime:
    return ThreadTime(owner=owner, name=name, run_ns=round(run_s * SECOND), wait_ns=0)


def two_samples() -> tuple[Sample, Sample]:
    opened = replace(
        make_sample({}, {}),
        at_ns=50 * SECOND,
        idle_ns=9 * SECOND,
        cpu_ticks={"cpu0": (0, 0, 100, 700, 0, 0, 10, 0)},
        threads={
            "1": thread("vhost", "nfv0:0 vhost", 1),
            "2": thread("ksoftirqd", "ksoftirqd/0", 1),
            "3": thread("ksoftirqd", "ksoftirqd/1", 1),
            "4": thread("vcpu", "nfv0 vcpu 0", 7),
        },
        interrupts={"eth0-rx-0": 1_000},
        kvm={"exits": 500},
    )
    closed = replace(
        opened,
        at_ns=60 * SECOND,
        idle_ns=10 * SECOND,
        cpu_ticks={"cpu0": (0, 0, 500, 700, 0, 0, 610, 0)},
        threads={
            "1": thread("vhost", "nfv0:0 vhost", 3),
            "2": thread("ksoftirqd", "ksoftirqd/0", 6),
            "3": thread("ksoftirqd", "ksoftirqd/1", 11),
            "5": thread("vhost", "nfv0:1 vhost", 1),
        },
        interrupts={"eth0-rx-0": 41_000, "eth1-rx-0": 20},
        kvm={"exits": 30_500},
    )
    return opened, closed


def test_shares_are_of_the_time_between_the_samples() -> None:
    cpu = shares(*two_samples())
    assert cpu.idle == pytest.approx(0.1)
    assert cpu.softirq == pytest.approx(0.6)
    # A thread that is new counts from zero, one that is gone not at all, and the
    # other CPU's ksoftirqd takes nothing from this one.
    assert cpu.owners == pytest.approx({"vhost": 0.3, "ksoftirqd": 0.5})
    assert cpu.threads["ksoftirqd/1"] == pytest.approx(1.0)


def test_rates_are_per_second_of_the_host() -> None:
    opened, closed = two_samples()
    assert interrupts_per_s(opened, closed) == {"eth0-rx-0": 4000.0, "eth1-rx-0": 2.0}
    assert exits_per_s(opened, closed) == 3000.0
