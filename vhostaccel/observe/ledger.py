# SPDX-License-Identifier: Apache-2.0
"""Conservation: every frame of a trial in exactly one place, hop by hop.

The path of ``a_to_b``; ``b_to_a`` is its mirror image::

    wire sent ─► nic received ─► (guard) ─► (softnet) ─► bridge ─► tap delivered
                              └► (frame queue) ───────────────────┘
              ─► guest in ─► guest ip ─► guest out
              ─► tap returned ─► nic sent ─► wire collected

What the counters of Linux 6.12 mean, where it is not obvious:

- A tap's tx_packets count frames when the reader has taken them, tx_dropped those that
  found the ring full (drivers/net/tun.c: tun_put_user, tun_net_xmit). So what still sits
  in the ring is residual.
- A full backlog counts a frame twice, in ``/proc/net/softnet_stat`` and in its device's
  rx_dropped (net/core/dev.c: enqueue_to_backlog).
- A frame that a guest took from its frame queue is in no counter of the NIC's netdev,
  and in the tap's tx_packets as if it had come that way (net/nai/nai_fq.c). So is one
  that it sent by its queue, in the tap's rx_packets (net/nai/nai_tx.c).
- A queueing discipline counts its drops elsewhere; those are residual.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TypeVar

from vhostaccel.guests.plan import GuestPlan, plan_guest
from vhostaccel.observe.point import Hop, Ledger
from vhostaccel.observe.sample import LeaseCounts, NetdevCounts, Sample
from vhostaccel.scenario.model import GuestSpec
from vhostaccel.traffic.trial import DirectionResult, TrialResult

_PLACES = {
    "nic received": "nic",
    "guard": "guard",
    "softnet": "softnet",
    "frame queue": "frame queue",
    "bridge": "bridge",
    "tap delivered": "tap",
    "guest in": "guest",
    "guest ip": "guest",
    "guest out": "guest",
    "tap returned": "tap return",
    "nic sent": "nic transmit",
}
"""The place a hop's drops are counted under."""

_SOFTNET_WRAP = 1 << 32

Counts = TypeVar("Counts", NetdevCounts, LeaseCounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guests:
    """The guests' own counters along one direction, all guests together."""

    names: str
    enters: NetdevCounts
    leaves: NetdevCounts
    ip_dropped: int
    """Of both directions: the kernel does not count it by interface."""

    @property
    def vanished(self) -> int:
        """Frames that came in and that neither went out nor were dropped at a NIC."""
        came = self.enters.rx_packets - self.enters.rx_dropped
        return max(0, came - self.leaves.tx_packets - self.leaves.tx_dropped)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Path:
    """What moved along one direction between the two samples."""

    nic_in: str
    nic_out: str
    taps_in: tuple[str, ...]
    taps_out: tuple[str, ...]
    moved: dict[str, NetdevCounts]
    leased: LeaseCounts | None
    """Of the frame queues of `taps_in`; None when there is none."""
    leased_out: LeaseCounts | None
    """Of those of `taps_out`."""
    guarded: int | None
    """Dropped by the guard for `taps_in`; None when it guards none of them."""
    softnet_dropped: int
    """Of all devices."""
    guests: _Guests | None
    """None when a guest did not answer."""


def ledgers(
    before: Sample,
    after: Sample,
    trial: TrialResult,
    nics: tuple[str, str],
    guest: GuestSpec,
) -> tuple[Ledger, Ledger]:
    """Return the ledgers of both directions.

    Args:
        before: read before the trial, with silent wires.
        after: read after it, with silent wires.
        trial: what the generator counted.
        nics: names of the NICs on wire A and wire B.
        guest: how many guests there are.
    """
    plans = tuple(map(plan_guest, range(guest.count)))
    a_to_b = _path(before, after, nics, plans, enters=0)
    b_to_a = _path(before, after, nics, plans, enters=1)
    ip_a_to_b, ip_b_to_a = _split_ip_drops(a_to_b.guests, b_to_a.guests)
    return (
        _ledger(a_to_b, trial.a_to_b, ip_a_to_b),
        _ledger(b_to_a, trial.b_to_a, ip_b_to_a),
    )


def _path(
    before: Sample,
    after: Sample,
    nics: tuple[str, str],
    plans: tuple[GuestPlan, ...],
    *,
    enters: int,
) -> _Path:
    leaves = 1 - enters
    softnet = zip(before.softnet_dropped, after.softnet_dropped, strict=False)
    return _Path(
        nic_in=nics[enters],
        nic_out=nics[leaves],
        taps_in=tuple(plan.interfaces[enters].tap for plan in plans),
        taps_out=tuple(plan.interfaces[leaves].tap for plan in plans),
        moved={
            name: _difference(counts, after.netdevs[name])
            for name, counts in before.netdevs.items()
            if name in after.netdevs
        },
        leased=_leased(before, after, plans, side=enters),
        leased_out=_leased(before, after, plans, side=leaves),
        guarded=_guarded(before, after, plans, enters=enters),
        softnet_dropped=sum((now - then) % _SOFTNET_WRAP for then, now in softnet),
        guests=_guests(before, after, plans, enters=enters),
    )


def _leased(
    before: Sample, after: Sample, plans: tuple[GuestPlan, ...], *, side: int
) -> LeaseCounts | None:
    taps = [plan.interfaces[side].tap for plan in plans]
    moved = [
        _difference(before.leases[tap], after.leases[tap])
        for tap in taps
        if tap in before.leases and tap in after.leases
    ]
    if not moved:
        return None
    return LeaseCounts(
        **{
            field.name: sum(getattr(counts, field.name) for counts in moved)
            for field in fields(LeaseCounts)
        }
    )


def _guarded(
    before: Sample, after: Sample, plans: tuple[GuestPlan, ...], *, enters: int
) -> int | None:
    taps = [plan.interfaces[enters].tap for plan in plans]
    dropped = [
        after.guarded[tap] - before.guarded[tap]
        for tap in taps
        if tap in before.guarded and tap in after.guarded
    ]
    return sum(dropped) if dropped else None


def _guests(
    before: Sample, after: Sample, plans: tuple[GuestPlan, ...], *, enters: int
) -> _Guests | None:
    came, left, ip_dropped = [], [], 0
    for plan in plans:
        then, now = before.guests.get(plan.name), after.guests.get(plan.name)
        if then is None or now is None:
            return None
        came.append(_difference(then.interfaces[enters], now.interfaces[enters]))
        left.append(
            _difference(then.interfaces[1 - enters], now.interfaces[1 - enters])
        )
        ip_dropped += max(0, now.ip_dropped - then.ip_dropped)
    return _Guests(
        names=", ".join(plan.name for plan in plans),
        enters=_total(came),
        leaves=_total(left),
        ip_dropped=ip_dropped,
    )


def _split_ip_drops(a: _Guests | None, b: _Guests | None) -> tuple[int, int]:
    """Split what the guests' IP layer dropped by what vanished in each direction."""
    if a is None or b is None:
        return 0, 0
    weights = (a.vanished, b.vanished)
    if not any(weights):
        weights = (a.enters.rx_packets, b.enters.rx_packets)
    if not any(weights):
        return 0, 0
    first = round(a.ip_dropped * weights[0] / sum(weights))
    return first, a.ip_dropped - first


def _ledger(path: _Path, result: DirectionResult, ip_dropped: int) -> Ledger:
    hops = (
        _hop("wire sent", result.sent_count, 0, "generator"),
        *_at_the_nic(path, result.sent_count),
        *_at_the_taps(path),
        *_in_the_guests(path.guests, ip_dropped),
        *_back_out(path),
        _hop("wire collected", result.collected_count, 0, "generator"),
    )
    dropped = dict.fromkeys(_PLACES.values(), 0)
    for hop in hops:
        if hop.name in _PLACES:
            dropped[_PLACES[hop.name]] += hop.dropped
    delivered = result.collected_count - result.duplicated_count
    return Ledger(
        hops=hops,
        offered=result.sent_count,
        delivered=delivered,
        dropped=dropped,
        residual=result.sent_count - delivered - sum(dropped.values()),
    )


def _at_the_nic(path: _Path, sent: int) -> list[Hop]:
    nic, counts = path.nic_in, path.moved[path.nic_in]
    received, source = counts.rx_packets, f"{nic} rx_packets"
    if path.leased is not None:
        received += path.leased.rx_packets + path.leased.rx_drops
        source += f", leases of {', '.join(path.taps_in)}"
    if counts.rx_missed:
        lost, source = counts.rx_missed, f"{source}, rx_missed_errors"
    else:
        # QEMU's igb counts no drops (RQDPC, RNBC and MPC stay 0); its wire is a
        # reliable stream that has been drained, so what was sent and not received was
        # lost in the NIC.
        lost = max(0, sent - received)
        source = f"{source}; lost = sent - received"
    hops = [_hop("nic received", received, lost, source)]
    if path.leased is not None:
        hops.append(
            _hop(
                "frame queue",
                path.leased.rx_packets,
                path.leased.rx_drops,
                f"leases of {', '.join(path.taps_in)}: rx-packets, rx-drops",
            )
        )
    left = counts.rx_packets
    if path.guarded is not None:
        left -= path.guarded
        source = f"guard of {', '.join(path.taps_in)}: dropped"
        hops.append(_hop("guard", left, path.guarded, source))
    backlog = _backlog_share(path)
    if backlog:
        left -= backlog
        source = f"softnet_stat dropped, the share of {nic} by rx_dropped"
        hops.append(_hop("softnet", left, backlog, source))
    return hops


def _backlog_share(path: _Path) -> int:
    """Return how many of the ingress NIC's rx_dropped a full backlog explains.

    The backlog is counted by CPU, but every frame it drops is in its device's
    rx_dropped too. A tap's share stays with ``tap return``.
    """
    all_dropped = sum(counts.rx_dropped for counts in path.moved.values())
    if not path.softnet_dropped or not all_dropped:
        return 0
    explained = min(1.0, path.softnet_dropped / all_dropped)
    return round(path.moved[path.nic_in].rx_dropped * explained)


def _at_the_taps(path: _Path) -> list[Hop]:
    bridge_dropped = path.moved[path.nic_in].rx_dropped - _backlog_share(path)
    taps = _total(path.moved[tap] for tap in path.taps_in)
    names = ", ".join(path.taps_in)
    return [
        _hop(
            "bridge",
            taps.tx_packets + taps.tx_dropped,
            bridge_dropped,
            f"{names} tx_packets + tx_dropped; {path.nic_in} rx_dropped",
        ),
        _hop(
            "tap delivered",
            taps.tx_packets,
            taps.tx_dropped,
            f"{names} tx_packets, tx_dropped",
        ),
    ]


def _in_the_guests(guests: _Guests | None, ip_dropped: int) -> list[Hop]:
    if guests is None:
        return []
    came, went = guests.enters, guests.leaves
    return [
        _hop(
            "guest in",
            came.rx_packets,
            came.rx_dropped + came.rx_missed,
            f"{guests.names} rx_packets, rx_dropped + rx_missed_errors",
        ),
        _hop(
            "guest ip",
            came.rx_packets - came.rx_dropped - ip_dropped,
            ip_dropped,
            f"{guests.names} /proc/net/snmp, split by what vanished in each direction",
        ),
        _hop(
            "guest out",
            went.tx_packets,
            went.tx_dropped,
            f"{guests.names} tx_packets, tx_dropped",
        ),
    ]


def _back_out(path: _Path) -> list[Hop]:
    taps = _total(path.moved[tap] for tap in path.taps_out)
    nic = path.moved[path.nic_out]
    source = f"{', '.join(path.taps_out)} rx_packets, rx_dropped"
    if path.guests is None:
        source += "; no answer from the guests, their drops are residual"
    sent, dropped = nic.tx_packets, nic.tx_dropped
    nic_source = f"{path.nic_out} tx_packets, tx_dropped"
    if path.leased_out is not None and _sends(path.leased_out):
        sent += path.leased_out.tx_packets
        dropped += path.leased_out.tx_drops
        nic_source += f", leases of {', '.join(path.taps_out)}"
    return [
        _hop("tap returned", taps.rx_packets, taps.rx_dropped, source),
        _hop("nic sent", sent, dropped, nic_source),
    ]


def _sends(lease: LeaseCounts) -> bool:
    return lease.tx_packets > 0 or lease.tx_drops > 0


def _hop(name: str, frames: int, dropped: int, source: str) -> Hop:
    return Hop(name=name, frames=frames, dropped=dropped, source=source)


def _difference(earlier: Counts, later: Counts) -> Counts:
    """Return what was counted between; of a device made anew, what it has counted."""
    then = {field.name: getattr(earlier, field.name) for field in fields(earlier)}
    now = {field.name: getattr(later, field.name) for field in fields(later)}
    if any(now[name] < count for name, count in then.items()):
        return later
    return type(later)(**{name: now[name] - count for name, count in then.items()})


def _total(counts: Iterable[NetdevCounts]) -> NetdevCounts:
    listed = tuple(counts)
    return NetdevCounts(
        **{
            field.name: sum(getattr(one, field.name) for one in listed)
            for field in fields(NetdevCounts)
        }
    )
