#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a guest sends by a leased queue, what takes the tap, and what goes nowhere."""

import errno
import json
import socket
import struct
import time

from lib.py import (
    cmd,
    defer,
    ip,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_lt,
    ksft_run,
    ksft_true,
)
from nai_env import Flood, Guest, NaiEnv, number, wait_for

FRAMES = number("KSFT_FRAMES", 50)
RESETS = number("KSFT_RESETS", 50)

PEER = "02:00:5e:7f:00:01"
MAGIC = 0x4E414921
SO_RCVBUFFORCE = 33
(GOOD, BROADCAST, SPOOFED, TAGGED, SHORT, CSUM, CSUM_SOURCE, CSUM_BEHIND, GSO,
 LONG, MIXED, FLIPPED) = range(12)

TX_STATS = ("tx-packets", "tx-drop-spoof", "tx-drop-vlan", "tx-drop-header",
            "tx-drop-stop", "tx-tap")


class Sniffer:
    """Everything that a guest sends and that comes out at the far end."""

    def __init__(self, cfg, guest):
        cfg.need_sim()
        self.mac = bytes.fromhex(guest.mac.replace(":", ""))
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
        self.sock.bind((cfg.wire, 0))
        self.sock.setblocking(False)
        defer(self.sock.close)
        self.frames = []

    def _is_of_guest(self, frame):
        # A source may be forged; the peer's address is used by nobody else.
        return (frame[6:12] == self.mac or
                frame[:6] == bytes.fromhex(PEER.replace(":", "")))

    def take(self):
        """Return what has come since the last time."""
        frames = []
        while True:
            try:
                frame, addr = self.sock.recvfrom(4096)
            except BlockingIOError:
                return frames
            if addr[2] != socket.PACKET_OUTGOING and self._is_of_guest(frame):
                frames.append(frame)

    def await_frames(self, n):
        self.frames = []

        def enough():
            self.frames += self.take()
            return len(self.frames) >= n

        wait_for(enough)
        time.sleep(0.1)
        self.frames += self.take()
        return self.frames


def _of_kind(frame, kind):
    magic, stream = struct.unpack_from("!IH", frame, 14)
    return magic == MAGIC and stream == kind


def _numbers(frames):
    return [struct.unpack_from("!Q", frame, 22)[0] for frame in frames]


def _adds_up(frame):
    """The one's complement sum from the place that the guest said."""
    data = frame[30:]
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total == 0xffff


def _stats(cfg, guest):
    stats = cfg.fq(guest)["stats"]
    return {name: stats[name] for name in TX_STATS}


def _lease(cfg, *options):
    guest = Guest(cfg, "--peer", PEER, *options)
    cfg.attach(guest, tx=True)
    ksft_true("tx" in cfg.fq(guest))
    return guest


def paths(cfg):
    """Each kind of frame takes its way, is counted, and its buffer comes back."""
    cfg.setup()
    guest = _lease(cfg)
    sniffer = Sniffer(cfg, guest)
    for kind, way, arrive in (
            (GOOD, "tx-packets", True), (BROADCAST, "tx-tap", True),
            (SPOOFED, "tx-drop-spoof", False), (TAGGED, "tx-drop-vlan", False),
            (SHORT, "tx-packets", True), (CSUM, "tx-packets", True),
            (CSUM_SOURCE, "tx-drop-header", False),
            (CSUM_BEHIND, "tx-drop-header", False),
            (GSO, "tx-tap", None), (LONG, "tx-tap", False)):
        before = _stats(cfg, guest)
        ksft_eq(guest.do(f"send {kind} {FRAMES}")["error"], 0, kind)
        frames = sniffer.await_frames(FRAMES if arrive else 0)
        after = _stats(cfg, guest)
        ksft_eq({name: after[name] - before[name] for name in TX_STATS
                 if after[name] != before[name]}, {way: FRAMES}, kind)
        if arrive is None:
            continue
        ksft_eq(len(frames), FRAMES if arrive else 0, kind)
        ksft_true(all(_of_kind(frame, kind) for frame in frames), kind)
        if kind != BROADCAST:
            ksft_eq(_numbers(frames), list(range(len(frames))), kind)
        if kind == SHORT:
            ksft_true(all(len(frame) == 60 and not any(frame[40:])
                          for frame in frames), "padded with zeroes")
        if kind == CSUM:
            ksft_true(all(_adds_up(frame) for frame in frames), "checksum")
    guest.check()
    stats = cfg.fq(guest)["stats"]
    ksft_eq(stats["tx-drops"], 4 * FRAMES)
    ksft_eq(stats["tx-bytes"], FRAMES * (200 + 60 + 200))
    ksft_eq(cfg.counter("fq_tx_frames"), 3 * FRAMES)
    tap = ip(f"-s link show dev {guest.name}", json=True)[0]["stats64"]["rx"]
    ksft_ge(tap["packets"], 5 * FRAMES, "received by the tap, as far as it is told")


def layouts(cfg):
    """Every form of ring and header."""
    cfg.setup()
    for options in ((), ("--legacy", ), ("--mergeable", "--event-idx"),
                    ("--legacy", "--mergeable"), ("--vhost-header", )):
        guest = _lease(cfg, *options)
        sniffer = Sniffer(cfg, guest)
        guest.do(f"send {GOOD} {FRAMES}")
        frames = sniffer.await_frames(FRAMES)
        ksft_eq(_numbers(frames), list(range(FRAMES)), options)
        ksft_eq(_stats(cfg, guest)["tx-packets"], FRAMES, options)
        guest.check(options)
        guest.end()
        ksft_true(wait_for(lambda: not cfg.nl.fq_get({}, dump=True)), options)


def _sent_by(cfg, guest):
    before = _stats(cfg, guest)
    guest.do(f"send {GOOD} {FRAMES}")
    wait_for(lambda: sum(_stats(cfg, guest).values()) - sum(before.values()) == FRAMES)
    after = _stats(cfg, guest)
    return [name for name in TX_STATS if after[name] - before[name] == FRAMES]


def local(cfg):
    """What is not for the wire does not get there: guests, host, other ports."""
    cfg.setup()
    guest = _lease(cfg)
    sniffer = Sniffer(cfg, guest)
    other = f"naidum{cfg.sim}"
    ip(f"link add {other} type dummy")
    defer(ip, f"link del {other}")
    ip(f"link set dev {other} master {cfg.bridge} up")
    ksft_eq(_sent_by(cfg, guest), ["tx-packets"], "not known")
    ksft_eq(len(sniffer.await_frames(FRAMES)), FRAMES)

    # Of what a user wants to age the bridge does not tell.
    for flags, way in (("dynamic", "tx-packets"), ("static", "tx-tap"),
                       ("permanent", "tx-tap")):
        cmd(f"bridge fdb replace {PEER} dev {other} master {flags}")
        ksft_eq(_sent_by(cfg, guest), [way], flags)
        cmd(f"bridge fdb del {PEER} dev {other} master")
        ksft_eq(_sent_by(cfg, guest), [way], "nowhere any more, " + flags)
    cmd(f"bridge fdb replace {PEER} dev {cfg.ifname} master static")
    ksft_eq(_sent_by(cfg, guest), ["tx-packets"], "behind the port")
    cmd(f"bridge fdb replace {PEER} dev {other} master static")
    ksft_eq(_sent_by(cfg, guest), ["tx-tap"], "moved")
    cmd(f"bridge fdb replace {PEER} dev {cfg.ifname} master static")

    ip(f"link set dev {cfg.bridge} promisc on")
    ksft_eq(_sent_by(cfg, guest), ["tx-tap"], "somebody wants to see all")
    ip(f"link set dev {cfg.bridge} promisc off")
    ksft_eq(_sent_by(cfg, guest), ["tx-packets"])
    cmd(f"bridge fdb del {PEER} dev {cfg.ifname} master")
    ip(f"link set dev {cfg.bridge} address {PEER}")
    ksft_eq(_sent_by(cfg, guest), ["tx-tap"], "the bridge's own")
    guest.check()


def neighbours(cfg):
    """Two guests of one port reach each other, also when the bridge forgot them."""
    cfg.setup()
    second = Guest(cfg)
    cfg.attach(second)
    first = Guest(cfg, "--peer", second.mac)
    cfg.attach(first, tx=True)
    sniffer = Sniffer(cfg, first)
    for i in range(2):
        ksft_eq(_sent_by(cfg, first), ["tx-tap"])
        ksft_true(wait_for(lambda n=i: second.stats()["rx"][0] == (n + 1) * FRAMES),
                  "arrived")
        cmd(f"bridge fdb del {second.mac} dev {second.name} master", fail=False)
    ksft_eq([f for f in sniffer.take() if f[:6] == second.mac], [])
    cfg.detach(second)
    ksft_eq(_sent_by(cfg, first), ["tx-tap"], "remembered")


def _place(cfg, guest):
    """Behind which ports the bridge has a guest's address."""
    shown = cmd(f"bridge -j fdb show br {cfg.bridge}").stdout
    return [entry["ifname"] for entry in json.loads(shown)
            if entry["mac"] == guest.mac]


def _age_fast(cfg, *guests):
    ip(f"link set dev {cfg.bridge} type bridge ageing_time 100")
    for guest in guests:
        cmd(f"bridge fdb del {guest.mac} dev {guest.name} master")
        ksft_eq(_place(cfg, guest), [])


def forgotten(cfg):
    """A station that was silent for long is not taken for one on the wire."""
    cfg.setup()
    second = Guest(cfg, "--peer", PEER)
    first = Guest(cfg, "--peer", second.mac)
    _age_fast(cfg, second)
    cfg.attach(first, tx=True)
    second.do(f"send {BROADCAST} 1")
    ksft_true(wait_for(lambda: _place(cfg, second)), "learned")
    ksft_true(wait_for(lambda: not _place(cfg, second), 10), "forgotten")
    ksft_eq(_sent_by(cfg, first), ["tx-tap"])
    ksft_true(wait_for(lambda: second.stats()["rx"][0] == FRAMES), "arrived")


def shown(cfg):
    """The bridge knows where a guest is whose frames it does not see."""
    cfg.setup()
    guest = _lease(cfg)
    _age_fast(cfg, guest)
    ksft_eq(_sent_by(cfg, guest), ["tx-packets"])
    ksft_true(wait_for(lambda: _place(cfg, guest) == [guest.name]), "known")
    time.sleep(3)
    ksft_eq(_place(cfg, guest), [guest.name], "still")
    cfg.detach(guest)
    ksft_eq(_place(cfg, guest), [])


def order(cfg):
    """What the queue sends does not overtake what the tap was given before."""
    cfg.setup()
    guest = _lease(cfg)
    sniffer = Sniffer(cfg, guest)
    n = 4 * FRAMES
    guest.do(f"send {MIXED} {n}")
    places = {number: i for i, number in enumerate(_numbers(sniffer.await_frames(n)))}
    ksft_eq(len(places), n)
    ksft_eq([number for number in range(1, n, 2)
             if places[number] < places[number - 1]], [], "too early")
    ksft_eq(_stats(cfg, guest)["tx-packets"], n // 2)
    guest.check()


def flipped(cfg):
    """The header changes while it is read: what was judged is what is sent."""
    cfg.setup()
    guest = _lease(cfg)
    sniffer = Sniffer(cfg, guest)
    n = 10 * FRAMES
    guest.do(f"send {FLIPPED} {n}", 60)
    ksft_true(wait_for(lambda: sum(_stats(cfg, guest).values()) == n), "accounted")
    stats = _stats(cfg, guest)
    frames = sniffer.await_frames(stats["tx-packets"])
    ksft_ge(stats["tx-drop-spoof"], 1)
    ksft_ge(stats["tx-packets"], 1)
    ksft_eq(len(frames), stats["tx-packets"])
    ksft_eq([frame for frame in frames if frame[6:12] != sniffer.mac], [])


def full(cfg):
    """A queue that is full keeps frames waiting, in order, and the host is idle."""
    cfg.setup()
    guest = _lease(cfg)
    sniffer = Sniffer(cfg, guest)
    cfg.knob("tx_stall", 1)
    guest.do(f"send {GOOD} 450")
    ksft_true(wait_for(lambda: cfg.stat(guest, "tx-full")), "full")
    before = cfg.stat(guest, "tx-full")
    time.sleep(1)
    ksft_lt(cfg.stat(guest, "tx-full") - before, 300, "looks in a second")
    ksft_eq(sniffer.take(), [])
    cfg.knob("tx_stall", 0)
    ksft_eq(_numbers(sniffer.await_frames(450)), list(range(450)))
    guest.check()


def refused(cfg):
    """What the hardware does not take at once goes out without another frame's help."""
    cfg.setup()
    guest = _lease(cfg)
    sniffer = Sniffer(cfg, guest)
    for n in range(1, 5):
        cfg.knob("tx_refuse", n)
        guest.do(f"send {GOOD} 1")
        ksft_eq(len(sniffer.await_frames(1)), 1, n)
    guest.check()


def stands_still(cfg):
    """A queue that sends nothing for long is given up, and the tap has it all."""
    cfg.setup()
    guest = _lease(cfg)
    sniffer = Sniffer(cfg, guest)
    # Full, and with room for many more.
    for n in (450, 10):
        cfg.knob("tx_stall", 1)
        guest.do(f"send {GOOD} {n}")
        cfg.event("detached-ntf", deadline=20, reason="hardware")
        # What the virtqueue still held.
        left = max(n - 256, 0)
        ksft_ge(len(sniffer.await_frames(left)), left)
        cfg.knob("tx_stall", 0)
        guest.check()
        cfg.await_end(guest)
        cfg.attach(guest, tx=True)


def link_lost(cfg):
    """Without a link nothing waits for one."""
    cfg.setup()
    cfg.need_sim()
    guest = _lease(cfg)
    ip(f"link set dev {cfg.wire} down")
    guest.do(f"send {GOOD} 600")
    # The last of them are in the ring still.
    wait_for(lambda: sum(_stats(cfg, guest).values()) == 600)
    ksft_eq(_stats(cfg, guest)["tx-tap"], 600)
    ip(f"link set dev {cfg.wire} up")
    ksft_true(wait_for(lambda: _sent_by(cfg, guest) == ["tx-packets"]))
    guest.check()


def resets(cfg):
    """Resets while frames go out: each is sent or counted."""
    cfg.setup()
    guest = _lease(cfg, "--echo")
    flood = Flood(cfg, guest)
    for _ in range(RESETS):
        time.sleep(0.05)
        cfg.reset()
    flood.stop()

    def accounted():
        stats = _stats(cfg, guest)
        return sum(stats.values()) == guest.stats()["tx"]

    ksft_true(wait_for(accounted), "sent or counted")
    ksft_ge(_stats(cfg, guest)["tx-packets"], 1)
    cfg.ping(guest, stream=2)
    guest.check()


def _busy(cfg):
    cfg.setup()
    guest = _lease(cfg, "--echo")
    flood = Flood(cfg, guest)
    time.sleep(0.3)
    return guest, flood


def port_goes(cfg):
    """The port is unplugged while frames go out."""
    guest, _ = _busy(cfg)
    cfg.unplug()
    cfg.await_end(guest)
    guest.check()


def lease_goes(cfg):
    """Leases end and begin while frames go out."""
    guest, _ = _busy(cfg)
    for _ in range(RESETS // 5):
        cfg.detach(guest)
        time.sleep(0.02)
        cfg.attach(guest, tx=True)
        time.sleep(0.05)
    ksft_true(wait_for(lambda: _stats(cfg, guest)["tx-packets"]), "goes on")
    guest.check()


def guest_goes(cfg):
    """The guest's process is killed while frames go out."""
    guest, _ = _busy(cfg)
    guest.kill()
    cfg.await_end(guest)


def backend_goes(cfg):
    """Stop and go of either virtqueue: each descriptor has one owner, every time."""
    cfg.setup()
    guest = Guest(cfg, "--tx", "--echo", port=True)
    flood = Flood(cfg, guest)
    told = guest.do(f"toggle {10 * RESETS}", 60 + RESETS)
    ksft_ge(told["attached"], RESETS, "leases")
    if not cfg.ep:
        ksft_true(cfg.counter("fq_tx_frames"), "sent by a queue")
    flood.stop()
    guest.check()


def bridge_goes(cfg):
    """The tap leaves the bridge while frames go out: nothing bypasses it any more."""
    guest, flood = _busy(cfg)
    cfg.detach(guest)
    cfg.attach(guest, tx=True, force=True)
    ip(f"link set dev {guest.name} nomaster")
    before = _stats(cfg, guest)["tx-packets"]
    time.sleep(0.2)
    ksft_lt(_stats(cfg, guest)["tx-packets"] - before, 257, "those under way")
    flood.stop()
    guest.check()


def policies(cfg):
    """What sending would bypass refuses it, and ends it; receiving alone is fine."""
    cfg.setup()
    guest = Guest(cfg)
    for make, undo, said in (
            (f"tc qdisc add dev {cfg.ifname} root handle 1: pfifo",
             f"tc qdisc del dev {cfg.ifname} root", "has qdisc pfifo"),
            (f"bridge link set dev {cfg.ifname} flood off",
             f"bridge link set dev {cfg.ifname} flood on", "floods no unicast"),
            (f"bridge link set dev {guest.name} learning off",
             f"bridge link set dev {guest.name} learning on",
             "does not learn who is there"),
            (f"ip link set dev {cfg.bridge} type bridge ageing_time 0",
             f"ip link set dev {cfg.bridge} type bridge ageing_time 30000",
             "learns no addresses")):
        cmd(make)
        cfg.refuse(guest, errno.EOPNOTSUPP, said, tx=True)
        cfg.attach(guest)
        cfg.detach(guest)
        cmd(undo)
        cfg.attach(guest, tx=True)
        cmd(make)
        cfg.event("detached-ntf", reason="policy")
        cfg.await_end(guest)
        cmd(undo)


def main():
    cfg = NaiEnv(__file__)
    ksft_run([paths, layouts, local, neighbours, forgotten, shown, order, flipped,
              full, refused, stands_still, link_lost, resets, port_goes, lease_goes,
              guest_goes, backend_goes, bridge_goes, policies], args=(cfg, ))
    ksft_exit()


if __name__ == "__main__":
    main()
