# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.factories import make_direction
from vhostaccel.observe.ledger import ledgers
from vhostaccel.observe.point import Ledger
from vhostaccel.observe.sample import GuestCounts, LeaseCounts, NetdevCounts, Sample
from vhostaccel.scenario.model import GuestSpec
from vhostaccel.traffic.trial import DirectionResult, TrialResult

NICS = ("eth0", "eth1")
# What happened on the way from A to B, with a different number in every place.
SENT, NIC, BRIDGE, TAP, GUEST_IN, GUEST_IP, GUEST_OUT, TAP_RETURN, NIC_TX = (
    100_000, 30_000, 7, 20_000, 11, 13, 17, 19, 23,
)  # fmt: skip
DELIVERED = SENT - NIC - BRIDGE - TAP - GUEST_IN - GUEST_IP - GUEST_OUT - 19 - 23


def counts(**moved: int) -> NetdevCounts:
    zero = dict.fromkeys(NetdevCounts.__dataclass_fields__, 0)
    return NetdevCounts(**{**zero, **moved})


def make_sample(
    netdevs: Mapping[str, NetdevCounts],
    guests: Mapping[str, GuestCounts | None],
    softnet: tuple[int, ...] = (0, 0),
    leases: Mapping[str, LeaseCounts] | None = None,
) -> Sample:
    return Sample(
        at_ns=0,
        netdevs=dict(netdevs),
        softnet_dropped=softnet,
        softnet_squeezed=(0, 0),
        cpu_ticks={},
        threads={},
        idle_ns=0,
        timer_late_worst_ns=0,
        interrupts={},
        kvm={},
        guests=dict(guests),
        leases=dict(leases or {}),
        guests_at_ns=0,
    )


def make_trial(a_to_b: DirectionResult, b_to_a: DirectionResult) -> TrialResult:
    return TrialResult(
        a_to_b=a_to_b,
        b_to_a=b_to_a,
        flood_s=8.0,
        window_s=6.0,
        drain_s=1.0,
        drained=True,
    )


def make_result(sent: int, collected: int, duplicated: int = 0) -> DirectionResult:
    return replace(
        make_direction(),
        sent_count=sent,
        collected_count=collected + duplicated,
        duplicated_count=duplicated,
    )


def one_way() -> tuple[dict[str, NetdevCounts], GuestCounts]:
    """All counters after a flood from A to B, as a kernel would count it."""
    at_nic = SENT - NIC
    at_tap = at_nic - BRIDGE
    in_guest = at_tap - TAP
    to_ip = in_guest - GUEST_IN
    to_nic = to_ip - GUEST_IP
    out = to_nic - GUEST_OUT
    netdevs = {
        "eth0": counts(rx_packets=at_nic, rx_dropped=BRIDGE),
        "eth1": counts(tx_packets=DELIVERED, tx_dropped=NIC_TX),
        "nfv0-0": counts(tx_packets=in_guest, tx_dropped=TAP),
        "nfv0-1": counts(rx_packets=out - TAP_RETURN, rx_dropped=TAP_RETURN),
    }
    guest = GuestCounts(
        interfaces=(
            counts(rx_packets=in_guest, rx_dropped=GUEST_IN),
            counts(tx_packets=out, tx_dropped=GUEST_OUT),
        ),
        ip_forwarded=to_nic,
        ip_dropped=GUEST_IP,
        boot=1,
    )
    return netdevs, guest


ZERO = {name: counts() for name in ("eth0", "eth1", "nfv0-0", "nfv0-1")}
IDLE_GUEST = GuestCounts(
    interfaces=(counts(), counts()), ip_forwarded=0, ip_dropped=0, boot=1
)
SILENT = make_result(0, 0)


def ledger_of(
    netdevs: dict[str, NetdevCounts],
    guest: GuestCounts | None,
    *,
    sent: int = SENT,
    softnet: tuple[int, ...] = (0, 0),
) -> tuple[Ledger, Ledger]:
    return ledgers(
        make_sample(ZERO, {"nfv0": IDLE_GUEST}, (0xFFFFFFFF, 0)),
        make_sample(
            netdevs, {"nfv0": guest}, ((0xFFFFFFFF + softnet[0]) % (1 << 32), 0)
        ),
        make_trial(make_result(sent, DELIVERED), SILENT),
        NICS,
        GuestSpec(),
    )


def test_each_drop_lands_in_its_place_and_nothing_is_left() -> None:
    a_to_b, b_to_a = ledger_of(*one_way())
    assert a_to_b.dropped == {
        "nic": NIC,
        "guard": 0,
        "softnet": 0,
        "frame queue": 0,
        "bridge": BRIDGE,
        "tap": TAP,
        "guest": GUEST_IN + GUEST_IP + GUEST_OUT,
        "tap return": TAP_RETURN,
        "nic transmit": NIC_TX,
    }
    assert (a_to_b.offered, a_to_b.delivered) == (SENT, DELIVERED)
    assert a_to_b.residual == 0
    assert (b_to_a.offered, sum(b_to_a.dropped.values()), b_to_a.residual) == (0, 0, 0)


def test_a_device_made_anew_has_moved_what_it_counts_now() -> None:
    netdevs, guest = one_way()
    before = {**ZERO, "nfv0-0": counts(tx_packets=10**6), "nfv0-1": counts()}
    a_to_b, _ = ledgers(
        make_sample(before, {"nfv0": IDLE_GUEST}),
        make_sample(netdevs, {"nfv0": guest}),
        make_trial(make_result(SENT, DELIVERED), SILENT),
        NICS,
        GuestSpec(),
    )
    assert a_to_b.dropped["tap"] == TAP
    assert all(hop.frames >= 0 for hop in a_to_b.hops)


def test_the_hops_stand_in_the_order_of_the_path() -> None:
    a_to_b, _ = ledger_of(*one_way())
    assert [hop.name for hop in a_to_b.hops] == [
        "wire sent", "nic received", "bridge", "tap delivered", "guest in", "guest ip",
        "guest out", "tap returned", "nic sent", "wire collected",
    ]  # fmt: skip
    frames = [hop.frames for hop in a_to_b.hops]
    assert frames == sorted(frames, reverse=True)


def test_what_no_counter_explains_is_residual() -> None:
    netdevs, guest = one_way()
    netdevs["nfv0-0"] = replace(netdevs["nfv0-0"], tx_dropped=TAP - 400)
    assert ledger_of(netdevs, guest)[0].residual == 400


def test_a_silent_guest_leaves_its_drops_to_the_residual_and_says_so() -> None:
    netdevs, _ = one_way()
    a_to_b, _ = ledger_of(netdevs, None)
    assert a_to_b.residual == GUEST_IN + GUEST_IP + GUEST_OUT
    assert not [hop for hop in a_to_b.hops if hop.name.startswith("guest")]
    returned = next(hop for hop in a_to_b.hops if hop.name == "tap returned")
    assert "no answer" in returned.source


def test_a_nic_that_counts_its_drops_is_believed() -> None:
    netdevs, guest = one_way()
    netdevs["eth0"] = replace(netdevs["eth0"], rx_missed=NIC - 5)
    a_to_b, _ = ledger_of(netdevs, guest)
    assert (a_to_b.dropped["nic"], a_to_b.residual) == (NIC - 5, 5)
    assert "rx_missed" in a_to_b.hops[1].source


def test_a_full_backlog_is_not_counted_twice() -> None:
    netdevs, guest = one_way()
    netdevs["eth0"] = replace(netdevs["eth0"], rx_dropped=300)
    netdevs["nfv0-1"] = replace(netdevs["nfv0-1"], rx_dropped=100)
    # 200 of the 400 were dropped by the backlog, and the counter wrapped.
    a_to_b, _ = ledger_of(netdevs, guest, softnet=(200, 0))
    assert (a_to_b.dropped["softnet"], a_to_b.dropped["bridge"]) == (150, 150)
    assert a_to_b.dropped["tap return"] == 100


def test_ip_drops_go_to_the_direction_in_which_frames_vanished() -> None:
    netdevs, guest = one_way()
    both = GuestCounts(
        interfaces=(
            replace(guest.interfaces[0], tx_packets=990),
            replace(guest.interfaces[1], rx_packets=1029),
        ),
        ip_forwarded=guest.ip_forwarded + 990,
        ip_dropped=GUEST_IP + 39,
        boot=1,
    )
    a_to_b, b_to_a = ledger_of(netdevs, both)
    assert (a_to_b.dropped["guest"], b_to_a.dropped["guest"]) == (
        GUEST_IN + GUEST_IP + GUEST_OUT,
        39,
    )


def test_duplicates_are_not_deliveries() -> None:
    netdevs, guest = one_way()
    trial = make_trial(make_result(SENT, DELIVERED, duplicated=9), SILENT)
    before = make_sample(ZERO, {"nfv0": IDLE_GUEST})
    after = make_sample(netdevs, {"nfv0": guest})
    a_to_b, _ = ledgers(before, after, trial, NICS, GuestSpec())
    assert (a_to_b.delivered, a_to_b.residual) == (DELIVERED, 0)


@pytest.mark.parametrize("guests", [2, 3])
def test_the_taps_of_several_guests_are_summed(guests: int) -> None:
    names = [f"nfv{n}" for n in range(guests)]
    zero = dict(ZERO)
    after = {
        "eth0": counts(rx_packets=100 * guests),
        "eth1": counts(tx_packets=60 * guests),
    }
    for name in names:
        zero |= {f"{name}-0": counts(), f"{name}-1": counts()}
        after[f"{name}-0"] = counts(tx_packets=60, tx_dropped=40)
        after[f"{name}-1"] = counts(rx_packets=60)
    done = GuestCounts(
        interfaces=(counts(rx_packets=60), counts(tx_packets=60)),
        ip_forwarded=60,
        ip_dropped=0,
        boot=1,
    )
    a_to_b, _ = ledgers(
        make_sample(zero, dict.fromkeys(names, IDLE_GUEST)),
        make_sample(after, dict.fromkeys(names, done)),
        make_trial(make_result(100 * guests, 60 * guests), SILENT),
        NICS,
        GuestSpec(count=guests),
    )
    assert (a_to_b.dropped["tap"], a_to_b.residual) == (40 * guests, 0)


def test_frames_of_a_lease_were_received_by_the_nic_though_its_netdev_has_none() -> (
    None
):
    before = LeaseCounts(rx_packets=1000, rx_drops=10, starved=3, irqs=9)
    after = LeaseCounts(rx_packets=1090, rx_drops=13, starved=5, irqs=9)
    guest = GuestCounts(
        interfaces=(counts(rx_packets=92), counts(tx_packets=92)),
        ip_forwarded=92,
        ip_dropped=0,
        boot=1,
    )
    netdevs = {
        "eth0": counts(rx_packets=2),  # by the exception path
        "eth1": counts(tx_packets=92),
        "nfv0-0": counts(tx_packets=92),
        "nfv0-1": counts(rx_packets=92),
    }
    ledger, _ = ledgers(
        make_sample(ZERO, {"nfv0": IDLE_GUEST}, leases={"nfv0-0": before}),
        make_sample(netdevs, {"nfv0": guest}, leases={"nfv0-0": after}),
        make_trial(make_result(500, 92), SILENT),
        NICS,
        GuestSpec(),
    )
    hops = {hop.name: (hop.frames, hop.dropped) for hop in ledger.hops}
    assert hops["nic received"] == (95, 405)
    assert hops["frame queue"] == (90, 3)
    assert (ledger.dropped["tap"], ledger.residual) == (0, 0)


def test_frames_that_a_lease_sent_left_the_nic_though_its_netdev_has_none() -> None:
    before = LeaseCounts(
        rx_packets=0, rx_drops=0, starved=0, irqs=0, tx_packets=7, tx_drops=1
    )
    after = replace(before, tx_packets=67, tx_drops=4)
    guest = GuestCounts(
        interfaces=(counts(rx_packets=65), counts(tx_packets=65)),
        ip_forwarded=65,
        ip_dropped=0,
        boot=1,
    )
    netdevs = {
        "eth0": counts(rx_packets=65),
        "eth1": counts(tx_packets=2),  # for all
        "nfv0-0": counts(tx_packets=65),
        "nfv0-1": counts(rx_packets=62),
    }
    ledger, other_way = ledgers(
        make_sample(ZERO, {"nfv0": IDLE_GUEST}, leases={"nfv0-1": before}),
        make_sample(netdevs, {"nfv0": guest}, leases={"nfv0-1": after}),
        make_trial(make_result(65, 62), SILENT),
        NICS,
        GuestSpec(),
    )
    hops = {hop.name: (hop.frames, hop.dropped) for hop in ledger.hops}
    assert hops["nic sent"] == (62, 3)
    assert ledger.residual == 0
    assert other_way.dropped["nic transmit"] == 0


def test_what_the_guard_drops_the_nic_has_received() -> None:
    netdevs, guest = one_way()
    netdevs["eth0"] = replace(netdevs["eth0"], rx_packets=SENT - NIC + 70)
    after = make_sample(netdevs, {"nfv0": guest})
    ledger, other_way = ledgers(
        replace(make_sample(ZERO, {"nfv0": IDLE_GUEST}), guarded={"nfv0-0": 5}),
        replace(after, guarded={"nfv0-0": 75}),
        make_trial(make_result(SENT + 70, DELIVERED), SILENT),
        NICS,
        GuestSpec(),
    )
    hops = {hop.name: (hop.frames, hop.dropped) for hop in ledger.hops}
    assert hops["guard"] == (SENT - NIC, 70)
    assert ledger.residual == 0
    assert "guard" not in {hop.name for hop in other_way.hops}
