# SPDX-License-Identifier: Apache-2.0
"""Keeps a guest's wish true while the guest runs.

A lease can begin only once the guest's driver is up, and it ends whenever the driver
lets go: at a reboot, a kexec, a reload of the driver. So one process per guest waits for
the vhost backend of each wished tap, attaches it, and waits again when it is gone. The
guard at the NIC needs a tap and no driver: it is put up at once, where it is wished for or
nothing better can be had. The process ends with the last of the taps. It never talks to
libvirt.
"""

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Protocol

from vhostaccel.errors import NaiError, SetupError, UsageError, VhostAccelError
from vhostaccel.follow.guarding import Guarding
from vhostaccel.follow.nic import NO_DRIVER, SOON_S, Nic
from vhostaccel.follow.seat import Followed, FollowedNic, FollowerState
from vhostaccel.guard.client import Guard
from vhostaccel.nai.client import Nai
from vhostaccel.nai.domain import Domain, WishMode
from vhostaccel.nai.events import Events
from vhostaccel.nai.family import DetachReason
from vhostaccel.nai.lease import find_port, take
from vhostaccel.nai.model import Client, Event, EventKind, Lease
from vhostaccel.nai.netdevs import Netdevs

_LATER_S = 5.0
_BOOT_S = 120.0
"""So long a guest's driver is looked for often."""
_DRIVER_S = 600.0
"""And so long before a guest that could have a lease is guarded meanwhile."""
_AGAIN_S = 30.0
"""A refusal is tried again after so long, for what stood in the way may have gone."""
_BRIEF_S = 10.0
"""A lease that ends sooner makes the next one wait longer: the guest must not be able
to keep the host busy by toggling its driver."""


_ENDED = "the guard of its tap has ended"


class Session(Nai, AbstractContextManager["Session"], Protocol):
    """The kernel's side, left at the end of a block."""


class Follower:
    """Follows one guest.

    Args:
        domain: the guest, as its XML was when it started.
        pid: our own process.
        connect: opens the kernel's side.
        netdevs: the host's network devices.
        guard: the guard's keeper.
        was_left: says whether an operator ended the guard of a tap, by its number.
        say: gets the state whenever it changes.
        log: gets a line for each change.
        insist: attach even what was detached on request before.
        clock: returns the time [s, monotonic].
        sleep: waits [s].
    """

    def __init__(
        self,
        domain: Domain,
        *,
        pid: int,
        connect: Callable[[], Session],
        netdevs: Netdevs,
        guard: Guard,
        was_left: Callable[[int], bool],
        say: Callable[[FollowerState], None],
        log: Callable[[str], None],
        insist: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._domain = domain
        self._mode = WishMode.AUTO if domain.wish is None else domain.wish.mode
        self._guarding = Guarding(guard, netdevs)
        self._was_left = was_left
        self._pid = pid
        self._connect = connect
        self._netdevs = netdevs
        self._say = say
        self._log = log
        self._clock = clock
        self._sleep = sleep
        self._nics = [
            Nic(vnic=vnic, ifindex=ifindex, since=clock(), heed=not insist)
            for vnic in domain.wished()
            if (ifindex := netdevs.ifindex(vnic.tap or "")) is not None
        ]

    def run(self) -> None:
        """Follow until none of the taps is there any more."""
        taps = ", ".join(nic.vnic.tap or "" for nic in self._nics)
        self._log(f"{self._domain.name} is followed: {taps or 'no tap'}")
        self._tell()
        while self._drop_gone():
            try:
                if self._mode is not WishMode.XDP:
                    with self._connect() as nai:
                        self._follow(nai)
                    continue
                self._guard_all(None)
            except (VhostAccelError, OSError) as error:
                self._do_without(error)
            self._sleep(_LATER_S)
        self._log(f"{self._domain.name} has no tap any more")

    def _follow(self, nai: Nai) -> None:
        events = nai.events()
        try:
            while self._drop_gone():
                self._settle(nai)
                self._hear(events, self._patience())
        finally:
            events.close()

    def _do_without(self, error: VhostAccelError | OSError) -> None:
        # The module may be loaded later, or be replaced under us.
        said = error.what if isinstance(error, VhostAccelError) else str(error)
        if self._mode is WishMode.AUTO and isinstance(error, SetupError):
            self._guard_all(f"copy: {said}")
            return
        for nic in self._nics:
            if nic.state is not Followed.LEFT and not nic.guarded:
                self._set(nic, Followed.WAITING, said)

    def _drop_gone(self) -> bool:
        # A new guest may have got a tap of the same name: its number is another.
        there = [
            nic
            for nic in self._nics
            if self._netdevs.ifindex(nic.vnic.tap or "") == nic.ifindex
        ]
        if len(there) != len(self._nics):
            self._nics = there
            self._tell()
        return bool(there)

    def _settle(self, nai: Nai) -> None:
        if self._mode is WishMode.AUTO:
            self._guarding.look()
        clients = {c.tap_ifindex: c for c in nai.clients() if c.tap_queue == 0}
        for nic in self._nics:
            if nic.state is not Followed.LEFT:
                self._settle_one(nai, nic, clients.get(nic.ifindex))

    def _settle_one(self, nai: Nai, nic: Nic, client: Client | None) -> None:
        if self._mode is WishMode.AUTO and self._is_settled_by_guard(nic):
            return
        if nic.state is Followed.ATTACHED and (client is None or client.lease is None):
            reason = None if client is None else client.last_reason
            shown = DetachReason.BACKEND if reason is None else reason
            self._pause(nic, f"the lease has ended: {shown.value}")
        if client is None:
            self._await_driver(nai, nic)
        elif client.lease is not None:
            self._set(nic, Followed.ATTACHED, f"lease {client.lease}")
        elif client.last_reason is DetachReason.REQUESTED and nic.heed:
            self._leave(nic)
        elif self._clock() >= nic.next_try:
            self._attach(nai, nic)

    def _await_driver(self, nai: Nai, nic: Nic) -> None:
        if self._mode is WishMode.AUTO:
            why = NO_DRIVER
            try:
                find_port(nai, self._netdevs, nic.vnic.tap or "")
                late = (
                    nic.state is Followed.WAITING
                    and nic.age_s(self._clock()) > _DRIVER_S
                )
            except (NaiError, UsageError) as error:
                # No driver will bring it a lease.
                why, late = error.what, True
            if late:
                self._guard(nic, nai.leases(), f"copy: {why}")
                return
        self._set(nic, Followed.WAITING, NO_DRIVER)

    def _attach(self, nai: Nai, nic: Nic) -> None:
        nic.heed = False
        try:
            port, attached = take(nai, self._netdevs, nic.target(self._domain.name))
        except VhostAccelError as error:
            if self._mode is WishMode.AUTO:
                self._guard(nic, nai.leases(), f"copy: {error.what}")
            else:
                self._refuse(nic, error.what)
        else:
            nic.heed = True
            queue = f"queue {attached.port_queue} of {port}"
            self._set(nic, Followed.ATTACHED, queue)

    def _guard_all(self, why: str | None) -> None:
        self._guarding.look()
        for nic in self._nics:
            if nic.state is not Followed.LEFT and not self._is_settled_by_guard(nic):
                self._guard(nic, (), why)

    def _is_settled_by_guard(self, nic: Nic) -> bool:
        detail = self._guarding.detail(nic.ifindex)
        if detail is not None:
            nic.guarded = True
            self._set(nic, Followed.ATTACHED, detail)
        elif self._was_left(nic.ifindex):
            self._leave(nic)
        elif nic.guarded:
            nic.guarded = False
            self._pause(nic, _ENDED)
            return False
        else:
            return False
        return True

    def _guard(self, nic: Nic, leases: Collection[Lease], why: str | None) -> None:
        if self._clock() < nic.next_try:
            return
        try:
            detail = self._guarding.take(nic.target(self._domain.name), leases, why)
        except VhostAccelError as error:
            said = f"xdp: {error.what}"
            self._refuse(nic, said if why is None else f"{why}; {said}")
        else:
            nic.guarded = True
            self._set(nic, Followed.ATTACHED, detail)

    def _refuse(self, nic: Nic, said: str) -> None:
        nic.next_try = self._clock() + _AGAIN_S
        self._set(nic, Followed.REFUSED, said)

    def _pause(self, nic: Nic, said: str) -> None:
        brief = nic.age_s(self._clock()) < _BRIEF_S
        nic.pause_s = min(nic.pause_s * 2, _AGAIN_S) if brief else SOON_S
        nic.next_try = self._clock() + nic.pause_s
        self._set(nic, Followed.WAITING, said)

    def _hear(self, events: Events, timeout_s: float) -> None:
        event = events.wait(timeout_s)
        while event is not None:
            self._hear_one(event)
            event = events.wait(0)

    def _hear_one(self, event: Event) -> None:
        requested = event.reason is DetachReason.REQUESTED
        if event.kind is EventKind.DETACHED and requested:
            for nic in self._nics:
                held = nic.state is Followed.ATTACHED and not nic.guarded
                if held and nic.ifindex == event.tap_ifindex:
                    self._leave(nic)

    def _leave(self, nic: Nic) -> None:
        self._set(nic, Followed.LEFT, "detached by request")

    def _patience(self) -> float:
        times = [_LATER_S]
        for nic in self._nics:
            if nic.state is Followed.WAITING and nic.age_s(self._clock()) < _BOOT_S:
                times.append(SOON_S)
        return min(times)

    def _set(self, nic: Nic, state: Followed, detail: str) -> None:
        if state is Followed.ATTACHED and nic.state is Followed.ATTACHED:
            return  # the first to say it knows more
        if (state, detail) == (nic.state, nic.detail):
            return
        if state is not nic.state:
            nic.since = self._clock()
        nic.state, nic.detail = state, detail
        self._log(f"{self._domain.name}:{nic.vnic.index} {state.value}: {detail}")
        self._tell()

    def _tell(self) -> None:
        self._say(
            FollowerState(
                guest=self._domain.name,
                pid=self._pid,
                nics=tuple(
                    FollowedNic(
                        index=nic.vnic.index,
                        tap=nic.vnic.tap or "",
                        state=nic.state,
                        detail=nic.detail,
                    )
                    for nic in self._nics
                ),
            )
        )
