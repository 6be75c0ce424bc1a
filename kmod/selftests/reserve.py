#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The tap beside mode seed: descriptors that are left to it."""

import socket
import time

from lib.py import ip, ksft_eq, ksft_exit, ksft_ge, ksft_run, ksft_true
from nai_env import Flood, NaiEnv, number, wait_for
from nai_seeds import accounted, await_level, seeded

SECONDS = number("KSFT_SECONDS", 3)

# So many buffers a driver keeps at most: Linux's returns more than 32 at one time.
KEPT = 32
# A segment that is not cut yet, as one guest sends it to another.
LONGEST = 65500


def _send_long(cfg, guest, ethertype=b"\x88\xb6"):
    """A frame that no NIC sends, by the bridge to its taps."""
    for name in (guest.name, cfg.bridge):
        ip(f"link set dev {name} mtu {LONGEST}")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((cfg.bridge, 0))
        sender.send(b"\xff" * 6 + b"\x02" + bytes(5) + ethertype + bytes(LONGEST))


def beside_flood(cfg):
    """Broadcast comes by the tap beside a flood: some descriptors are left to it."""
    cfg.setup()
    for options in ((), ("--mergeable", "--event-idx")):
        guest = seeded(cfg, *options)
        flood = Flood(cfg, guest)
        rare = Flood(cfg, guest, b=1000, r=50, stream=2)
        time.sleep(SECONDS)
        sent = rare.stop()["broadcast"]
        flood.stop()
        told = guest.check(options)
        ksft_ge(told["rx"][3], sent * 0.9, "broadcast beside a flood")
        ksft_ge(cfg.stat(guest, "rx-seeded"), 100, options)
        guest.end()


def late_driver(cfg):
    """A driver that returns buffers a number at a time: all come that the tap has."""
    cfg.setup()
    for options in ((), ("--event-idx", ), ("--mergeable", )):
        guest = seeded(cfg, "--keep", KEPT, *options)
        await_level(cfg, guest, "seed", "none")
        # The NIC has no frame, so it returns none of what it has.
        Flood(cfg, guest, b=1000, n=200, r=500).wait()
        ksft_true(wait_for(lambda g=guest: g.stats()["rx"][1] == 200),
                  f"{guest.stats()['rx'][1]} of 200 came, {options}")
        ksft_ge(cfg.fq(guest)["pinned"], 100 * 4096, options)
        guest.check(options)
        guest.end()


def later_driver(cfg):
    """A driver that keeps more than is left to the tap: what is posted is given back."""
    cfg.setup()
    for options in ((), ("--mergeable", )):
        guest = seeded(cfg, "--keep", 100, *options)
        await_level(cfg, guest, "seed", "none")
        lease = cfg.fq(guest)["id"]
        Flood(cfg, guest, b=1000, n=300, r=500).wait()
        ksft_true(wait_for(lambda g=guest: g.stats()["rx"][1] == 300),
                  f"{guest.stats()['rx'][1]} of 300 came, {options}")
        await_level(cfg, guest, "copy", "ring")
        ksft_eq((cfg.fq(guest)["id"], cfg.fq(guest)["pinned"]), (lease, 0), options)
        sent = Flood(cfg, guest, n=500, r=2000).wait()["sent"]
        ksft_eq(accounted(cfg, guest, sent)["rx-seeded"], 0, options)
        guest.check(options)
        guest.end()


def longest(cfg):
    """The tap's longest frame, when the driver keeps as many buffers as it ever does."""
    cfg.setup()
    guest = seeded(cfg, "--mergeable", "--buffer", 1536, "--keep", KEPT, force=True)
    await_level(cfg, guest, "seed", "none")
    Flood(cfg, guest, b=1000, n=KEPT, r=500).wait()
    ksft_true(wait_for(lambda: guest.stats()["rx"][1] == KEPT), "all came")
    _send_long(cfg, guest)
    ksft_true(wait_for(lambda: guest.stats()["foreign"]), "the longest came")
    ksft_eq(cfg.stat(guest, "rx-seeded"), 0)
    ksft_ge(cfg.fq(guest)["pinned"], 100 * 4096)
    guest.check()


def main():
    cfg = NaiEnv(__file__)
    ksft_run([beside_flood, late_driver, later_driver, longest], args=(cfg, ))
    ksft_exit()


if __name__ == "__main__":
    main()
