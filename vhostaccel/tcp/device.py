# SPDX-License-Identifier: Apache-2.0
"""A network namespace of our own with one TAP device: both go with the process.

The namespace has no name, so there is none to remove: the kernel ends it with the last
process in it, however that ended.
"""

import ctypes
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from vhostaccel.errors import TrafficError
from vhostaccel.guests.plan import Interface
from vhostaccel.tcp.model import MTU, LinkCounts

NAME = "station"
_CLONE_NEWUSER, _CLONE_NEWNET = 0x1000_0000, 0x4000_0000
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_QUEUE_FRAMES = 4096
"""Of the TAP, in front of a wire that takes no more."""
_SETTINGS = {
    # What one trial learnt of the path must not help or hurt the next.
    "ipv4/tcp_no_metrics_save": "1",
    # No router solicitations between the counted frames.
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
}


def leave_network() -> None:
    """Move this process, which has one thread, to an empty network namespace.

    Raises:
        TrafficError: If the kernel refuses.
    """
    uid, gid = os.geteuid(), os.getegid()
    wanted = _CLONE_NEWNET | (_CLONE_NEWUSER if uid else 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(wanted):
        raise TrafficError(
            f"cannot have a network namespace: {os.strerror(ctypes.get_errno())}",
            hint="run as root, or allow user namespaces "
            "(`sysctl kernel.unprivileged_userns_clone=1`)",
        )
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def open_tap() -> int:
    """Make the TAP device and return its descriptor.

    It has no offloads, as none are asked for (TUNSETOFFLOAD): the kernel cuts what it
    sends to the MTU and fills in every checksum, and checks those that it receives.

    Raises:
        TrafficError: If there can be none.
    """
    try:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", NAME.encode(), _IFF_TAP | _IFF_NO_PI)
        fcntl.ioctl(tap, _TUNSETIFF, request)
    except OSError as error:
        raise TrafficError(
            f"cannot make a TAP device: {error.strerror}",
            hint="`modprobe tun`, and see that /dev/net/tun can be written",
        ) from None
    return tap


def set_up(ours: Interface, far: Interface) -> None:
    """Make the device the station that the guest expects on this wire.

    Args:
        ours: the virtual NIC on this wire; its station is what we become.
        far: the guest's other one; what is behind it is reached through the guest.

    Raises:
        TrafficError: If rtnetlink refuses.
    """
    _change_settings()
    with IPRoute() as ip:
        index = ip.link_lookup(ifname=NAME)[0]
        far_net = far.address.rpartition(".")[0] + ".0/24"
        steps: tuple[Callable[[], Any], ...] = (
            lambda: ip.link(
                "set",
                index=index,
                address=ours.station_mac,
                mtu=MTU,
                txqlen=_QUEUE_FRAMES,
            ),
            lambda: ip.link("set", index=index, state="up"),
            # Without a queueing discipline that paces or drops by rules of its own.
            lambda: ip.tc("replace", "pfifo", index, limit=_QUEUE_FRAMES),
            lambda: ip.addr(
                "add", index=index, address=ours.station_address, prefixlen=24
            ),
            lambda: ip.neigh(
                "replace",
                ifindex=index,
                dst=ours.address,
                lladdr=ours.mac,
                state="permanent",
            ),
            lambda: ip.route("replace", dst=far_net, gateway=ours.address),
        )
        try:
            for step in steps:
                step()
        except NetlinkError as error:
            raise TrafficError(
                f"cannot set up the station {ours.station_address}: {error}",
                hint="the kernel needs tun and sch_fifo",
            ) from None


def _change_settings() -> None:
    for setting, value in _SETTINGS.items():
        path = Path("/proc/sys/net") / setting
        try:
            if path.exists():
                path.write_text(value)
        except OSError as error:
            raise TrafficError(
                f"cannot write {value} to {path}: {error.strerror}",
                hint="a container needs a writable /proc/sys/net",
            ) from None


def link_counts() -> LinkCounts:
    """Return what the device has counted."""
    with IPRoute() as ip:
        index = ip.link_lookup(ifname=NAME)[0]
        stats = ip.get_links(index)[0].get_attr("IFLA_STATS64")
    return LinkCounts(
        sent=stats["tx_packets"],
        received=stats["rx_packets"],
        shed=stats["tx_dropped"],
    )
