#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How leases are asked for, given, refused and ended by request."""

import ctypes
import errno
import os
import time
from functools import partial

from lib.py import (
    KsftSkipEx,
    NlError,
    cmd,
    defer,
    ip,
    ksft_eq,
    ksft_exit,
    ksft_ge,
    ksft_run,
    ksft_true,
)
from nai_env import Guest, NaiEnv, refused, wait_for


def attach_detach(cfg):
    """A lease begins and ends, and the guest has its frames all along."""
    cfg.setup()
    guest = Guest(cfg, "--echo")
    cfg.ping(guest)

    lease = cfg.attach(guest)
    ksft_eq(lease["mode"], "copy")
    told = cfg.event("attached-ntf", id=lease["id"])
    ksft_eq(told.get("tap-ifindex"), guest.ifindex)
    ksft_eq(told.get("port-ifindex"), cfg.ifindex)
    ksft_eq(told.get("mac"), guest.mac)

    cfg.ping(guest)
    fq = cfg.fq(guest)
    ksft_eq(fq["id"], lease["id"])
    ksft_eq(fq["state"], "running")
    ksft_eq(fq["congestion"], "normal")
    ksft_eq(fq["stats"]["rx-packets"], 20)
    ksft_eq(fq["stats"]["rx-bytes"], 20 * 100)
    ksft_eq(cfg.client(guest)["fq-id"], lease["id"])

    cfg.detach(guest)
    cfg.event("detached-ntf", id=lease["id"], reason="requested")
    ksft_eq(cfg.fq(guest), None)
    ksft_eq(cfg.client(guest)["fallbacks"], 0)
    cfg.ping(guest)
    ksft_eq(guest.check()["rx"][0], 60)


def ports_and_clients(cfg):
    """What is there is listed, with what is on lease."""
    cfg.setup()
    guest = Guest(cfg)

    def port():
        return next(port for port in cfg.nl.port_get({}, dump=True)
                    if port["ifindex"] == cfg.ifindex)

    before = port()
    ksft_ge(before["max-queues"], 1)
    ksft_ge(before["depth"], 16)
    ksft_ge(before["max-frame"], 1514)
    ksft_eq(before["leased"], 0)
    client = cfg.client(guest)
    ksft_eq(client["tap-queue"], 0)
    ksft_eq(client["pid"], guest.proc.pid)
    ksft_true("fq-id" not in client)
    cfg.attach(guest)
    ksft_eq(port()["leased"], 1)
    guest.end()
    ksft_true(wait_for(lambda: not port()["leased"]), "given back")
    ksft_eq(cfg.client(guest), None)


def marks(cfg):
    """The marks of the level have defaults and an order."""
    cfg.setup()
    guest = Guest(cfg)
    cfg.attach(guest)
    fq = cfg.fq(guest)
    ksft_eq((fq["low"], fq["high"]), (fq["depth"] // 8, fq["depth"] // 2))
    cfg.detach(guest)
    cfg.attach(guest, low=3, high=7)
    fq = cfg.fq(guest)
    ksft_eq((fq["low"], fq["high"]), (3, 7))
    cfg.detach(guest)
    cfg.refuse(guest, errno.EINVAL, "not: low 7 < high 7", low=7, high=7)
    cfg.refuse(guest, errno.EINVAL, "<= depth", high=fq["depth"] + 1)


def refused_names(cfg):
    """Tap, port and what is missing in a request."""
    cfg.setup()
    guest = Guest(cfg)
    cfg.refuse(guest, errno.ENOENT, "no vhost backend is set for this queue",
               **{"tap-queue": 1})
    bridge = ip(f"link show dev {cfg.bridge}", json=True)[0]["ifindex"]
    cfg.refuse(guest, errno.ENODEV, "no driver lends frame queues of this port",
               **{"port-ifindex": bridge})
    for request in ({}, {"tap-ifindex": guest.ifindex}):
        refused(partial(cfg.nl.attach, request), errno.EINVAL)
    refused(partial(cfg.detach, guest), errno.ENOENT, "has no lease")


def refused_rights(cfg):
    """Only who may change the network may lease."""
    cfg.setup()
    guest = Guest(cfg)
    child = os.fork()
    if not child:
        os.setuid(65534)
        try:
            cfg.attach(guest)
            os._exit(1)
        except NlError as e:
            os._exit(0 if e.nl_msg.error == -errno.EPERM else 2)
    ksft_eq(os.waitpid(child, 0)[1], 0)
    ksft_eq(cfg.fq(guest), None)


def refused_macs(cfg):
    """Addresses that are not the guest's alone; force does not help."""
    cfg.setup()
    guest, other = Guest(cfg), Guest(cfg)
    own = ip(f"link show dev {cfg.ifname}", json=True)[0]["address"]
    bridge = ip(f"link show dev {cfg.bridge}", json=True)[0]["address"]
    if bridge == own:
        bridge = "02:00:00:00:00:77"
        ip(f"link set dev {cfg.bridge} address {bridge}")
    for mac, sentence in (("01:00:5e:00:00:01", "is not a unicast address"),
                          ("00:00:00:00:00:00", "is not a unicast address"),
                          (own, f"is port {cfg.ifname}'s own"),
                          (bridge, f"is bridge {cfg.bridge}'s own")):
        for terms in ({}, {"force": True}):
            cfg.refuse(guest, errno.EINVAL, sentence,
                       mac=mac.replace(":", ""), **terms)
    cfg.attach(other)
    cfg.refuse(guest, errno.EBUSY, f"is already leased to {other.name}",
               mac=other.mac.replace(":", ""))
    cfg.attach(guest)
    refused(partial(cfg.attach, guest), errno.EBUSY, "has a lease already")


def refused_place(cfg):
    """The bridge knows the address behind another port."""
    cfg.setup()
    guest = Guest(cfg)
    mac = "02:00:00:00:12:34"
    cmd(f"bridge fdb add {mac} dev {cfg.ifname} master static")
    cfg.refuse(guest, errno.EOPNOTSUPP, f"is behind {cfg.ifname}, not tap",
               mac=mac.replace(":", ""))


def refused_bridge(cfg):
    """What the bridge would not do with the frames."""
    cfg.setup()
    guest = Guest(cfg)
    tap, port, bridge = guest.name, cfg.ifname, cfg.bridge

    def policy(command, sentence, undo):
        ip(command)
        cfg.refuse(guest, errno.EOPNOTSUPP, sentence)
        cfg.attach(guest, force=True)
        cfg.detach(guest)
        ip(undo)
        cfg.attach(guest)
        cfg.detach(guest)

    policy(f"link set dev {bridge} type bridge vlan_filtering 1",
           "filters VLAN 2 on the way to tap",
           f"link set dev {bridge} type bridge vlan_filtering 0")
    for dev in (tap, port):
        policy(f"link set dev {dev} type bridge_slave locked on",
               "is a locked bridge port",
               f"link set dev {dev} type bridge_slave locked off")
    ip(f"link set dev {port} type bridge_slave isolated on")
    policy(f"link set dev {tap} type bridge_slave isolated on",
           "are isolated from each other",
           f"link set dev {tap} type bridge_slave isolated off")
    for dev in (tap, port):
        # By `ip link` the port would be enabled again at once.
        cmd(f"bridge link set dev {dev} state 0")
        cfg.refuse(guest, errno.EOPNOTSUPP,
                   f"bridge {bridge} does not forward from port {port} to tap {tap}")
        cmd(f"bridge link set dev {dev} state 3")
    for dev, what in ((bridge, "bridge"), (tap, "tap")):
        policy(f"link set dev {dev} down", f"{what} {dev} is down",
               f"link set dev {dev} up")
    policy(f"link set dev {tap} nomaster", "are not ports of the same bridge",
           f"link set dev {tap} master {bridge}")


def refused_mtu(cfg):
    """A frame that the bridge passes and the queue does not."""
    cfg.setup()
    guest = Guest(cfg)
    ip(f"link set dev {cfg.ifname} mtu 1600")
    defer(ip, f"link set dev {cfg.ifname} mtu 1500")
    ip(f"link set dev {guest.name} mtu 1600")
    cfg.refuse(guest, errno.EOPNOTSUPP, "MTU 1600 is above the")


def refused_tc(cfg):
    """Queueing and filters of traffic control."""
    cfg.setup()
    guest = Guest(cfg)

    def policy(add, sentence, delete):
        cmd("tc " + add)
        cfg.refuse(guest, errno.EOPNOTSUPP, sentence)
        cfg.attach(guest, force=True)
        cfg.detach(guest)
        cmd("tc " + delete)

    policy(f"qdisc add dev {guest.name} root handle 1: pfifo",
           f"tap {guest.name} has qdisc pfifo",
           f"qdisc del dev {guest.name} root")
    for dev, what in ((guest.name, "tap"), (cfg.ifname, "port")):
        policy(f"qdisc add dev {dev} clsact",
               f"{what} {dev} has tc ",
               f"qdisc del dev {dev} clsact")
    cfg.attach(guest)


def _load_xdp(path):
    """Pin a program that passes everything."""
    bpf = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    code = (ctypes.c_uint64 * 2)(0x00000002000000b7, 0x95)
    attr = (ctypes.c_uint64 * 16)()
    attr[0] = 6 | 2 << 32		# BPF_PROG_TYPE_XDP, two instructions
    attr[1] = ctypes.addressof(code)
    license_text = ctypes.create_string_buffer(b"GPL")
    attr[2] = ctypes.addressof(license_text)
    fd = libc.syscall(bpf, 5, ctypes.byref(attr), ctypes.sizeof(attr))
    if fd < 0:
        raise KsftSkipEx("cannot load an XDP program")
    name = ctypes.create_string_buffer(path.encode())
    pin = (ctypes.c_uint64 * 2)(ctypes.addressof(name), fd)
    ret = libc.syscall(bpf, 6, ctypes.byref(pin), ctypes.sizeof(pin))
    os.close(fd)
    if ret:
        raise KsftSkipEx("cannot pin an XDP program")


def refused_xdp(cfg):
    """Programs that would not see the frames."""
    cfg.setup()
    guest = Guest(cfg)
    if not os.path.ismount("/sys/fs/bpf"):
        cmd("mount -t bpf none /sys/fs/bpf")
    pinned = f"/sys/fs/bpf/nai{os.getpid()}"
    _load_xdp(pinned)
    defer(os.unlink, pinned)
    for dev, what in ((guest.name, "tap"), (cfg.ifname, "port")):
        ip(f"link set dev {dev} xdpgeneric pinned {pinned}")
        cfg.refuse(guest, errno.EOPNOTSUPP, f"{what} {dev} has an XDP program")
        ip(f"link set dev {dev} xdpgeneric off")
    cfg.attach(guest)


def refused_netfilter(cfg):
    """Rules on the devices, and on bridged frames."""
    cfg.setup()
    guest = Guest(cfg)
    if cmd("nft -v", fail=False).ret:
        raise KsftSkipEx("needs nft")

    def policy(table, chain, sentence):
        cmd(f"nft add table {table} nai")
        cmd(f"nft 'add chain {table} nai c {{ {chain} }}'")
        cfg.refuse(guest, errno.EOPNOTSUPP, sentence)
        cmd(f"nft delete table {table} nai")

    for dev, what, hook in ((guest.name, "tap", "ingress"),
                            (guest.name, "tap", "egress"),
                            (cfg.ifname, "port", "ingress")):
        policy("netdev",
               f"type filter hook {hook} device {dev} priority 0;",
               f"{what} {dev} has netfilter {hook} rules")
    for hook in ("prerouting", "forward", "postrouting"):
        policy("bridge", f"type filter hook {hook} priority 0;",
               "nf_tables filters bridged frames")
    cfg.attach(guest)


def refused_by_port(cfg):
    """Each step that the driver can refuse, undone."""
    cfg.setup(queues=1)
    cfg.need_sim()
    guest, other = Guest(cfg, "--echo"), Guest(cfg)
    for knob, error, sentence in (
            ("fail_fq_alloc", errno.ENOMEM, "The port was told to fail"),
            ("fail_fq_start", errno.EIO, "could not start the frame queue"),
            ("fail_map", errno.ENOSPC, "MAC filters are all in use")):
        cfg.knob(knob)
        cfg.refuse(guest, error, sentence)
        ksft_eq(cfg.left(knob), 0)
        cfg.ping(guest, 3)
    cfg.attach(guest)
    cfg.refuse(other, errno.ENOSPC, "all 1 frame queues of port")
    cfg.ping(guest, 3)
    guest.check()


def policy_later(cfg):
    """A lease ends when the host begins to filter; a forced one does not."""
    cfg.setup()
    guest, forced = Guest(cfg, "--echo"), Guest(cfg)
    cfg.attach(guest)
    cfg.attach(forced, force=True)
    for dev in (guest.name, forced.name):
        cmd(f"tc qdisc add dev {dev} root handle 1: pfifo")
    cfg.event("detached-ntf", reason="policy")
    ksft_eq(cfg.fq(guest), None)
    client = cfg.client(guest)
    ksft_eq((client["fallbacks"], client["last-reason"]), (1, "policy"))
    time.sleep(2.5)
    ksft_true(cfg.fq(forced), "a forced lease stays")
    cfg.ping(guest)


def namespaces(cfg):
    """What is in another namespace is not seen from here."""
    cfg.need_sim()
    cfg.setup()
    guest = Guest(cfg)
    cmd("ip netns add naitest")
    defer(cmd, "ip netns del naitest")
    cfg.attach(guest)
    ip(f"link set dev {guest.name} netns naitest")
    cfg.event("detached-ntf", reason="tap-gone")
    refused(partial(cfg.attach, guest), errno.ENOENT)


def main():
    cfg = NaiEnv(__file__)
    ksft_run([attach_detach, ports_and_clients, marks, refused_names,
              refused_rights, refused_macs, refused_place, refused_bridge,
              refused_mtu, refused_tc, refused_xdp, refused_netfilter,
              refused_by_port, policy_later, namespaces], args=(cfg, ))
    ksft_exit()


if __name__ == "__main__":
    main()
