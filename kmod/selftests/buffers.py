#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Leases whose frames the hardware writes to the guest's own buffers (mode seed)."""

import random
import time
from pathlib import Path

from lib.py import (
    defer,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_lt,
    ksft_run,
    ksft_true,
)
from nai_env import SLOW, Flood, Guest, NaiEnv, number, wait_for
from nai_seeds import Pins, accounted, await_level, await_pinned, seeded, shown

PINGS = number("KSFT_PINGS", 2000)

# Buffers of a ring that is not mergeable which are left to the tap, and the host's own.
RESERVE_OF_128 = 40
RESERVE_OF_256 = 48
POOL = 16

LAYOUTS = (
    (),
    ("--mergeable", ),
    ("--event-idx", ),
    ("--legacy", ),
    ("--vhost-header", ),
    # A driver's usual size, over the edge of no page, and the least that will do.
    ("--mergeable", "--buffer", 1536),
    ("--mergeable", "--event-idx", "--buffer", 1530),
    ("--legacy", "--buffer", 1528),
)


def _await_posted(cfg, guest, wanted):
    ksft_true(wait_for(lambda: cfg.fq(guest)["posted"] == wanted, 1),
              f"{cfg.fq(guest)['posted']} of {wanted} posted")


def _reserve_huge_pages():
    pages = Path("/proc/sys/vm/nr_hugepages")
    before = pages.read_text()
    pages.write_text(str(int(before) + 4))
    defer(pages.write_text, before)


def layouts(cfg):
    """Every form of ring and header: whole, once, in order, and most of it seeded."""
    cfg.setup()
    for options in LAYOUTS:
        pins = Pins()
        guest = seeded(cfg, *options)
        await_level(cfg, guest, "seed", "none")
        ksft_true(wait_for(lambda g=guest: cfg.fq(g)["pinned"] >= 100 * 4096),
                  f"pages pinned, {options}")
        sent = Flood(cfg, guest, t=1).wait()["sent"]
        ksft_ge(sent, 100)
        stats = accounted(cfg, guest, sent)
        told = guest.check(options)
        ksft_eq(told["rx"][0], stats["rx-packets"], options)
        ksft_eq(told["bytes"], stats["rx-bytes"], options)
        ksft_eq(told["reordered"], 0, options)
        ksft_ge(stats["rx-seeded"], stats["rx-packets"] * 0.5, options)
        ksft_eq(stats["seed-refused"], 0, options)
        ksft_eq(pins.held(), cfg.fq(guest)["pinned"] // 4096, options)
        cfg.detach(guest)
        guest.do("backend 0")
        guest.check(options)
        guest.end()
        pins.check()


def small_buffers(cfg):
    """Buffers that are too short are never posted: frames are copied to them."""
    cfg.setup()
    for size in (256, 1500, 1529):
        pins = Pins()
        guest = seeded(cfg, "--mergeable", "--buffer", size)
        sent = Flood(cfg, guest, t=1).wait()["sent"]
        stats = accounted(cfg, guest, sent)
        ksft_ge(stats["rx-packets"], 100, size)
        ksft_eq(stats["rx-seeded"], 0, size)
        ksft_ge(stats["seed-refused"], 1, size)
        ksft_eq(shown(cfg, guest), ("seed", "none"), size)
        ksft_eq(pins.taken(), 0, size)
        guest.check(size)
        guest.end()


def over_the_edge(cfg):
    """Buffers over the edge of a page are posted if the next one follows it."""
    cfg.setup()
    _reserve_huge_pages()
    pins = Pins()
    edges = [4096 - 1536 + at for at in (1, 6, 10, 12, 13, 700, 1535)]
    for huge, behind in ((huge, edge) for huge in (False, True) for edge in edges):
        options = ("--buffer", 1536, "--behind", behind,
                   random.choice(("--legacy", "--event-idx")))
        guest = seeded(cfg, *options, *(("--huge", ) if huge else ()))
        sent = Flood(cfg, guest, n=300, r=3000).wait()["sent"]
        stats = accounted(cfg, guest, sent)
        told = guest.check(options)
        ksft_eq((told["bytes"], told["reordered"]), (stats["rx-bytes"], 0), options)
        if huge:
            ksft_eq(stats["seed-refused"], 0, options)
            ksft_ge(stats["rx-seeded"], 200, options)
        else:
            ksft_eq(stats["rx-seeded"], 0, options)
        guest.end()
    # Of those that are refused one page was taken, too.
    pins.check()


def inside_a_page(cfg):
    """What follows a buffer in its page is not the hardware's, to the byte."""
    cfg.setup()
    for size, behind in ((1528, 1), (1529, 77), (1530, 64), (2000, 300), (2060, 512)):
        guest = seeded(cfg, "--buffer", size, "--behind", behind, "--event-idx")
        sent = Flood(cfg, guest, n=500).wait()["sent"]
        stats = accounted(cfg, guest, sent)
        guest.check((size, behind))
        if size >= 1530:
            ksft_ge(stats["rx-seeded"], 100, size)
        guest.end()


def too_long(cfg):
    """Frames that are too long for a buffer are nowhere, and the others go on."""
    cfg.setup()
    cfg.far_mtu(4000)
    guest = seeded(cfg, "--buffer", 1530, "--behind", 64)
    Flood(cfg, guest, n=100, r=2000, l=1518).wait()
    ksft_true(wait_for(lambda: guest.stats()["rx"][0] == 100), "those that just fit")
    for length in (1519, 1522, 1523, 1600, 2048, 2049, 4014):
        Flood(cfg, guest, n=100, r=2000, l=length).wait()
    time.sleep(0.05 * SLOW)
    stats = cfg.fq(guest)["stats"]
    ksft_eq((stats["rx-packets"], stats["rx-drops"]), (100, 0), "too long")
    # Around each buffer of the ring is a canary, looked at when it comes back.
    Flood(cfg, guest, n=800, r=1000, stream=2).wait()
    ksft_true(wait_for(lambda: guest.stats()["rx"][2] >= 2 * 256), "the others")
    ksft_ge(cfg.stat(guest, "rx-seeded"), 300)
    guest.check()


def small_ring(cfg):
    """A ring that has none to spare is copied to, and works."""
    cfg.setup()
    for ring, options in ((16, ()), (64, ()), (128, ("--mergeable", ))):
        guest = Guest(cfg, "--seeded", "--echo", *options, ring=ring)
        cfg.attach(guest, mode="seed")
        await_level(cfg, guest, "copy", "ring")
        cfg.ping(guest)
        ksft_eq(cfg.stat(guest, "rx-seeded"), 0)
        guest.check(ring)
        guest.end()


def offered_again(cfg):
    """Buffers that the hardware has, offered again: no more are out than there are."""
    cfg.setup()
    pins = Pins()
    guest = seeded(cfg, ring=128)
    await_pinned(cfg, guest, 128 - RESERVE_OF_128)
    guest.do("again 64")
    await_pinned(cfg, guest, 128)
    time.sleep(0.1)
    ksft_eq(cfg.fq(guest)["pinned"], 128 * 4096)
    # The guest's book of what it has offered twice is for a silent tap.
    if not guest.do("backend 0")["foreign"]:
        guest.check()
    guest.end()
    pins.check()


def memlock(cfg):
    """A process that may lock nothing gets its frames by copy; more lets it."""
    cfg.setup()
    pins = Pins()
    for limit in (0, 65536):
        guest = seeded(cfg, "--echo", "--memlock", limit)
        await_level(cfg, guest, "copy", "memlock")
        cfg.ping(guest)
        ksft_eq(cfg.stat(guest, "rx-seeded"), 0, limit)
        ksft_eq(cfg.fq(guest)["pinned"], 0, limit)
        guest.check(limit)
        guest.end()
    ksft_eq(pins.taken(), 0)

    guest = seeded(cfg, "--echo", "--memlock", 16 << 20)
    await_level(cfg, guest, "seed", "none")
    status = Path(f"/proc/{guest.proc.pid}/status")
    ksft_true("VmLck:\t    2048 kB" in status.read_text(), "is charged")
    cfg.ping(guest)
    cfg.detach(guest)
    ksft_true("VmLck:\t       0 kB" in status.read_text(), "is not any more")
    guest.end()
    pins.check()


def wake_ups(cfg):
    """Frames one by one, at any time: no wake-up is ever missed."""
    cfg.setup()
    for options in ((), ("--event-idx", ), ("--mergeable", )):
        guest = seeded(cfg, "--echo", *options)
        noise = Flood(cfg, guest, b=1000, r=200, stream=4)
        told = cfg.ping(guest, PINGS // 3, D=random.choice((200, 2000)))
        noise.stop()
        ksft_lt(told["max_us"], 300000 * SLOW, options)
        guest.check(options)
        guest.end()


def wake_ups_when_starved(cfg):
    """A guest that returns its buffers late has them posted again, all of them."""
    cfg.setup()
    for options in ((), ("--event-idx", )):
        guest = seeded(cfg, *options)
        for i in range(PINGS // 40):
            guest.do("stall 1")
            Flood(cfg, guest, n=random.choice((1, 3, 100, 300, 600))).wait()
            if i % 2:
                time.sleep(random.random() / 50)
            guest.do("stall 0")
            _await_posted(cfg, guest, 256 - RESERVE_OF_256 + POOL)
        guest.check(options)
        guest.end()


def starved(cfg):
    """A guest that stalls: the hardware runs out of its buffers, and drops."""
    cfg.setup()
    guest = seeded(cfg)
    lease = cfg.fq(guest)["id"]
    guest.do("stall 1")
    sent = Flood(cfg, guest, n=3000).wait()["sent"]
    cfg.event("congested-ntf", 10, id=lease)
    ksft_eq(cfg.fq(guest)["pinned"], 0)
    stats = cfg.fq(guest)["stats"]
    # Next to no frame waits in the host: there is nothing of its own to hold it.
    ksft_ge(256, stats["rx-packets"])
    if not cfg.ep:
        ksft_ge(stats["rx-hw-drop-overruns"], sent - 256 - 64)
    guest.do("stall 0")
    cfg.event("cleared-ntf", id=lease)
    ksft_true(wait_for(lambda: cfg.fq(guest)["congestion"] == "normal"), "normal")
    accounted(cfg, guest, sent)
    guest.check()


def bad_completions(cfg):
    """A frame in error costs its buffer nothing: that is posted again."""
    cfg.need_sim()
    cfg.setup()
    for name in ("rx_error", "truncate", "oversize"):
        guest = seeded(cfg)
        cfg.knob(name, 20)
        sent = Flood(cfg, guest, n=200, r=2000).wait()["sent"]
        stats = accounted(cfg, guest, sent)
        ksft_eq(stats["rx-drop-error"], 20, name)
        told = guest.check(name)
        ksft_eq((told["rx"][0], told["returned"]), (180, 0), name)
        guest.end()


def main():
    cfg = NaiEnv(__file__)
    ksft_run([layouts, small_buffers, over_the_edge, inside_a_page, too_long,
              small_ring, offered_again, memlock, wake_ups,
              wake_ups_when_starved, starved, bad_completions], args=(cfg, ))
    ksft_exit()


if __name__ == "__main__":
    main()
