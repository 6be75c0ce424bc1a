#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The guest's own buffers (mode seed) taken back while frames come."""

import random
import time

from lib.py import ip, ksft_eq, ksft_exit, ksft_ge, ksft_lt, ksft_run, ksft_true
from nai_env import SLOW, Flood, Guest, NaiEnv, number, wait_for
from nai_seeds import Pins, await_level, await_seeded, received, seeded

TOGGLES = number("KSFT_TOGGLES", 10000)
KILLS = number("KSFT_KILLS", 200)
ROUNDS = number("KSFT_ROUNDS", 200)


def dirty_log(cfg):
    """While writes are logged nothing is posted, and every page is in the log."""
    cfg.setup()
    for options in ((), ("--mergeable", )):
        guest = seeded(cfg, *options)
        lease = cfg.fq(guest)["id"]
        flood = Flood(cfg, guest, b=50)
        told = guest.do(f"log {number('KSFT_LOGS', 40)}", 120)
        await_level(cfg, guest, "seed", "none")
        await_seeded(cfg, guest, 100)
        flood.stop()
        ksft_ge(told["changed_pages"], 1000, "pages written")
        stats = cfg.fq(guest)["stats"]
        ksft_ge(stats["rx-packets"], stats["rx-seeded"] + 1000, "copied")
        ksft_eq(cfg.fq(guest)["id"], lease)
        guest.check(options)
        guest.end()


def backend_toggles(cfg):
    """Stop and go with broadcast between: every descriptor has one owner."""
    cfg.setup()
    pins = Pins()
    guests = [Guest(cfg, "--seeded", *options, port=True)
              for options in ((), ("--mergeable", "--event-idx"))]
    floods = [Flood(cfg, guest, b=100, stream=2 * i)
              for i, guest in enumerate(guests)]
    for guest in guests:
        guest.tell(f"toggle {TOGGLES // len(guests)}")
    for guest in guests:
        told = guest.read(60 + TOGGLES / 10)
        ksft_ge(told["attached"], TOGGLES // len(guests) // 4, "leases")
    for flood in floods:
        flood.stop()
    returned = 0
    for guest in guests:
        told = guest.check()
        ksft_ge(sum(told["rx"]), 100)
        returned += told["returned"]
        guest.end()
    # Holes there were, or this has shown nothing.
    ksft_ge(returned, 1, "descriptors returned unused")
    pins.check()


def memory_table(cfg):
    """The guest's memory moves under a flood: descriptors come back, and go on."""
    cfg.setup()
    pins = Pins()
    guest = seeded(cfg)
    lease = cfg.fq(guest)["id"]
    flood = Flood(cfg, guest, b=50)
    guest.do(f"memory {ROUNDS}", 60)
    received(guest)
    flood.stop()
    stats = cfg.fq(guest)["stats"]
    ksft_ge(stats["seed-returned"] + stats["seed-rewound"], ROUNDS)
    ksft_ge(stats["rx-seeded"], 100)
    ksft_eq(cfg.fq(guest)["id"], lease)
    guest.do("backend 0")
    guest.check()
    guest.end()
    pins.check()


def other_memory(cfg):
    """All the guest's buffers are elsewhere: nothing is written to where they were."""
    cfg.setup()
    pins = Pins()
    for options in ((), ("--mergeable", "--buffer", 1536)):
        guest = seeded(cfg, *options)
        flood = Flood(cfg, guest, b=50)
        guest.do(f"move {ROUNDS // 2}", 60)
        received(guest)
        flood.stop()
        ksft_ge(cfg.stat(guest, "rx-seeded"), 100)
        guest.check(options)
        guest.end()
    pins.check()


def discarded(cfg):
    """A guest that gives pages up and takes them anew: frames are in the new ones."""
    cfg.setup()
    pins = Pins()
    for options in ((), ("--mergeable", "--buffer", 1536)):
        guest = seeded(cfg, *options)
        flood = Flood(cfg, guest, b=50)
        guest.do(f"discard {ROUNDS}", 60)
        received(guest)
        flood.stop()
        ksft_ge(cfg.stat(guest, "rx-seeded"), 100)
        guest.do("backend 0")
        guest.check(options)
        guest.end()
    pins.check()


def features(cfg):
    """Mergeable buffers on and off: no frame has the header of the time before."""
    cfg.setup()
    guest = seeded(cfg)
    lease = cfg.fq(guest)["id"]
    flood = Flood(cfg, guest, b=50)
    guest.do(f"features {ROUNDS}", 60)
    received(guest)
    flood.stop()
    ksft_ge(cfg.stat(guest, "rx-seeded"), 100)
    ksft_eq(cfg.fq(guest)["id"], lease)
    guest.check()


def port_reset(cfg):
    """Resets in a flood: the same buffers are posted again."""
    cfg.setup()
    pins = Pins()
    guest = seeded(cfg)
    lease = cfg.fq(guest)["id"]
    flood = Flood(cfg, guest, b=50)
    for i in range(ROUNDS if not cfg.ep else 5):
        if not cfg.ep:
            cfg.knob("stop_delay_us", random.choice((0, 50, 2000)))
        time.sleep(random.random() / 100)
        cfg.reset()
        if i % 8 == 0:
            cfg.detach(guest)
            lease = cfg.attach(guest, mode="seed")["id"]
    received(guest)
    flood.stop()
    ksft_eq(cfg.fq(guest)["id"], lease)
    if not cfg.ep:
        ksft_eq(cfg.counter("lies"), 0)
    guest.do("backend 0")
    guest.check()
    guest.end()
    pins.check()


def sending_beside(cfg):
    """A lease that sends too, and memory that changes: both ways go on."""
    cfg.setup()
    guest = Guest(cfg, "--seeded", "--echo")
    cfg.attach(guest, mode="seed", tx=True)
    cfg.ping(guest)
    flood = Flood(cfg, guest, r=2000)
    guest.do(f"move {ROUNDS // 4}", 60)
    flood.stop()
    cfg.ping(guest)
    stats = cfg.fq(guest)["stats"]
    ksft_ge(stats["rx-seeded"], 100)
    ksft_ge(stats["tx-packets"], 100)
    guest.do("backend 0")
    guest.check()


def _stall(cfg, guest):
    """The worker sleeps on the guest's memory, with its virtqueue's mutex."""
    await_level(cfg, guest, "seed", "none")
    guest.do("userfault 1")
    Flood(cfg, guest, n=2000).wait()
    if not cfg.ep:
        ksft_true(wait_for(lambda: cfg.stat(guest, "rx-hw-drop-overruns")), "stalled")
    time.sleep(0.1 * SLOW)
    ksft_ge(256, cfg.stat(guest, "rx-packets"), "stalled")


def stalled(cfg):
    """Memory that does not answer holds up neither RTNL nor the guest's end."""
    cfg.setup()
    pins = Pins()
    for killed in (False, True):
        guest = seeded(cfg)
        _stall(cfg, guest)
        for state in ("down", "up"):
            since = time.monotonic()
            ip(f"link set dev {cfg.ifname} {state}")
            ksft_lt(time.monotonic() - since, 1 * SLOW, f"port {state} [s]")
        if killed:
            guest.kill()
            cfg.await_end(guest)
            continue
        guest.do("userfault 0")
        flood = Flood(cfg, guest, stream=2)
        received(guest)
        flood.stop()
        guest.end()
    pins.check()


def unplug(cfg):
    """The port is pulled out in a flood; the guest goes on with its tap."""
    cfg.need_sim()
    pins = Pins()
    for _ in range(max(ROUNDS // 20, 3)):
        cfg.setup()
        guest = seeded(cfg)
        flood = Flood(cfg, guest, b=20)
        received(guest)
        cfg.knob("stop_delay_us", random.choice((0, 1000)))
        cfg.unplug()
        cfg.event("detached-ntf", reason="port-gone")
        flood.stop()
        guest.do("backend 0")
        guest.check()
        guest.end()
        ip(f"link del {cfg.bridge}")
    pins.check()


def kills(cfg):
    """Guests are killed with their buffers posted: each pin is given back."""
    cfg.setup()
    pins = Pins()
    for i in range(KILLS):
        guest = seeded(cfg)
        flood = Flood(cfg, guest) if i % 3 else None
        time.sleep(random.random() / 20)
        guest.kill()
        cfg.await_end(guest)
        if flood:
            flood.stop()
    ksft_ge(pins.taken(), KILLS * 50)
    pins.check()


def late_writes_are_seen(cfg):
    """Hardware that writes after it was stopped is noticed, by all that looks here."""
    cfg.need_sim()
    cfg.setup()
    guest = Guest(cfg, "--seeded", port=True)
    cfg.knob("stop_lies")
    flood = Flood(cfg, guest)
    # The guest looks for some milliseconds, from when it has painted its buffers.
    # How long that takes is the machine's.
    for late_us in (300, 1000, 3000, 10000, 30000):
        cfg.knob("stop_delay_us", late_us)
        told = guest.do("toggle 20", 60)
    flood.stop()
    cfg.knob("stop_delay_us", 0)
    ksft_ge(cfg.counter("lies"), 5)
    ksft_ge(told["stale"], 1)


def main():
    cfg = NaiEnv(__file__)
    ksft_run([dirty_log, backend_toggles, memory_table, other_memory, discarded,
              features, port_reset, sending_beside, stalled, unplug, kills,
              late_writes_are_seen], args=(cfg, ))
    ksft_exit()


if __name__ == "__main__":
    main()
