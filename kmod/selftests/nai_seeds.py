# SPDX-License-Identifier: GPL-2.0
"""What tests of mode seed share: leases whose frames go to the guest's own buffers."""

import time
from pathlib import Path

from lib.py import ksft_eq, ksft_ge, ksft_true
from nai_env import SLOW, Guest, wait_for


class Pins:
    """What the kernel counts of pinned pages, over all processes."""

    def __init__(self):
        self.begin = self.read()

    @staticmethod
    def read():
        # Each CPU counts by itself, until it is asked.
        Path("/proc/sys/vm/stat_refresh").write_text("1")
        lines = Path("/proc/vmstat").read_text().splitlines()
        found = dict(line.split() for line in lines)
        return (int(found["nr_foll_pin_acquired"]),
                int(found["nr_foll_pin_released"]))

    def taken(self):
        return self.read()[0] - self.begin[0]

    def held(self):
        acquired, released = self.read()
        return acquired - self.begin[0] - (released - self.begin[1])

    def check(self):
        """Some were taken, and each was given back once."""
        ksft_ge(self.taken(), 1, "pins taken")
        ksft_true(wait_for(lambda: not self.held()), f"{self.held()} pins held")


def seeded(cfg, *options, ring=256, **terms):
    guest = Guest(cfg, "--seeded", *options, ring=ring)
    cfg.attach(guest, mode="seed", **terms)
    return guest


def shown(cfg, guest):
    fq = cfg.fq(guest)
    return fq["level"], fq["level-reason"]


def await_level(cfg, guest, *wanted):
    ksft_true(wait_for(lambda: shown(cfg, guest) == wanted),
              f"{shown(cfg, guest)} is not {wanted}")


def await_pinned(cfg, guest, pages):
    ksft_true(wait_for(lambda: cfg.fq(guest)["pinned"] == pages * 4096),
              f"{cfg.fq(guest)['pinned'] // 4096} of {pages} pages pinned")


def await_seeded(cfg, guest, frames):
    """Wait until so many frames were written to the guest's own buffers."""
    ksft_true(wait_for(lambda: cfg.stat(guest, "rx-seeded") >= frames), "seeded")


def received(guest, more=100):
    """Frames of the flood go on arriving."""
    before = sum(guest.stats()["rx"])
    ksft_true(wait_for(lambda: sum(guest.stats()["rx"]) > before + more), "frames")


def accounted(cfg, guest, sent):
    """Every frame that was sent is received or counted as dropped.

    A NIC's counter of drops may tell too few, or none.
    """
    def counted():
        stats = cfg.fq(guest)["stats"]
        return sum(stats[key] for key in
                   ("rx-packets", "rx-drops", "rx-hw-drop-overruns"))

    def settled():
        before = counted()
        time.sleep(0.05 * SLOW)
        return counted() == before

    if cfg.ep:
        ksft_true(wait_for(settled), "frames still come")
        ksft_ge(sent, counted(), "received and dropped")
    else:
        wait_for(lambda: counted() == sent, 3)
        ksft_eq(counted(), sent, "received and dropped")
    return cfg.fq(guest)["stats"]
