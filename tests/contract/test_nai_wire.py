# SPDX-License-Identifier: Apache-2.0
"""Messages of the family nai, byte for byte, and what a refusal becomes."""

import errno
import os
import struct
import sys

import pytest
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import GenericNetlinkSocket
from pyroute2.netlink.generic.ethtool import ethtool_rings_msg
from pyroute2.netlink.marshal import Marshal

from vhostaccel.errors import NaiError, SetupError
from vhostaccel.nai.client import KernelNai
from vhostaccel.nai.events import KernelEvents
from vhostaccel.nai.family import Congestion, DetachReason, FqMessage, FqState, Mode
from vhostaccel.nai.model import Attached, Client, EventKind, Port

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="bytes are x86's")

FAMILY_ID = 33
ERROR, DONE, MULTI = 2, 3, 2


def attribute(number, payload):
    length = 4 + len(payload)
    return struct.pack("<HH", length, number) + payload + bytes(-length % 4)


def u32(number, value):
    return attribute(number, struct.pack("<I", value))


def netlink(kind, body, flags=0):
    return struct.pack("<IHHII", 16 + len(body), kind, flags, 7, 0) + body


def answer(command, *attributes, flags=0):
    body = struct.pack("<BBH", command, 1, 0) + b"".join(attributes)
    return netlink(FAMILY_ID, body, flags)


def refusal(code, said):
    # The kernel sends the request back, here its header alone, and then its sentence.
    request = struct.pack("<IHHII", 16, FAMILY_ID, 0, 7, 0)
    text = attribute(1, said.encode() + b"\0")
    return netlink(ERROR, struct.pack("<i", -code) + request + text, 0x200)


class Wire:
    """A socket whose answers are bytes, read by pyroute2 as the kernel's would be."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []
        self.marshal = Marshal()
        self.prid = FAMILY_ID
        self.missing = False
        self.closed = False

    def bind(self, family, kind):
        assert family == "nai"
        if self.missing:
            raise NetlinkError(errno.ENOENT, "No such file or directory")
        self.marshal.msg_map[FAMILY_ID] = kind

    def register_policy(self, number, kind):
        self.marshal.msg_map[number] = kind

    def nlm_request(self, message, kind, flags):
        message["header"]["type"] = kind
        message["header"]["flags"] = flags
        message["header"]["sequence_number"] = 7
        message.encode()
        self.sent.append(bytes(message.data))
        found = []
        for received in self.marshal.parse(self.answers.pop(0)):
            if received["header"].get("error") is not None:
                raise received["header"]["error"]
            if received["header"]["type"] not in (ERROR, DONE):
                found.append(received)
        return tuple(found)

    def close(self):
        self.closed = True


def test_attach_is_these_bytes():
    wire = Wire(answer(4, u32(1, 5), u32(3, 2), u32(6, 0)))
    attached = KernelNai(lambda: wire).attach(
        tap_ifindex=9, tap_queue=0, port_ifindex=2, mac="52:54:00:00:00:01", force=True
    )
    assert attached == Attached(id=5, port_queue=2, mode=Mode.COPY)
    assert wire.sent == [
        netlink(
            FAMILY_ID,
            bytes((4, 1, 0, 0))
            + bytes.fromhex("0800 0400 09000000")  # tap-ifindex
            + bytes.fromhex("0800 0500 00000000")  # tap-queue
            + bytes.fromhex("0800 0200 02000000")  # port-ifindex
            + bytes.fromhex("0800 0600 00000000")  # mode
            + bytes.fromhex("0a00 0700 525400000001 0000")  # mac, padded
            + bytes.fromhex("0400 0e00"),  # force, a flag
            flags=1,
        )
    ]


def test_detach_is_these_bytes():
    wire = Wire(netlink(ERROR, struct.pack("<i", 0) + bytes(16)))
    KernelNai(lambda: wire).detach(tap_ifindex=9, tap_queue=1)
    body = bytes((5, 1, 0, 0)) + bytes.fromhex("0800040009000000 0800050001000000")
    assert wire.sent == [netlink(FAMILY_ID, body, flags=5)]


def test_ports_and_clients_are_read_from_dumps():
    port = (u32(1, 2), attribute(2, b"igb\0"), u32(3, 7), u32(4, 1), u32(5, 512))
    with_lease = (u32(1, 9), u32(2, 0), u32(3, 5), u32(4, 0), u32(6, 321))
    without = (u32(1, 10), u32(2, 1), u32(4, 3), u32(5, 4), u32(6, 322))
    done = netlink(DONE, struct.pack("<i", 0), MULTI)
    wire = Wire(
        answer(1, *port, u32(6, 1518), flags=MULTI) + done,
        answer(2, *with_lease, flags=MULTI) + answer(2, *without, flags=MULTI) + done,
    )
    nai = KernelNai(lambda: wire)
    assert nai.ports() == (
        Port(
            ifindex=2, driver="igb", max_queues=7, leased=1, depth=512, max_frame=1518
        ),
    )
    assert nai.clients() == (
        Client(
            tap_ifindex=9, tap_queue=0, lease=5, fallbacks=0, last_reason=None, pid=321
        ),
        Client(
            tap_ifindex=10,
            tap_queue=1,
            lease=None,
            fallbacks=3,
            last_reason=DetachReason.POLICY,
            pid=322,
        ),
    )
    assert [message[17:19] for message in wire.sent] == [b"\x01\0", b"\x01\0"]
    assert [message[16] for message in wire.sent] == [1, 2]


def lease_attributes(stats):
    plain = ((1, 5), (2, 2), (3, 1), (4, 9), (5, 0), (6, 0))
    rest = ((8, 2), (9, 1), (10, 512), (11, 40), (12, 64), (13, 256))
    return (
        *(u32(number, value) for number, value in plain),
        attribute(7, bytes.fromhex("525400000001")),
        *(u32(number, value) for number, value in rest),
        attribute(16 | 0x8000, b"".join(stats)),
    )


OF_ALL = (*range(2, 17), 26)
OF_SEED = range(27, 31)


def counters(*more, skip=()):
    wide = {2: struct.pack("<Q", 1 << 40)}  # kernels pad to 8 bytes only where needed
    return [
        attribute(number, wide.get(number, struct.pack("<I", number)))
        for number in (*OF_ALL, *more)
        if number not in skip
    ]


def test_a_lease_has_counters_of_four_and_of_eight_bytes():
    wire = Wire(answer(3, *lease_attributes(counters())))
    (lease,) = KernelNai(lambda: wire).leases()
    assert (lease.id, lease.mac, lease.depth) == (5, "52:54:00:00:00:01", 512)
    assert (lease.state, lease.congestion) == (FqState.PAUSED, Congestion.LOW)
    assert lease.stats.rx_packets == 1 << 40
    assert lease.stats.rx_bytes == 3
    assert lease.stats.rx_hw_drop_overruns == 5
    assert lease.stats.resets == 16
    assert (lease.seed, lease.stats.rx_seeded) == (None, None)


def test_a_lease_of_mode_seed_tells_how_it_works_and_what_it_holds():
    seeded = (u32(19, 1), u32(20, 0), u32(21, 983040))
    wire = Wire(answer(3, *lease_attributes(counters(*OF_SEED)), *seeded))
    (lease,) = KernelNai(lambda: wire).leases()
    assert str(lease.seed) == "960 KiB pinned"
    assert (lease.stats.rx_seeded, lease.stats.seed_rewound) == (27, 30)


def test_a_lease_of_mode_seed_that_copies_says_why():
    copies = (u32(19, 0), u32(20, 4), u32(21, 0))
    wire = Wire(answer(3, *lease_attributes(counters(*OF_SEED)), *copies))
    (lease,) = KernelNai(lambda: wire).leases()
    assert str(lease.seed) == "copies (memlock)"


def test_hardware_that_cannot_count_drops_has_none_of_them():
    wire = Wire(answer(3, *lease_attributes(counters(skip={5}))))
    (lease,) = KernelNai(lambda: wire).leases()
    assert lease.stats.rx_hw_drop_overruns is None


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lease_attributes(counters(skip={13})), id="no counter"),
        pytest.param(lease_attributes(counters())[1:], id="no id"),
        pytest.param((u32(8, 99), *lease_attributes(counters())), id="unknown state"),
    ],
)
def test_a_module_of_another_version_is_told(broken):
    wire = Wire(answer(3, *broken))
    nai = KernelNai(lambda: wire)
    with pytest.raises(NaiError, match="not of this version"):
        nai.leases()


def test_the_kernels_sentence_reaches_the_user():
    wire = Wire(refusal(errno.EBUSY, "this queue of the tap has a lease already"))
    with pytest.raises(NaiError, match="has a lease already") as raised:
        KernelNai(lambda: wire).detach(tap_ifindex=9, tap_queue=0)
    assert raised.value.code == errno.EBUSY


def test_a_refusal_without_a_sentence_has_the_errors_own_words():
    bare = netlink(ERROR, struct.pack("<i", -errno.EPERM) + bytes(16))
    with pytest.raises(NaiError, match="Operation not permitted") as raised:
        KernelNai(lambda: Wire(bare)).detach(tap_ifindex=9, tap_queue=0)
    assert "sudo" in raised.value.hint


def test_a_socket_that_fails_is_an_error_and_no_bug(monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    wire = Wire()
    monkeypatch.setattr(wire, "nlm_request", fail)
    with pytest.raises(NaiError, match="netlink failed on port-get: No buffer space"):
        KernelNai(lambda: wire).ports()


def test_no_family_is_the_module_that_is_not_loaded():
    wire = Wire()
    wire.missing = True
    with pytest.raises(SetupError, match="nai is not loaded") as raised:
        KernelNai(lambda: wire)
    assert "modprobe nai" in raised.value.hint
    assert wire.closed


class Listener(Wire):
    """A socket that hands out datagrams, readable by way of a pipe."""

    def __init__(self, readable, *datagrams):
        super().__init__()
        self.readable = readable
        self.datagrams = list(datagrams)
        self.marshal.msg_map[FAMILY_ID] = FqMessage

    def fileno(self):
        return self.readable.fileno()

    def recv(self, _):
        datagram = self.datagrams.pop(0)
        if isinstance(datagram, OSError):
            raise datagram
        return datagram


def test_events_are_read_one_by_one_and_lost_ones_are_told(tmp_path):
    attached = answer(6, u32(1, 5), u32(2, 2), u32(4, 9), u32(5, 0), u32(6, 0))
    detached = answer(7, u32(1, 5), u32(4, 9), u32(15, 2), u32(9, 1))
    with (tmp_path / "always-readable").open("w+b") as readable:
        lost = OSError(errno.ENOBUFS, "No buffer space available")
        events = KernelEvents(Listener(readable, attached + detached, lost))
        first, second, third = (events.wait(0) for _ in range(3))
    assert first is not None
    assert first.kind is EventKind.ATTACHED
    assert (first.id, first.tap_ifindex, first.mode) == (5, 9, Mode.COPY)
    assert second is not None
    assert second.kind is EventKind.DETACHED
    assert second.reason is DetachReason.PORT_GONE
    assert third is not None
    assert third.kind is EventKind.MISSED


def test_waiting_for_an_event_ends_in_time(tmp_path):
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as nothing, os.fdopen(writer, "wb"):
        assert KernelEvents(Listener(nothing)).wait(0.01) is None


def test_this_pyroute2_hands_on_a_real_kernels_sentence():
    """The same road with a family that every kernel has."""
    kernel = GenericNetlinkSocket(ext_ack=True)
    try:
        try:
            kernel.bind("ethtool", ethtool_rings_msg)
        except NetlinkError:
            pytest.skip("this kernel has no family ethtool")
        request = ethtool_rings_msg()
        request["cmd"], request["version"] = 15, 1
        name = [["ETHTOOL_A_HEADER_DEV_NAME", "nosuchdev0"]]
        request["attrs"] = [("ETHTOOL_A_RINGS_HEADER", {"attrs": name})]
        with pytest.raises(NetlinkError, match="no device matches name"):
            kernel.nlm_request(request, kernel.prid, 1)
    finally:
        kernel.close()
