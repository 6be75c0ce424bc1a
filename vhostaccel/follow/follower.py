# SPDX-License-Identifier: Apache-2.0
"""Keeps a guest's wish true while the guest runs.

A lease can begin only once the guest's driver is up, and it ends whenever the driver
lets go: at a reboot, a kexec, a reload of the driver. So one process per guest waits for
the vhost backend of each wished tap, attaches it, and waits again when it is gone. It
ends with the last of the taps. It never talks to libvirt.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from vhostaccel.errors import VhostAccelError
from vhostaccel.follow.seat import Followed, FollowedNic, FollowerState
from vhostaccel.nai.address import Target
from vhostaccel.nai.client import Nai
from vhostaccel.nai.domain import Domain, Vnic
from vhostaccel.nai.events import Events
from vhostaccel.nai.family import DetachReason
from vhostaccel.nai.lease import take
from vhostaccel.nai.model import Client, Event, EventKind
from vhostaccel.nai.netdevs import Netdevs

_SOON_S = 0.5
_LATER_S = 5.0
_BOOT_S = 120.0
"""So long a guest's driver is looked for often."""
_AGAIN_S = 30.0
"""A refusal is tried again after so long, for what stood in the way may have gone."""
_BRIEF_S = 10.0
"""A lease that ends sooner makes the next one wait longer: the guest must not be able
to keep the host busy by toggling its driver."""
_NO_DRIVER = "the guest's driver has not taken the virtual NIC yet"


class Session(Nai, AbstractContextManager["Session"], Protocol):
    """The kernel's side, left at the end of a block."""


@dataclass(slots=True)
class _Nic:
    vnic: Vnic
    ifindex: int
    since: float
    """When its state began [s, monotonic]."""
    state: Followed = Followed.WAITING
    detail: str = _NO_DRIVER
    pause_s: float = _SOON_S
    next_try: float = 0.0
    """Not to be attached before [s, monotonic]."""
    heed: bool = True
    """Whether a request to detach, found as the last reason, was an operator's: not one
    from before our time, nor the end of an attach of ours that took too long."""


class Follower:
    """Follows one guest.

    Args:
        domain: the guest, as its XML was when it started.
        pid: our own process.
        connect: opens the kernel's side.
        netdevs: the host's network devices.
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
        say: Callable[[FollowerState], None],
        log: Callable[[str], None],
        insist: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._domain = domain
        self._pid = pid
        self._connect = connect
        self._netdevs = netdevs
        self._say = say
        self._log = log
        self._clock = clock
        self._sleep = sleep
        self._nics = [
            _Nic(vnic=vnic, ifindex=ifindex, since=clock(), heed=not insist)
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
                with self._connect() as nai:
                    self._follow(nai)
            except (VhostAccelError, OSError) as error:
                # The module may be loaded later, or be replaced under us.
                said = error.what if isinstance(error, VhostAccelError) else str(error)
                for nic in self._nics:
                    self._set(nic, Followed.WAITING, said)
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
        clients = {c.tap_ifindex: c for c in nai.clients() if c.tap_queue == 0}
        for nic in self._nics:
            if nic.state is not Followed.LEFT:
                self._settle_one(nai, nic, clients.get(nic.ifindex))

    def _settle_one(self, nai: Nai, nic: _Nic, client: Client | None) -> None:
        if nic.state is Followed.ATTACHED and (client is None or client.lease is None):
            self._pause(nic, client)
        if client is None:
            self._set(nic, Followed.WAITING, _NO_DRIVER)
        elif client.lease is not None:
            self._set(nic, Followed.ATTACHED, f"lease {client.lease}")
        elif client.last_reason is DetachReason.REQUESTED and nic.heed:
            self._leave(nic)
        elif self._clock() >= nic.next_try:
            self._attach(nai, nic)

    def _attach(self, nai: Nai, nic: _Nic) -> None:
        target = Target(
            tap=nic.vnic.tap or "",
            ifindex=nic.ifindex,
            mac=nic.vnic.mac,
            guest=self._domain.name,
            interface=nic.vnic.index,
        )
        nic.heed = False
        try:
            port, attached = take(nai, self._netdevs, target)
        except VhostAccelError as error:
            nic.next_try = self._clock() + _AGAIN_S
            self._set(nic, Followed.REFUSED, error.what)
        else:
            nic.heed = True
            queue = f"queue {attached.port_queue} of {port}"
            self._set(nic, Followed.ATTACHED, queue)

    def _pause(self, nic: _Nic, client: Client | None) -> None:
        now = self._clock()
        brief = now - nic.since < _BRIEF_S
        nic.pause_s = min(nic.pause_s * 2, _AGAIN_S) if brief else _SOON_S
        nic.next_try = now + nic.pause_s
        reason = None if client is None else client.last_reason
        shown = DetachReason.BACKEND if reason is None else reason
        self._set(nic, Followed.WAITING, f"the lease has ended: {shown.value}")

    def _hear(self, events: Events, timeout_s: float) -> None:
        event = events.wait(timeout_s)
        while event is not None:
            self._hear_one(event)
            event = events.wait(0)

    def _hear_one(self, event: Event) -> None:
        requested = event.reason is DetachReason.REQUESTED
        if event.kind is EventKind.DETACHED and requested:
            for nic in self._nics:
                held = nic.state is Followed.ATTACHED
                if held and nic.ifindex == event.tap_ifindex:
                    self._leave(nic)

    def _leave(self, nic: _Nic) -> None:
        self._set(nic, Followed.LEFT, "detached by request")

    def _patience(self) -> float:
        now = self._clock()
        times = [_LATER_S]
        for nic in self._nics:
            if nic.state is Followed.WAITING and now - nic.since < _BOOT_S:
                times.append(_SOON_S)
        return min(times)

    def _set(self, nic: _Nic, state: Followed, detail: str) -> None:
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
