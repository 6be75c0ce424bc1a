#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a guest receives by a leased queue, how it is counted, and when it stops."""

import random
import time

from lib.py import (
    NetdevFamily,
    cmd,
    ip,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_in,
    ksft_lt,
    ksft_run,
    ksft_true,
)
from nai_env import SLOW, Flood, Guest, NaiEnv, number, wait_for

PINGS = number("KSFT_PINGS", 2000)
SECONDS = number("KSFT_SECONDS", 3)

LAYOUTS = (
    (),
    ("--mergeable", ),
    ("--mergeable", "--buffer", 256),
    ("--event-idx", ),
    ("--mergeable", "--event-idx", "--buffer", 512),
    ("--legacy", ),
    ("--legacy", "--mergeable"),
    ("--vhost-header", ),
)


def _accounts(cfg, guest, sent, before=None):
    """Every frame that was sent is received or counted as dropped."""
    before = before or {}

    def counted():
        stats = cfg.fq(guest)["stats"]
        return sum(stats[key] - before.get(key, 0)
                   for key in ("rx-packets", "rx-drops", "rx-hw-drop-overruns"))

    wait_for(lambda: counted() == sent, 3)
    ksft_eq(counted(), sent, "received and dropped")
    return cfg.fq(guest)["stats"]


def layouts(cfg):
    """Every form of ring and header: each frame whole, once and in order."""
    cfg.setup()
    for options in LAYOUTS:
        guest = Guest(cfg, *options)
        cfg.attach(guest)
        flood = Flood(cfg, guest, t=1)
        sent = flood.wait()["sent"]
        ksft_ge(sent, 100)
        stats = _accounts(cfg, guest, sent)
        told = guest.check(options)
        ksft_eq(told["rx"][0], stats["rx-packets"], options)
        ksft_eq(told["bytes"], stats["rx-bytes"], options)
        ksft_eq(told["reordered"], 0, options)
        guest.end()
        ksft_true(wait_for(lambda: not cfg.nl.fq_get({}, dump=True)), options)


def tap_beside(cfg):
    """Broadcast comes by the tap, beside a flood of unicast."""
    cfg.setup()
    guest = Guest(cfg)
    cfg.attach(guest)
    unicast = Flood(cfg, guest)
    rare = Flood(cfg, guest, b=1000, r=50, stream=2)
    time.sleep(SECONDS)
    sent = rare.stop()["broadcast"]
    ksft_ge(guest.stats()["rx"][3], sent * 0.9, "broadcast beside a flood")
    unicast.stop()
    guest.check()


def tap_share(cfg):
    """Of a ring, neither of tap and queue leaves nothing to the other."""
    cfg.setup()
    guest = Guest(cfg, ring=64)
    cfg.attach(guest)
    guest.do("stall 1")
    # The first ring is full by then, and both have more than three rings take.
    Flood(cfg, guest, b=1000, n=320, stream=2).wait()
    Flood(cfg, guest, n=220, stream=4).wait()
    time.sleep(0.2 * SLOW)
    before = guest.stats()["rx"]
    for _ in range(3):
        guest.do("step")
        ksft_true(wait_for(lambda: not guest.stats()["with_host"]), "a ring taken")
    rx = guest.check()["rx"]
    ksft_ge(rx[3] - before[3], 3 * 4, "broadcast of three rings")
    ksft_ge(rx[4] - before[4], 3 * 32, "unicast of three rings")


def wake_ups(cfg):
    """Frames one by one, at any time: no wake-up is ever missed."""
    cfg.setup()
    for options, ring in (((), 256), (("--event-idx", ), 256), ((), 2),
                          (("--event-idx", ), 2), (("--mergeable", ), 8)):
        guest = Guest(cfg, "--echo", *options, ring=ring)
        cfg.attach(guest)
        noise = Flood(cfg, guest, b=1000, r=200, stream=4)
        told = cfg.ping(guest, PINGS // 5, D=random.choice((200, 2000)))
        noise.stop()
        # Soon, and not when somebody happened to look.
        ksft_lt(told["max_us"], 300000 * SLOW, options)
        guest.check(options)
        guest.end()


def wake_ups_paced(cfg):
    """The worker sleeps between frames, and each of them wakes it in time."""
    cfg.setup()
    guest = Guest(cfg)
    cfg.attach(guest)
    sent = Flood(cfg, guest, r=number("KSFT_PACE", 500), t=2 * SECONDS).wait()["sent"]
    stats = _accounts(cfg, guest, sent)
    # One that is overslept is noticed after a second at the least, and the queue is
    # full by then.
    ksft_eq(stats["rx-packets"], sent)
    guest.check()


def wake_ups_when_starved(cfg):
    """A guest that returns its buffers late has every frame in the end."""
    cfg.setup()
    guest = Guest(cfg)
    cfg.attach(guest)
    for i in range(PINGS // 20):
        guest.do("stall 1")
        flood = Flood(cfg, guest, n=random.choice((1, 3, 100, 300, 600)))
        flood.wait()
        if i % 2:
            time.sleep(random.random() / 50)
        guest.do("stall 0")
        # What the queue still holds has to come without another frame's help.
        ksft_true(wait_for(lambda: cfg.fq(guest)["posted"] == cfg.fq(guest)["depth"],
                           1), "all buffers with the hardware")
    guest.check()


def counters(cfg):
    """A guest that stalls: the hardware drops, and says how many."""
    cfg.setup()
    guest = Guest(cfg)
    lease = cfg.attach(guest)["id"]
    guest.do("stall 1")
    sent = Flood(cfg, guest, n=3000).wait()["sent"]
    # Also when the guest never asks again: somebody looks in the end.
    cfg.event("congested-ntf", 10, id=lease)
    fq = cfg.fq(guest)
    stats = fq["stats"]
    ksft_eq((fq["posted"], fq["congestion"]), (0, "empty"))
    # A queue's worth of frames waits, a ring's worth was delivered.
    ksft_eq(stats["rx-packets"], 256)
    ksft_eq(stats["rx-hw-drop-overruns"], sent - 256 - fq["depth"])
    ksft_ge(stats["starved"], 1)
    ksft_ge(stats["empty-events"], 1)
    guest.do("stall 0")
    cfg.event("cleared-ntf", id=lease)
    ksft_true(wait_for(lambda: cfg.fq(guest)["congestion"] == "normal"), "normal")
    stats = _accounts(cfg, guest, sent)
    ksft_eq(guest.check()["rx"][0], stats["rx-packets"])
    shown = ip(f"-s link show dev {guest.name}", json=True)[0]["stats64"]["tx"]
    ksft_ge(shown["packets"], stats["rx-packets"], "the tap counts them too")


def counter_names(cfg):
    """Counters are named as those of queues are, where those have the counter."""
    qstats = NetdevFamily().attr_sets["qstats"]
    stats = cfg.nl.attr_sets["stats"]
    for name in ("rx-packets", "rx-bytes", "rx-hw-drop-overruns"):
        ksft_in(name, qstats)
        ksft_in(name, stats)


def event_rate(cfg):
    """Of each kind of level event there is at most one a second."""
    cfg.setup()
    guest = Guest(cfg)
    cfg.attach(guest)
    flood = Flood(cfg, guest)
    seen, until = [], time.monotonic() + SECONDS
    while time.monotonic() < until:
        guest.do("stall 1")
        time.sleep(0.05)
        guest.do("kick")
        time.sleep(0.01)
        guest.do("stall 0")
        time.sleep(0.02)
        cfg.events.check_ntf()
        while cfg.events.async_msg_queue:
            seen.append(cfg.events.async_msg_queue.pop(0)["name"])
    flood.stop()
    for name in ("congested-ntf", "cleared-ntf", "level-changed-ntf"):
        ksft_lt(seen.count(name), SECONDS * 1.5 + 2, name)
    ksft_ge(seen.count("congested-ntf"), 1)
    ksft_ge(cfg.stat(guest, "empty-events"), seen.count("congested-ntf"))
    guest.check()


def neighbour(cfg):
    """One guest takes nothing and is flooded; the other keeps its rate."""
    cfg.setup()
    stalled, guest = Guest(cfg), Guest(cfg)
    cfg.attach(stalled)
    cfg.attach(guest)

    def rate():
        before = guest.stats()["rx"][0]
        sent = Flood(cfg, guest, r=number("KSFT_PPS", 1000), t=SECONDS).wait()["sent"]
        time.sleep(0.1)
        return (guest.stats()["rx"][0] - before) / sent

    alone = rate()
    ksft_ge(alone, 0.99, "alone")
    stalled.do("stall 1")
    flood = Flood(cfg, stalled, r=2 * number("KSFT_PPS", 1000), stream=2)
    guest.proc.poll()
    beside = Flood(cfg, guest, r=number("KSFT_PPS", 1000), t=SECONDS, stream=4)
    before = guest.stats()["rx"][4]
    sent = beside.wait()["sent"]
    time.sleep(0.1)
    flood.stop()
    ksft_ge((guest.stats()["rx"][4] - before) / sent, alone * 0.95, "beside it")
    ksft_ge(cfg.stat(stalled, "rx-hw-drop-overruns"), 1)
    # An empty queue is silent: its interrupt stays masked.
    ksft_lt(cfg.stat(stalled, "irqs"), 1000)
    for one in (stalled, guest):
        one.check()


def transmit_beside_flood(cfg):
    """What a guest sends goes out while it is flooded."""
    cfg.setup()
    guest = Guest(cfg, "--echo")
    cfg.attach(guest)
    flood = Flood(cfg, guest)
    time.sleep(SECONDS)
    flood.stop()
    told = guest.check()
    ksft_ge(told["tx"], told["rx"][0] * 0.05, "answers")


def dirty_log(cfg):
    """Migration: every page that was written is in the log."""
    cfg.setup()
    for options in ((), ("--mergeable", "--buffer", 512), ("--vhost-header", )):
        guest = Guest(cfg, *options)
        lease = cfg.attach(guest)["id"]
        flood = Flood(cfg, guest, b=50)
        told = guest.do(f"log {number('KSFT_LOGS', 40)}", 120)
        flood.stop()
        ksft_ge(told["changed_pages"], 1000, "pages written")
        ksft_ge(told["logged_pages"], told["changed_pages"])
        ksft_eq(cfg.fq(guest)["id"], lease)
        guest.check(options)
        guest.end()


def fault(cfg):
    """Memory that cannot be written: the lease ends, with that reason."""
    cfg.setup()
    guest = Guest(cfg)
    cfg.attach(guest)
    guest.do("readonly 1")
    flood = Flood(cfg, guest, n=50)
    flood.wait()
    cfg.event("detached-ntf", reason="memory")
    ksft_eq(cfg.client(guest)["last-reason"], "memory")
    guest.do("readonly 0")
    # The descriptors of the frame went back, and none is on its way.
    guest.do("backend 0")
    guest.check()


def small_buffers(cfg):
    """A frame that no chain has room for is dropped, counted, and not written."""
    cfg.setup()
    guest = Guest(cfg, "--buffer", 512)
    cfg.attach(guest)
    sent = Flood(cfg, guest, n=500, l=1500).wait()["sent"]
    stats = _accounts(cfg, guest, sent)
    ksft_eq(stats["rx-drop-oversize"], sent - stats["rx-hw-drop-overruns"])
    sent += Flood(cfg, guest, n=500, l=400, stream=2).wait()["sent"]
    stats = _accounts(cfg, guest, sent)
    ksft_ge(stats["rx-packets"], 1)
    ksft_eq(guest.check()["rx"][2], stats["rx-packets"])


def _knob(cfg, guest, name, value, reason=None):
    before = cfg.fq(guest)["stats"]
    cfg.knob(name, value)
    sent = Flood(cfg, guest, n=200, r=2000).wait()["sent"]
    ksft_eq(cfg.left(name), 0, name)
    stats = _accounts(cfg, guest, sent, before)
    if reason:
        ksft_eq(stats[reason] - before[reason], value, name)


def bad_completions(cfg):
    """What hardware may say of a frame in error: dropped, counted, and no more."""
    cfg.setup()
    cfg.need_sim()
    for name in ("rx_error", "truncate", "oversize"):
        guest = Guest(cfg, "--echo")
        cfg.attach(guest)
        _knob(cfg, guest, name, 20, "rx-drop-error")
        ksft_eq(guest.check(name)["rx"][0], 180, name)
        guest.end()


def checksums(cfg):
    """A checksum that the hardware has verified is marked so for the guest."""
    cfg.setup()
    cfg.need_sim()
    guest = Guest(cfg)
    cfg.attach(guest)
    _knob(cfg, guest, "csum_ok", 50)
    ksft_eq(guest.check()["valid"], 50)


def held_completions(cfg):
    """Completions that come late come in order, also over a reset."""
    cfg.setup()
    cfg.need_sim()
    guest = Guest(cfg)
    cfg.attach(guest)
    for i in range(20):
        cfg.knob("hold", 10000)
        Flood(cfg, guest, n=100).wait()
        if i % 2:
            cfg.reset()
        cfg.knob("hold", 0)
        ksft_true(wait_for(lambda: cfg.fq(guest)["posted"] == cfg.fq(guest)["depth"],
                           1), "all buffers with the hardware")
    guest.check()


def doubled_completions(cfg):
    """A buffer that comes back twice is not given to two frames."""
    cfg.setup()
    cfg.need_sim()
    guest = Guest(cfg)
    cfg.attach(guest)
    for _ in range(5):
        cfg.knob("duplicate", 20)
        Flood(cfg, guest, n=200, r=2000).wait()
        ksft_eq(cfg.left("duplicate"), 0)
    wait_for(lambda: cfg.stat(guest, "rx-packets") == 1000)
    fq = cfg.fq(guest)
    ksft_eq(fq["stats"]["rx-drop-error"], 100)
    ksft_eq(fq["posted"], fq["depth"])
    ksft_eq(guest.check()["rx"][0], 1000)


def lost_interrupts(cfg):
    """An interrupt that is lost costs time, and no more."""
    cfg.setup()
    cfg.need_sim()
    guest = Guest(cfg, "--echo")
    cfg.attach(guest)
    cfg.knob("lose_irq", 3)
    cfg.ping(guest, 10, wait_ms=10000)
    ksft_eq(cfg.left("lose_irq"), 0)
    # Nobody else's frame has woken the worker.
    ksft_eq(guest.check()["foreign"], 0)


def slow_engine(cfg):
    """A slow NIC: the worker sleeps between its frames and misses none."""
    cfg.setup()
    cfg.need_sim()
    guest = Guest(cfg, "--echo")
    cfg.attach(guest)
    for delay in (1, 20, 200, 1000):
        cfg.knob("engine_delay_us", delay)
        cfg.ping(guest, 50)
    cfg.knob("engine_delay_us", 0)
    guest.check()


def no_restart(cfg):
    """A queue that does not start again loses its lease to the tap."""
    cfg.setup()
    cfg.need_sim()
    guest = Guest(cfg, "--echo")
    cfg.attach(guest)
    cfg.knob("fail_fq_start")
    cfg.reset()
    cfg.event("detached-ntf", reason="hardware")
    cfg.ping(guest)
    cfg.attach(guest)
    cfg.ping(guest, stream=2)
    guest.check()


def tx_poll(cfg):
    """The transmit ring is polled, or is not; what is in it goes out either way."""
    cfg.setup()
    param = "/sys/module/vhost_net/parameters/nai_tx_poll_us"
    for us in (0, 100, 2000):
        cmd(f"echo {us} > {param}")
        guest = Guest(cfg, "--echo", ring=64)
        cfg.attach(guest)
        flood = Flood(cfg, guest, t=1)
        flood.wait()
        cfg.ping(guest, stream=2)
        guest.check()
        guest.end()
    cmd(f"echo 2000 > {param}")


def main():
    cfg = NaiEnv(__file__)
    ksft_run([layouts, tap_beside, tap_share, wake_ups, wake_ups_paced,
              wake_ups_when_starved, counters, counter_names, event_rate,
              neighbour, transmit_beside_flood, dirty_log, fault,
              small_buffers, bad_completions, checksums, held_completions,
              doubled_completions, lost_interrupts, slow_engine, no_restart,
              tx_poll], args=(cfg, ))
    ksft_exit()


if __name__ == "__main__":
    main()
