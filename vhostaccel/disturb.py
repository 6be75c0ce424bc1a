# SPDX-License-Identifier: Apache-2.0
"""Disturbances: what may happen to a guest and its host in the middle of a flood.

Each action puts right what it changed, and what it says went wrong ends the repetitions.
Nothing waits for a time, but for what has to come, with a limit; only how long a guest
stands still or a broadcast lasts is a time.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from vhostaccel.errors import VhostAccelError
from vhostaccel.guests.plan import GuestPlan, Interface
from vhostaccel.lab.broadcast import broadcast
from vhostaccel.lab.ethtool import negotiate_anew
from vhostaccel.lab.network import mtu_of
from vhostaccel.lab.unload import try_unload
from vhostaccel.nai.family import FqState
from vhostaccel.nai.model import Lease
from vhostaccel.observe.point import DisturbanceResult
from vhostaccel.patience import limit_s
from vhostaccel.scenario.model import Action, DisturbanceSpec

OTHER_MTU = 1400
_ANSWER_LIMIT_S = 60.0
_LEASE_LIMIT_S = 20.0
_BEAT_S = 1.0
_POLL_S = 0.05

SILENCING = (Action.STALL, Action.SUSPEND, Action.REBOOT, Action.KILL)
"""The guest cannot answer while it is disturbed so."""
_NEW_LEASES = (Action.REATTACH, Action.SUSPEND, Action.REBOOT, Action.KILL)
"""The leases of the guest end, and others take their place."""


class DisturbedGuest(Protocol):
    """A guest as a disturbance needs it; see `VmGuest`."""

    plan: GuestPlan

    def beat(self, timeout_s: float) -> int | None:
        """Ask for a heartbeat."""

    def stalled(self) -> AbstractContextManager[None]:
        """Stop its virtual CPUs for as long as the block lasts."""

    def suspend(self) -> None:
        """Let it stand still."""

    def resume(self) -> None:
        """Let it go on."""

    def reboot(self) -> None:
        """Reset it, and return once it answers."""

    def kill(self) -> None:
        """Kill its process."""

    def start_again(self) -> None:
        """Start it after that, and return once it answers."""


class Ports(Protocol):
    """The NIC ports as a disturbance needs them; see `Network`."""

    def set_port(self, name: str, *, up: bool) -> None:
        """Set a port up or down."""

    def set_mtu(self, name: str, mtu: int) -> None:
        """Give a port another MTU."""

    def wait_for_carrier(self, name: str) -> None:
        """Return once the port has a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a disturbance can reach of the host under test."""

    guest: DisturbedGuest
    ports: Ports
    nics: tuple[str, ...]
    bridges: tuple[str, ...]
    modules: tuple[str, ...]
    """Those the datapath runs on."""
    attach: Callable[[Interface], None]
    """Give a virtual NIC its frames in the mode of the trial."""
    detach: Callable[[Interface], tuple[str, ...]]
    leases: Callable[[], Mapping[str, Lease]]
    """Of every guest, by tap."""
    remaining: Callable[[], tuple[str, ...]]
    """The taps that are there, of every guest."""
    place: Callable[[], None]
    """Put interrupts that were made anew where the scenario wants them."""
    moved: Callable[[], None]
    """The guest has another process now."""


def disturb(site: Site, spec: DisturbanceSpec) -> DisturbanceResult:
    """Do what the scenario says, and see whether all is as before."""
    held = dict(site.leases())
    started, done = time.monotonic(), 0
    failures: tuple[str, ...] = ()
    while done < spec.count and not failures:
        failures = _tried(lambda: _ACTIONS[spec.action](site, spec.hold))
        done += not failures
    took_s = time.monotonic() - started
    if failures:
        failures = tuple(f"repetition {done + 1}: {failure}" for failure in failures)
    failures += _tried(lambda: _changed(site, held, spec.action))
    return DisturbanceResult(
        action=spec.action,
        asked=spec.count,
        done=done,
        took_s=took_s,
        failures=failures,
    )


def _tried(act: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return act()
    except VhostAccelError as error:
        return (error.what,)


def _reattach(site: Site, hold_s: float) -> tuple[str, ...]:
    del hold_s
    interfaces = site.guest.plan.interfaces
    left = [said for interface in interfaces for said in site.detach(interface)]
    for interface in interfaces:
        site.attach(interface)
    site.place()
    return tuple(left)


def _stall(site: Site, hold_s: float) -> tuple[str, ...]:
    with site.guest.stalled():
        time.sleep(hold_s)
    return _silence(site)


def _suspend(site: Site, hold_s: float) -> tuple[str, ...]:
    site.guest.suspend()
    try:
        time.sleep(hold_s)
    finally:
        site.guest.resume()
    return _silence(site) or _take_up(site)


def _reboot(site: Site, hold_s: float) -> tuple[str, ...]:
    del hold_s
    site.guest.reboot()
    return _take_up(site)


def _kill(site: Site, hold_s: float) -> tuple[str, ...]:
    site.guest.kill()
    left = _left_by_the_dead(site)
    time.sleep(hold_s)
    site.guest.start_again()
    site.moved()
    return left + _take_up(site)


def _link_flap(site: Site, hold_s: float) -> tuple[str, ...]:
    del hold_s
    try:
        for nic in site.nics:
            site.ports.set_port(nic, up=False)
    finally:
        for nic in site.nics:
            site.ports.set_port(nic, up=True)
    return _links_are_back(site)


def _mtu(site: Site, hold_s: float) -> tuple[str, ...]:
    del hold_s
    before = {nic: mtu_of(nic) for nic in site.nics}
    try:
        for nic in site.nics:
            site.ports.set_mtu(nic, OTHER_MTU)
    finally:
        for nic, mtu in before.items():
            site.ports.set_mtu(nic, mtu)
    return _links_are_back(site)


def _renegotiate(site: Site, hold_s: float) -> tuple[str, ...]:
    del hold_s
    for nic in site.nics:
        negotiate_anew(nic)
    return _links_are_back(site)


def _unload(site: Site, hold_s: float) -> tuple[str, ...]:
    del hold_s
    return tuple(wrong for module in site.modules if (wrong := try_unload(module)))


def _broadcast(site: Site, hold_s: float) -> tuple[str, ...]:
    broadcast(site.bridges, hold_s)
    return ()


_ACTIONS: dict[Action, Callable[[Site, float], tuple[str, ...]]] = {
    Action.REATTACH: _reattach,
    Action.STALL: _stall,
    Action.SUSPEND: _suspend,
    Action.REBOOT: _reboot,
    Action.KILL: _kill,
    Action.LINK_FLAP: _link_flap,
    Action.MTU: _mtu,
    Action.RENEGOTIATE: _renegotiate,
    Action.UNLOAD: _unload,
    Action.BROADCAST: _broadcast,
}


def _silence(site: Site) -> tuple[str, ...]:
    """Return once the guest answers, or say that it does not."""
    limit = limit_s(_ANSWER_LIMIT_S)
    deadline = time.monotonic() + limit
    while site.guest.beat(_BEAT_S) is None:
        if time.monotonic() > deadline:
            name = site.guest.plan.name
            return (f"guest {name} did not answer within {limit:g} s",)
    return ()


def _take_up(site: Site) -> tuple[str, ...]:
    """Attach what came back without a lease."""
    leases = site.leases()
    for interface in site.guest.plan.interfaces:
        if interface.tap not in leases:
            site.attach(interface)
    site.place()
    return ()


def _left_by_the_dead(site: Site) -> tuple[str, ...]:
    """Say what of a guest without a process does not go away."""
    taps = {interface.tap for interface in site.guest.plan.interfaces}

    def left() -> tuple[str, ...]:
        leases = (f"the lease of {tap}" for tap in taps & site.leases().keys())
        devices = (f"tap {tap}" for tap in taps & set(site.remaining()))
        return (*leases, *devices)

    deadline = time.monotonic() + limit_s(_LEASE_LIMIT_S)
    while left() and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return tuple(f"{what} outlived the guest's process" for what in sorted(left()))


def _links_are_back(site: Site) -> tuple[str, ...]:
    for nic in site.nics:
        site.ports.wait_for_carrier(nic)
    site.place()
    return _not_running(site, site.leases())


def _not_running(site: Site, held: Mapping[str, Lease]) -> tuple[str, ...]:
    """Return once every one of these taps has a lease that runs, or say which has not."""
    deadline = time.monotonic() + limit_s(_LEASE_LIMIT_S)
    while True:
        now = site.leases()
        wrong = {
            tap: now[tap].state.value if tap in now else "gone"
            for tap in held
            if tap not in now or now[tap].state is not FqState.RUNNING
        }
        if not wrong or time.monotonic() > deadline:
            return tuple(
                f"the lease of {tap} is {state}" for tap, state in wrong.items()
            )
        time.sleep(_POLL_S)


def _changed(site: Site, held: Mapping[str, Lease], action: Action) -> tuple[str, ...]:
    """Say what is not as it was before."""
    wrong = [*_silence(site), *_not_running(site, held)]
    own = {interface.tap for interface in site.guest.plan.interfaces}
    now = site.leases()
    for tap, lease in held.items():
        may_be_new = action in _NEW_LEASES and tap in own
        if tap in now and now[tap].id != lease.id and not may_be_new:
            wrong.append(f"{tap} lost its lease {lease.id} and has {now[tap].id}")
    return tuple(wrong)
