# SPDX-License-Identifier: Apache-2.0
"""Broadcasts on the bridges, as a host with many neighbours has them."""

import socket
import time
from collections.abc import Sequence
from pathlib import Path

from vhostaccel.errors import LabError

RATE = 500
"""Frames per second on each bridge."""
_ETH_P_ARP = 0x0806
_ASKED = "198.51.100.1"
"""Nobody has it: TEST-NET-2, RFC 5737."""
_ASKING = "198.51.100.2"


def broadcast(bridges: Sequence[str], seconds: float) -> int:
    """Ask on every bridge who has an address that nobody has.

    Returns:
        The frames sent, all bridges together.

    Raises:
        LabError: If a bridge takes none.
    """
    ends: list[tuple[socket.socket, bytes]] = []
    try:
        for bridge in bridges:
            address = (Path("/sys/class/net") / bridge / "address").read_text().strip()
            end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            ends.append((end, request(address)))
            end.bind((bridge, _ETH_P_ARP))
        return _send(ends, seconds)
    except OSError as error:
        raise LabError(
            f"cannot broadcast on {', '.join(bridges)}: {error}",
            hint="run as root; are the bridges up?",
        ) from None
    finally:
        for end, _ in ends:
            end.close()


def request(mac: str) -> bytes:
    """Return an ARP request of this address, broadcast."""
    own = bytes.fromhex(mac.replace(":", ""))
    kind = b"\x00\x01\x08\x00\x06\x04\x00\x01"  # Ethernet, IPv4, request
    asking, asked = socket.inet_aton(_ASKING), socket.inet_aton(_ASKED)
    frame = b"\xff" * 6 + own + _ETH_P_ARP.to_bytes(2, "big") + kind
    return (frame + own + asking + bytes(6) + asked).ljust(60, b"\0")


def _send(ends: Sequence[tuple[socket.socket, bytes]], seconds: float) -> int:
    started, turns = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < seconds:
        for _ in range(int(elapsed * RATE) + 1 - turns):
            for end, frame in ends:
                end.send(frame)
            turns += 1
        time.sleep(1 / RATE)
    return turns * len(ends)
