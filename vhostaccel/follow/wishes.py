# SPDX-License-Identifier: Apache-2.0
"""Wishes of libvirt's domains: written, withdrawn, and how each one stands."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vhostaccel.errors import UsageError
from vhostaccel.follow.hook import boot_time
from vhostaccel.follow.hook_file import HOOKS, install_hook, remove_hook
from vhostaccel.follow.seat import Followed, FollowedNic, FollowerState, Seats
from vhostaccel.guests.hypervisor import DomainState
from vhostaccel.nai.domain import NAMESPACE, PREFIX, Domain, Wish, read_domain, wish_xml

_END_TIMEOUT_S = 8.0
_POLL_S = 0.05


class Libvirt(Protocol):
    """What is asked of libvirt; `Hypervisor` has it."""

    def domain(self, name: str) -> DomainState:
        """Return one domain."""

    def all(self) -> tuple[DomainState, ...]:
        """Return every domain, running or not."""

    def set_metadata(
        self, name: str, *, uri: str, prefix: str, element: str | None
    ) -> None:
        """Write an element into a domain's metadata, or take it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WishState:
    """A domain with a wish, and how far it is true."""

    guest: str
    mode: str
    interfaces: tuple[int, ...] | None
    """Numbers of the virtual NICs, or None for all."""
    running: bool
    follower: int | None
    """The process that keeps the wish true, or None."""
    nics: tuple[FollowedNic, ...]
    problem: str | None
    """Why the wish cannot come true, as far as it can be seen from here."""


def enable(
    libvirt: Libvirt, name: str, wish: Wish, hooks: Path = HOOKS
) -> tuple[DomainState, bool]:
    """Write a wish into a domain, and see to the hook.

    Returns:
        The domain as it was, and whether libvirt has to be started anew.

    Raises:
        UsageError: If there is no such domain, or it has no such interface.
        GuestError: If libvirt refuses.
        StorageError: If the hook cannot be written.
    """
    state = libvirt.domain(name)
    has = read_domain(state.xml).vnics
    for index in wish.interfaces or ():
        if index >= len(has):
            raise UsageError(
                f"guest {name} has no interface {index}; it has {len(has)}",
                hint=f"they count from 0, in the order of `virsh domiflist {name}`",
            )
    restart = install_hook(hooks)
    libvirt.set_metadata(name, uri=NAMESPACE, prefix=PREFIX, element=wish_xml(wish))
    return state, restart


def disable(
    libvirt: Libvirt, name: str, seats: Seats, hooks: Path = HOOKS
) -> tuple[Domain, bool]:
    """Take a domain's wish back; the last one takes the hook along.

    Returns:
        The domain as it was, and whether the hook was removed.

    Raises:
        UsageError: If there is no such domain, or it has no wish.
        GuestError: If libvirt refuses.
        StorageError: If the hook cannot be removed.
    """
    domain = read_domain(libvirt.domain(name).xml)
    if domain.wish is None and domain.wish_error is None:
        raise UsageError(
            f"guest {name} has no wish to be attached",
            hint="`vhostaccel libvirt status` lists those that have",
        )
    libvirt.set_metadata(name, uri=NAMESPACE, prefix=PREFIX, element=None)
    seats.end(domain.uuid, step_s=boot_time(), timeout_s=_END_TIMEOUT_S)
    others = (read_domain(state.xml) for state in libvirt.all())
    last = not any(other.wish or other.wish_error for other in others)
    if last:
        remove_hook(hooks)
    return domain, last


def wishes(libvirt: Libvirt, seats: Seats) -> tuple[WishState, ...]:
    """Return every domain that has a wish."""
    read = [(state, read_domain(state.xml)) for state in libvirt.all()]
    return tuple(
        _wish_state(state, domain, seats)
        for state, domain in sorted(read, key=lambda pair: pair[1].name)
        if domain.wish is not None or domain.wish_error is not None
    )


def await_follower(seats: Seats, domain: Domain, timeout_s: float) -> FollowerState:
    """Return what a domain's new follower says once nothing is open any more.

    Raises:
        UsageError: If it says nothing in time.
    """
    deadline = time.monotonic() + timeout_s
    said: FollowerState | None = None
    while time.monotonic() < deadline:
        said = seats.state(domain.uuid) or said
        if said and all(nic.state is not Followed.WAITING for nic in said.nics):
            return said
        time.sleep(_POLL_S)
    if said is None:
        raise UsageError(
            f"nothing follows {domain.name}: it has no tap that the wish covers",
            hint="its log is /var/log/vhostaccel/libvirt.log",
        )
    return said


def _wish_state(state: DomainState, domain: Domain, seats: Seats) -> WishState:
    said = seats.state(domain.uuid)
    problem = domain.wish_error
    if problem is None and state.running and said is None:
        problem = (
            "nothing follows it: `vhostaccel libvirt enable --now` does; if guests "
            "that start later are not followed either, `systemctl restart libvirtd`"
        )
    return WishState(
        guest=domain.name,
        mode="?" if domain.wish is None else domain.wish.mode.value,
        interfaces=None if domain.wish is None else domain.wish.interfaces,
        running=state.running,
        follower=None if said is None else said.pid,
        nics=() if said is None else said.nics,
        problem=problem,
    )
