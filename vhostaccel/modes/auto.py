# SPDX-License-Identifier: Apache-2.0
"""The choice ``auto``: the best mode that a virtual NIC can have, and why no better one.

Whether a mode can be had is not foretold but tried: who refuses, the kernel or the
guard's keeper, changes nothing. Only where `xdp` would be had in vain, or at the cost of
others, it is not tried.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from vhostaccel.errors import GuardError, NaiError, SetupError, UsageError
from vhostaccel.guard.client import Guard, attach_whole
from vhostaccel.guard.model import Guarded, Wish, taps_of
from vhostaccel.guard.subject import find_wish
from vhostaccel.nai.address import Target, address_of, ifindex_of
from vhostaccel.nai.client import Nai
from vhostaccel.nai.lease import take
from vhostaccel.nai.model import Attached, Lease
from vhostaccel.nai.netdevs import Netdevs

_REFUSALS = (NaiError, GuardError, SetupError, UsageError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A virtual NIC, and what its operator says of it."""

    target: Target
    port: str | None = None
    """The NIC port, or None for the only one in the tap's bridge."""
    mac: str | None = None
    """The guest's address, or None for the one that libvirt knows."""
    queue: int = 0
    """`copy`: which of the tap's queues."""
    force: bool = False
    """`copy`: even though host policy is bypassed."""
    always: bool = False
    """`xdp`: also where receive CPUs have time left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A mode that could not be had."""

    mode: str
    why: str
    hint: str

    def __str__(self) -> str:
        return f"{self.mode}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The mode that a virtual NIC has got, and the better ones it could not have."""

    lease: tuple[str, Attached] | None = None
    """The port's name and the lease, in mode `copy`."""
    guarded: Guarded | None = None
    """In mode `xdp`; with neither it stays on its tap, and nothing is changed."""
    passed_over: tuple[PassedOver, ...] = ()
    """From the best on."""


def choose(
    asked: Asked, nai: Nai | SetupError, guard: Guard, netdevs: Netdevs
) -> Choice:
    """Give a virtual NIC the best mode that it can have.

    Args:
        asked: which one.
        nai: the kernel's frame queues, or why there are none.
        guard: the guard's keeper.
        netdevs: the host's network devices.

    Raises:
        UsageError: If the port does not exist, or no MAC is known.
        NaiError: If it has a lease already.
        GuardError: If it is guarded already, or the keeper does not answer.
    """
    address_of(asked.target, asked.mac)
    if asked.port is not None:
        ifindex_of(netdevs, asked.port)
    leases = () if isinstance(nai, SetupError) else nai.leases()
    _refuse_what_has_a_mode(asked.target, leases, guard)
    try:
        if isinstance(nai, SetupError):
            raise nai
        return Choice(lease=_lease(asked, nai, netdevs))
    except _REFUSALS as error:
        copy = PassedOver(mode="copy", why=error.what, hint=error.hint)
    try:
        guarded = guard_gainfully(asked, guard, netdevs, leases, why=str(copy))
    except _REFUSALS as error:
        xdp = PassedOver(mode="xdp", why=error.what, hint=error.hint)
        return Choice(passed_over=(copy, xdp))
    return Choice(guarded=guarded, passed_over=(copy,))


def guard_gainfully(
    asked: Asked,
    guard: Guard,
    netdevs: Netdevs,
    leases: Collection[Lease],
    *,
    why: str,
) -> Guarded:
    """Guard a virtual NIC, unless that gains nothing or takes from others.

    Args:
        asked: which one.
        guard: the guard's keeper.
        netdevs: the host's network devices.
        leases: the frame queues on lease.
        why: why it gets no better mode; `list` shows it.

    Raises:
        UsageError: If the port cannot be guessed.
        SetupError: If this host cannot have the guard.
        GuardError: If it cannot be guarded there; nothing is changed then.
    """
    wish = find_wish(
        netdevs,
        asked.target,
        port=asked.port,
        mac=asked.mac,
        always=asked.always,
        why=why,
    )
    _refuse_at_others_cost(wish, leases)
    _refuse_in_vain(wish, netdevs)
    return attach_whole(guard, wish)


def _lease(asked: Asked, nai: Nai, netdevs: Netdevs) -> tuple[str, Attached]:
    try:
        return take(
            nai,
            netdevs,
            asked.target,
            port=asked.port,
            queue=asked.queue,
            mac=asked.mac,
            force=asked.force,
        )
    except KeyboardInterrupt:
        # It cannot be known whether the kernel was done; a second refusal is no news.
        with suppress(Exception):
            nai.detach(tap_ifindex=asked.target.ifindex, tap_queue=asked.queue)
        raise


def _refuse_what_has_a_mode(
    target: Target, leases: Collection[Lease], guard: Guard
) -> None:
    hint = f"`vhostaccel detach {target.tap}` first, to have it chosen anew"
    if any(lease.tap_ifindex == target.ifindex for lease in leases):
        raise NaiError(f"{target} has a lease already: mode copy", hint=hint)
    if target.tap in taps_of(guard.standing()):
        raise GuardError(f"{target} is guarded already: mode xdp", hint=hint)


def _refuse_at_others_cost(wish: Wish, leases: Collection[Lease]) -> None:
    # An XDP program is host policy: leases of its port end within seconds.
    held = sum(
        lease.port_ifindex == wish.port_ifindex
        and lease.tap_ifindex != wish.tap_ifindex
        for lease in leases
    )
    if held:
        raise GuardError(
            f"the guard at {wish.port} would end the leases of other guests there: "
            f"{held} on lease",
            hint="`vhostaccel list` shows whose; `--mode xdp` does it all the same",
        )


def _refuse_in_vain(wish: Wish, netdevs: Netdevs) -> None:
    if netdevs.is_threaded(wish.port) and not wish.always:
        raise GuardError(
            f"{wish.port} has threaded NAPI, whose work the guard does not see: it "
            "would never drop",
            hint="`--always` lets it drop at all times; docs/xdp.md, 'What it cannot do'",
        )
