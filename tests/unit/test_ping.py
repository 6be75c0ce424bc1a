# SPDX-License-Identifier: Apache-2.0
import time

import pytest

from vhostaccel.observe.ping import Pinger, checksum


def test_checksum_is_the_one_of_rfc_1071():
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


def pinged(address, seconds):
    """Ping over loopback for some time, and return what came back."""
    try:
        pinger = Pinger(address, 0.01, "lo")
    except PermissionError:
        pytest.skip("raw sockets need root")
    time.sleep(seconds)
    return pinger.end()


def test_every_ping_to_loopback_is_answered_once():
    pings = pinged("127.0.0.1", 0.2)
    assert 5 <= pings.asked == len(pings.rtts_ns)
    assert all(0 < rtt < 1_000_000_000 for rtt in pings.rtts_ns)


def test_an_address_that_answers_nothing_loses_every_ping():
    pings = pinged("192.0.2.1", 0.05)
    assert pings.asked > 0
    assert pings.rtts_ns == ()
