#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Leases whose port, tap, guest or memory changes or goes, with frames coming."""

import errno
import random
import threading
import time
from functools import partial

from lib.py import (
    NlError,
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
from nai_env import SLOW, Flood, Guest, NaiEnv, number, refused, wait_for

TOGGLES = number("KSFT_TOGGLES", 10000)
KILLS = number("KSFT_KILLS", 100)
UNPLUGS = number("KSFT_UNPLUGS", 20)
ROUNDS = number("KSFT_ROUNDS", 200)


def _received(cfg, guest, more=100):
    """Frames of the flood go on arriving."""
    before = sum(guest.stats()["rx"])
    ksft_true(wait_for(lambda: sum(guest.stats()["rx"]) > before + more), "frames")


def port_down_up(cfg):
    """A lease lives through the port's being down, and the tap has its way."""
    cfg.setup()
    guest = Guest(cfg)
    lease = cfg.attach(guest)["id"]
    flood = Flood(cfg, guest, b=100)
    for _ in range(5):
        _received(cfg, guest)
        ip(f"link set dev {cfg.ifname} down")
        ksft_eq(cfg.fq(guest)["state"], "paused")
        ip(f"link set dev {cfg.ifname} up")
        ksft_true(wait_for(lambda: cfg.fq(guest)["state"] == "running"), "running")
    _received(cfg, guest)
    flood.stop()
    fq = cfg.fq(guest)
    ksft_eq(fq["id"], lease)
    ksft_ge(fq["stats"]["resets"], 5)
    guest.check()


def port_reset(cfg):
    """Resets in the middle of a flood; nothing comes twice, nothing is mixed up."""
    cfg.setup()
    guest = Guest(cfg)
    lease = cfg.attach(guest)["id"]
    flood = Flood(cfg, guest, b=50)
    for _ in range(ROUNDS if not cfg.ep else 5):
        time.sleep(random.random() / 100)
        cfg.reset()
    _received(cfg, guest)
    flood.stop()
    ksft_eq(cfg.fq(guest)["id"], lease)
    guest.check()


def port_late_dma(cfg):
    """A queue takes its time to stop, and what it writes then is waited for."""
    cfg.setup()
    cfg.need_sim()
    guest = Guest(cfg)
    cfg.attach(guest)
    flood = Flood(cfg, guest)
    for i in range(ROUNDS // 2):
        cfg.knob("stop_delay_us", random.choice((0, 50, 500, 5000)))
        time.sleep(random.random() / 100)
        if i % 4:
            cfg.reset()
        else:
            cfg.detach(guest)
            cfg.attach(guest)
    cfg.knob("stop_delay_us", 0)
    _received(cfg, guest)
    flood.stop()
    ksft_ge(cfg.counter("late_writes"), ROUNDS // 10)
    ksft_eq(cfg.counter("lies"), 0)
    guest.check()


def backend_toggles(cfg):
    """Stop and go of either queue: every descriptor has one owner, every time."""
    cfg.setup()
    guests = [Guest(cfg, port=True), Guest(cfg, "--mergeable", "--event-idx", port=True)]
    witness = Guest(cfg)
    cfg.attach(witness)
    floods = [Flood(cfg, guest, b=30, stream=2 * i)
              for i, guest in enumerate((*guests, witness))]
    for guest in guests:
        guest.tell(f"toggle {TOGGLES // len(guests)}")
    for guest in guests:
        told = guest.read(60 + TOGGLES / 10)
        ksft_ge(told["attached"], TOGGLES // len(guests) // 4, "leases")
    for flood in floods:
        flood.stop()
    for guest in guests:
        stats = guest.check()
        ksft_ge(sum(stats["rx"]), 100)
    # Of what the two were stopped for, the third has seen nothing.
    ksft_ge(witness.check()["rx"][4], 100)
    ksft_true(cfg.fq(witness), "the witness has its lease")


def _lease_holds(cfg, command):
    """A guest does something under flood, and its lease is the same one afterwards."""
    cfg.setup()
    guest = Guest(cfg)
    lease = cfg.attach(guest)["id"]
    flood = Flood(cfg, guest, b=50)
    guest.do(command, 60)
    _received(cfg, guest)
    flood.stop()
    ksft_eq(cfg.fq(guest)["id"], lease)
    guest.check()


def memory_table(cfg):
    """Where memory was, nothing is written after it was taken away."""
    _lease_holds(cfg, f"memory {ROUNDS}")


def features(cfg):
    """Mergeable buffers on and off."""
    _lease_holds(cfg, f"features {ROUNDS}")


def reset_owner(cfg):
    """VHOST_RESET_OWNER ends the lease as a backend that is taken away does."""
    cfg.setup()
    guest = Guest(cfg, port=True)
    guest.do("attach")
    flood = Flood(cfg, guest, b=50)
    told = guest.do(f"owner {ROUNDS // 4}", 60)
    ksft_ge(told["attached"], ROUNDS // 8)
    cfg.event("detached-ntf", reason="backend")
    _received(cfg, guest)
    flood.stop()
    guest.check()


def backend_off(cfg):
    """Without a backend there is no client, and no lease."""
    cfg.setup()
    guest = Guest(cfg)
    lease = cfg.attach(guest)["id"]
    ksft_eq(guest.do("backend 0")["error"], 0)
    cfg.event("detached-ntf", id=lease, reason="backend")
    ksft_eq(cfg.client(guest), None)
    ksft_eq(guest.do("backend 1")["error"], 0)
    cfg.attach(guest)
    flood = Flood(cfg, guest)
    _received(cfg, guest)
    flood.stop()
    guest.check()


def guest_death(cfg):
    """A guest is killed in a flood; the next one finds a queue to lease."""
    cfg.setup(queues=2)
    witness = Guest(cfg)
    cfg.attach(witness)
    steady = Flood(cfg, witness, r=500, stream=2)
    for _ in range(KILLS if not cfg.ep else 5):
        guest = Guest(cfg)
        cfg.attach(guest)
        flood = Flood(cfg, guest, b=20)
        time.sleep(random.random() / 20)
        guest.kill()
        flood.stop()
        cfg.await_end(guest)
    told = steady.stop()
    ksft_ge(witness.check()["rx"][2], told["sent"] * 0.9)
    ksft_true(cfg.fq(witness), "the witness has its lease")


def _linger(cfg):
    """A guest that is flooded is killed, and its queue lingers."""
    guest = Guest(cfg)
    cfg.attach(guest, linger=600)
    flood = Flood(cfg, guest)
    _received(cfg, guest)
    guest.kill()
    cfg.await_end(guest)
    ksft_eq(cfg.leased(), 1)
    return flood


def linger(cfg):
    """The flood of a guest that has gone stays in the NIC, until the next comes."""
    cfg.need_sim()
    cfg.setup()
    flood = _linger(cfg)
    before = cfg.counter("fq_overruns")
    ksft_true(wait_for(lambda: cfg.counter("fq_overruns") > before + 100), "dropped")
    ksft_eq(cfg.counter("port_frames"), 0, "frames for the bridge")
    ksft_true(cmd("rmmod naisim", fail=False).ret, "rmmod naisim")
    Guest(cfg)
    ksft_eq(cfg.leased(), 0)
    ksft_true(wait_for(lambda: cfg.counter("port_frames") > 100), "frames for the bridge")
    flood.stop()


def linger_unplug(cfg):
    """A queue that lingers goes with its port, which had been elsewhere as well."""
    cfg.need_sim()
    cfg.setup()
    flood = _linger(cfg)
    ip("netns add naitest")
    ip(f"link set dev {cfg.ifname} netns naitest")
    ip("netns del naitest")
    ksft_true(wait_for(lambda: not cmd(f"ip link show dev {cfg.ifname}",
                                       fail=False).ret), "the port is back")
    ksft_eq(cfg.leased(), 1)
    cfg.unplug()
    flood.stop()
    ksft_eq(cmd("cat /sys/module/naisim/refcnt").stdout.strip(), "0", "uses of naisim")


def tap_deleted(cfg):
    """The tap goes before the guest does."""
    cfg.setup()
    guest = Guest(cfg)
    cfg.attach(guest)
    flood = Flood(cfg, guest)
    _received(cfg, guest)
    ip(f"link del {guest.name}")
    cfg.event("detached-ntf", reason="tap-gone")
    flood.stop()
    guest.check()
    ksft_true(cfg.attach(Guest(cfg)))


def unplug(cfg):
    """The NIC is taken away in a flood, and put back."""
    cfg.need_sim()
    for i in range(UNPLUGS):
        cfg.setup()
        guests = [Guest(cfg), Guest(cfg, "--mergeable")]
        for guest in guests:
            cfg.attach(guest)
        floods = [Flood(cfg, guest, b=20, stream=2 * n)
                  for n, guest in enumerate(guests)]
        time.sleep(random.random() / 10)
        cfg.knob("stop_delay_us", random.choice((0, 1000)))
        cfg.unplug()
        for _ in guests:
            cfg.event("detached-ntf", reason="port-gone")
        for flood in floods:
            flood.stop()
        for guest in guests:
            ksft_eq(cfg.client(guest)["last-reason"], "port-gone")
            guest.check()
            guest.end()
        ip(f"link del {cfg.bridge}")


def _lease_on_and_off(cfg, guest, stop):
    while not stop.is_set():
        for request in (cfg.attach, cfg.detach):
            try:
                request(guest)
            except NlError:
                pass


def unplug_in_attach(cfg):
    """The NIC goes while leases are asked for and given back."""
    cfg.need_sim()
    for _ in range(UNPLUGS):
        cfg.setup()
        guest = Guest(cfg)
        stop = threading.Event()
        thread = threading.Thread(target=_lease_on_and_off, args=(cfg, guest, stop))
        thread.start()
        time.sleep(random.random() / 5 * SLOW)
        cfg.unplug()
        stop.set()
        thread.join()
        ksft_eq(cfg.fq(guest), None)
        guest.check()
        guest.end()


def module_in_use(cfg):
    """The driver of a queue on lease cannot be unloaded, nor the core."""
    cfg.need_sim()
    cfg.setup()
    guest = Guest(cfg)
    cfg.attach(guest)
    for module in ("naisim", "nai"):
        ksft_true(cmd(f"rmmod {module}", fail=False).ret, f"rmmod {module}")
    cfg.detach(guest)
    ksft_true(cmd("rmmod nai", fail=False).ret, "rmmod nai")


def module_unload(cfg):
    """Without leases the driver goes, with its ports."""
    cfg.need_sim()
    cfg.setup()
    guest = Guest(cfg)
    cfg.attach(guest)
    flood = Flood(cfg, guest)
    _received(cfg, guest)
    cfg.detach(guest)
    cmd("rmmod naisim")
    cfg.sim = None
    flood.stop()
    ksft_eq([port for port in cfg.nl.port_get({}, dump=True)
             if port["ifindex"] == cfg.ifindex], [])
    guest.check()


def _stall(cfg, guest):
    """The worker sleeps on the guest's memory, with its virtqueue's mutex."""
    lease = cfg.attach(guest)["id"]
    guest.do("userfault 1")
    Flood(cfg, guest, n=2000).wait()
    ksft_true(wait_for(lambda: cfg.stat(guest, "rx-hw-drop-overruns")), "stalled")
    return lease


def _port_down_up(cfg):
    for state in ("down", "up"):
        since = time.monotonic()
        cmd(f"ip link set dev {cfg.ifname} {state}", timeout=60)
        ksft_lt(time.monotonic() - since, 1 * SLOW, f"port {state} [s]")


def stalled_port_down(cfg):
    """A guest that does not let go of its mutex does not hold up RTNL."""
    cfg.setup()
    guest, other = Guest(cfg), Guest(cfg, "--echo")
    cfg.attach(other)
    _stall(cfg, guest)
    for _ in range(2):
        _port_down_up(cfg)
    cfg.settle(other)
    cfg.ping(other)
    guest.do("userfault 0")
    flood = Flood(cfg, guest, stream=2)
    _received(cfg, guest)
    flood.stop()


def stalled_detach(cfg):
    """The request is told so, the frames take the tap's way, the lease ends later."""
    cfg.setup()
    guest, other = Guest(cfg), Guest(cfg, "--echo")
    cfg.attach(other)
    _stall(cfg, guest)
    refused(partial(cfg.detach, guest), errno.ETIMEDOUT, "does not let go")
    _port_down_up(cfg)
    cfg.settle(other)
    cfg.ping(other)
    guest.do("userfault 0")
    cfg.event("detached-ntf", 20, reason="requested")
    ksft_true(cfg.attach(guest))


def stalled_attach(cfg):
    """An attach to a stalled guest gives up, and undoes what it did."""
    cfg.setup()
    guest = Guest(cfg)
    guest.do("userfault 1")
    Flood(cfg, guest, n=100, b=1000).wait()
    time.sleep(0.2 * SLOW)
    second = {}

    def attach():
        time.sleep(1 * SLOW)
        try:
            NaiEnv(__file__).nl.attach(request)
        except NlError as e:
            second.update(e.nl_msg.extack)

    mac = guest.mac.replace(":", "")
    request = {"tap-ifindex": guest.ifindex, "port-ifindex": cfg.ifindex, "mac": mac}
    thread = threading.Thread(target=attach)
    thread.start()
    refused(partial(cfg.attach, guest), errno.ETIMEDOUT, "did not answer in time")
    thread.join()
    ksft_in("an attach of this tap is under way", second.get("msg", ""))
    guest.do("userfault 0")
    ksft_true(wait_for(lambda: not cfg.fq(guest)), "undone")
    ksft_true(wait_for(lambda: _attaches(cfg, guest)), "attach works again")


def _attaches(cfg, guest):
    try:
        return cfg.attach(guest)
    except NlError:
        return None


def stalled_unplug(cfg):
    """The NIC goes at once; the guest's part of the lease when it can."""
    cfg.need_sim()
    cfg.setup()
    guest = Guest(cfg)
    _stall(cfg, guest)
    since = time.monotonic()
    cfg.unplug()
    ksft_lt(time.monotonic() - since, 1 * SLOW, "unplug [s]")
    ksft_eq(cfg.fq(guest)["state"], "dead")
    guest.do("userfault 0")
    cfg.event("detached-ntf", 20, reason="port-gone")


def stalled_death(cfg):
    """A guest that is killed while its worker sleeps leaves nothing behind."""
    cfg.setup()
    for _ in range(5):
        guest = Guest(cfg)
        _stall(cfg, guest)
        guest.kill()
        cfg.await_end(guest)


def main():
    cfg = NaiEnv(__file__)
    ksft_run([port_down_up, port_reset, port_late_dma, backend_toggles,
              memory_table, features, reset_owner, backend_off, guest_death,
              linger, linger_unplug, tap_deleted, unplug, unplug_in_attach,
              module_in_use, stalled_port_down, stalled_detach,
              stalled_attach, stalled_unplug, stalled_death, module_unload],
             args=(cfg, ))
    ksft_exit()


if __name__ == "__main__":
    main()
