# SPDX-License-Identifier: Apache-2.0
"""Pings from the host under test to a guest: the path that always leads through the tap.

Runs inside the host under test, perhaps under emulation: the standard library only.
ICMP echo: RFC 792; the checksum: RFC 1071.
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Mapping

from vhostaccel.observe.sample import Pings

_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_IP_HEADER_BYTES = 20
_ANSWER_S = 1.0


class Pinger:
    """Pings one address at a steady pace until it is told to end.

    Args:
        address: the guest's IPv4 address.
        every_s: from one request to the next [s].
        device: the bridge to send through.
    """

    def __init__(self, address: str, every_s: float, device: str) -> None:
        self._address = address
        self._every_s = every_s
        self._sent_ns: dict[int, int] = {}
        self._rtts_ns: list[int] = []
        self._ended = threading.Event()
        self._socket = socket.socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP
        )
        self._socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode()
        )
        # Tells our answers from those of another pinger of this process or the next.
        self._id = (self._socket.fileno() & 0xFF) << 8 | os.getpid() & 0xFF
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop_asking(self) -> None:
        """Send no more."""
        self._ended.set()

    def end(self) -> Pings:
        """Send no more, wait a little for what is out, and return what came back."""
        self.stop_asking()
        self._thread.join()
        self._socket.close()
        return Pings(asked=len(self._sent_ns), rtts_ns=tuple(self._rtts_ns))

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            self._send(len(self._sent_ns))
            due += self._every_s
            while (left := due - time.monotonic()) > 0 and not self._ended.is_set():
                self._receive(min(left, 0.1))
        give_up = time.monotonic() + _ANSWER_S
        while self._is_owed() and (left := give_up - time.monotonic()) > 0:
            self._receive(left)

    def _send(self, sequence: int) -> None:
        request = struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, self._id, sequence)
        request = struct.pack(
            "!BBHHH", _ECHO_REQUEST, 0, checksum(request), self._id, sequence
        )
        self._sent_ns[sequence] = time.monotonic_ns()
        try:
            self._socket.sendto(request, (self._address, 0))
        except OSError:
            # No neighbour answered, or the queue is full: as good as lost.
            return

    def _receive(self, timeout_s: float) -> None:
        self._socket.settimeout(timeout_s)
        try:
            packet = self._socket.recv(2048)
        except OSError:
            return
        now = time.monotonic_ns()
        header = packet[_IP_HEADER_BYTES : _IP_HEADER_BYTES + 8]
        kind, _, _, identity, sequence = struct.unpack("!BBHHH", header)
        if (kind, identity) == (_ECHO_REPLY, self._id) and sequence in self._sent_ns:
            self._rtts_ns.append(now - self._sent_ns[sequence])

    def _is_owed(self) -> bool:
        return len(self._rtts_ns) < len(self._sent_ns)


class Pingers:
    """A pinger for each of several targets.

    Args:
        targets: address and bridge, by tap.
        every_s: from one request to the next [s].
    """

    def __init__(self, targets: Mapping[str, tuple[str, str]], every_s: float) -> None:
        self._pingers = {
            tap: Pinger(address, every_s, bridge)
            for tap, (address, bridge) in targets.items()
        }

    def end(self) -> dict[str, Pings]:
        """Send no more, and return what came back, by tap."""
        for pinger in self._pingers.values():
            pinger.stop_asking()
        return {tap: pinger.end() for tap, pinger in self._pingers.items()}


def checksum(data: bytes) -> int:
    """Return the Internet checksum of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total
