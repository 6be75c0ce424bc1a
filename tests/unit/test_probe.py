# SPDX-License-Identifier: Apache-2.0
"""Guests that cannot answer are not asked, and those that moved are followed."""

import time
from pathlib import Path

import pytest

from vhostaccel.observe.probe import Probe


class OnTime:
    def is_running(self):
        return True

    def take_late_worst_ns(self):
        return 0

    def idle_ns(self):
        return 0


@pytest.fixture
def asked():
    return []


@pytest.fixture
def probe(monkeypatch, asked):
    def beat(name, timeout_s):
        asked.append(name)
        return 1_000_000

    made = Probe(
        cpuprobe=Path("cpuprobe"),
        datapath_cpu=0,
        netdevs=(),
        processes={10: "nfv0", 11: "nfv1"},
        ask_guest=lambda name, timeout_s: asked.append(f"counters of {name}"),
        beat=beat,
        read_leases=lambda: ({}, {}),
        pinged=dict,
    )
    monkeypatch.setattr(made, "_cpuprobe", OnTime())
    return made


def seen_after(probe, seconds):
    time.sleep(seconds)
    return probe.watched().heartbeats


def test_a_guest_that_is_left_out_is_not_asked_for_heartbeats(probe, asked):
    probe.watch(leave_out=("nfv0",))
    beats = seen_after(probe, 0.1)
    assert list(beats) == ["nfv1"]
    assert beats["nfv1"].answered >= 1
    assert "nfv0" not in asked


def test_no_guest_is_asked_for_counters_while_one_is_watched_or_left_out(probe, asked):
    probe.watch(leave_out=("nfv0", "nfv1"))
    assert probe.sample().guests == {"nfv0": None, "nfv1": None}
    assert asked == []
    assert probe.watched().heartbeats == {}
    probe.sample()
    assert asked == ["counters of nfv0", "counters of nfv1"]


def test_a_guest_with_a_new_process_is_still_the_same_guest(probe):
    probe.follow("nfv0", 99)
    assert probe._processes == {99: "nfv0", 11: "nfv1"}
    probe.watch()
    assert list(seen_after(probe, 0.05)) == ["nfv0", "nfv1"]
