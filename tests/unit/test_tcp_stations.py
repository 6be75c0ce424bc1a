# SPDX-License-Identifier: Apache-2.0
"""Two stations, each in a network of its own, with a stand-in for the guest between."""

import socket
import struct
import subprocess
import threading
import time
from contextlib import ExitStack, suppress

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from vhostaccel.errors import TrafficError
from vhostaccel.guests.plan import plan_guest
from vhostaccel.tcp.far import RemoteStation
from vhostaccel.tcp.pump import whole_frames
from vhostaccel.traffic.trial import Moments

A, B = plan_guest(0).interfaces


def namespaces_are_allowed():
    argv = (
        "unshare",
        "--net",
        "--map-root-user",
        "ip",
        "tuntap",
        "add",
        "t",
        "mode",
        "tap",
    )
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(
    not namespaces_are_allowed(), reason="no network namespace with a TAP is allowed"
)


class Guest:
    """Forwards between two wires as a router does, but for the TTL."""

    def __init__(self, folder):
        self.paths = (folder / "a", folder / "b")
        self.frames = []
        self._servers = []
        for path in self.paths:
            server = socket.socket(socket.AF_UNIX)
            server.bind(str(path))
            server.listen(1)
            self._servers.append(server)
        self._ends = []
        threading.Thread(target=self._connect, daemon=True).start()

    def close(self):
        for end in (*self._servers, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _connect(self):
        self._ends = [server.accept()[0] for server in self._servers]
        a, b = self._ends
        for came, goes, leaves in ((a, b, B), (b, a, A)):
            threading.Thread(
                target=self._forward, args=(came, goes, leaves), daemon=True
            ).start()

    def _forward(self, came, goes, leaves):
        header = bytes.fromhex((leaves.station_mac + leaves.mac).replace(":", ""))
        rest = b""
        try:
            while data := came.recv(1 << 16):
                stream, used = memoryview(rest + data), 0
                for begins, used in whole_frames(stream):
                    frame = header + bytes(stream[begins + 12 : used])
                    self.frames.append(bytes(stream[begins:used]))
                    goes.sendall(struct.pack(">I", len(frame)) + frame)
                rest = bytes(stream[used:])
        except OSError:
            return


@pytest.fixture
def stations(tmp_path):
    with ExitStack() as stack:
        guest = Guest(tmp_path)
        stack.callback(guest.close)
        a = stack.enter_context(RemoteStation("A", guest.paths[0]))
        b = stack.enter_context(RemoteStation("B", guest.paths[1]))
        yield guest, a, b


def run(a, b, streams):
    a.connect(streams, b.listen(streams))
    begins = time.monotonic_ns() + 300_000_000
    moments = Moments(
        begins_ns=begins, opens_ns=begins + 200_000_000, closes_ns=begins + 700_000_000
    )
    b.start(moments)
    a.start(moments)
    received = b.received()
    return a.sent(), received


def test_streams_pass_as_real_frames_with_valid_checksums(stations):
    guest, a, b = stations
    sent, received = run(a, b, 2)
    assert {one.port for one in sent.streams} == {one.port for one in received.streams}
    assert all(one.octets > 0 for one in received.streams)
    assert max(map(len, guest.frames)) == 1514
    for raw in (guest.frames[0], max(guest.frames, key=len)):
        frame = Ether(raw)
        checksum = frame[TCP].chksum
        del frame[TCP].chksum
        assert Ether(bytes(frame))[TCP].chksum == checksum
    # Once more, on the same stations; and the device has shed nothing.
    run(a, b, 1)
    assert a.counts().shed == 0
    assert b.counts().received > 100


def test_a_lost_wire_is_said(stations):
    guest, a, b = stations
    run(a, b, 1)  # so both wires are accepted
    guest.close()
    time.sleep(1.0)
    with pytest.raises(TrafficError, match="lost its wire"):
        a.counts()
