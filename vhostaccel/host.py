# SPDX-License-Identifier: Apache-2.0
"""The host under test as one object: made ready, observed, and left as it was found.

In the lab the agent holds a `LocalHost`, and the pipeline outside calls it through
`RemoteHost`; both have the same methods.
"""

from collections.abc import Callable, Collection
from typing import Any, Protocol

from vhostaccel.codec import from_plain, to_plain
from vhostaccel.lab.channel import Channel
from vhostaccel.local.guests import Says
from vhostaccel.local.host import LocalHost
from vhostaccel.local.spec import HostSpec, Prepared
from vhostaccel.observe.point import DisturbanceResult
from vhostaccel.observe.sample import Liveness, Pings, Sample, Tally
from vhostaccel.scenario.model import DisturbanceSpec

_DISTURB_TIMEOUT_S = 400.0
_REPETITION_TIMEOUT_S = 20.0
_USE_TIMEOUT_S = 400.0
"""A mode may want the guests started anew."""


class Host(Protocol):
    """The host under test, near or far."""

    def prepare(self, spec: HostSpec) -> Prepared:
        """Set up NICs, bridges and guests; return what it is made of."""

    def use(self, mode: str) -> None:
        """Give the running guests their frames this way from now on."""

    def sample(self) -> Sample:
        """Read every counter."""

    def tally(self) -> Tally:
        """Read how far the datapath CPU has come."""

    def watch(self, leave_out: Collection[str] = ()) -> None:
        """Start to watch the heartbeats of all guests but some, and the host's timer."""

    def disturb(self, spec: DisturbanceSpec) -> DisturbanceResult:
        """Disturb a guest or the host around it, and see whether all is as before."""

    def watched(self) -> Liveness:
        """Stop to watch, and return what was seen."""

    def last_words(self, guest: str) -> str:
        """Return the end of what a guest has printed on its console."""

    def derailed(self) -> tuple[str, ...]:
        """Return the names of the guests whose registers an emulated host has lost."""

    def ping(self, count: int) -> dict[str, Pings]:
        """Ping the guests through their taps, so often; return what came back."""

    def finish(self) -> tuple[str, ...]:
        """Undo everything; return what could not be undone or is left over."""


class RemoteHost:
    """The host under test inside the lab, called through the lab's channel."""

    def __init__(self, channel: Channel, says: Says) -> None:
        self._channel = channel
        self._says = says

    def prepare(self, spec: HostSpec) -> Prepared:
        """As `LocalHost.prepare`."""
        prepared = self._channel.call(
            "prepare", spec=to_plain(spec), says=self._says, timeout_s=600.0
        )
        return from_plain(Prepared, prepared)

    def use(self, mode: str) -> None:
        """As `LocalHost.use`."""
        self._channel.call("use", mode=mode, timeout_s=_USE_TIMEOUT_S)

    def sample(self) -> Sample:
        """As `LocalHost.sample`."""
        return from_plain(Sample, self._channel.call("sample"))

    def tally(self) -> Tally:
        """As `LocalHost.tally`."""
        return from_plain(Tally, self._channel.call("tally"))

    def watch(self, leave_out: Collection[str] = ()) -> None:
        """As `LocalHost.watch`."""
        self._channel.call("watch", leave_out=list(leave_out))

    def disturb(self, spec: DisturbanceSpec) -> DisturbanceResult:
        """As `LocalHost.disturb`."""
        limit_s = _DISTURB_TIMEOUT_S + spec.count * (_REPETITION_TIMEOUT_S + spec.hold)
        answer = self._channel.call("disturb", spec=to_plain(spec), timeout_s=limit_s)
        return from_plain(DisturbanceResult, answer)

    def watched(self) -> Liveness:
        """As `LocalHost.watched`."""
        return from_plain(Liveness, self._channel.call("watched"))

    def last_words(self, guest: str) -> str:
        """As `LocalHost.last_words`."""
        return str(self._channel.call("last_words", guest=guest))

    def derailed(self) -> tuple[str, ...]:
        """As `LocalHost.derailed`."""
        return tuple(str(name) for name in self._channel.call("derailed"))

    def ping(self, count: int) -> dict[str, Pings]:
        """As `LocalHost.ping`."""
        return from_plain(
            dict[str, Pings], self._channel.call("ping_guests", count=count)
        )

    def set_gro(self, *, on: bool) -> None:
        """As `LocalHost.set_gro`."""
        self._channel.call("set_gro", on=on)

    def finish(self) -> tuple[str, ...]:
        """As `LocalHost.finish`."""
        left = self._channel.call("finish", timeout_s=120.0)
        return tuple(str(leftover) for leftover in left)


class HostServer:
    """Answers the calls of a `RemoteHost`; the agent makes one."""

    def __init__(self, says: Says) -> None:
        del says
        self._host: LocalHost | None = None

    def serve(self, name: str, arguments: dict[str, Any], says: Says) -> Any:
        """Do what a call asks for and return its plain result."""
        if name == "prepare":
            self._host = LocalHost(says)
            return to_plain(self._host.prepare(from_plain(HostSpec, arguments["spec"])))
        if self._host is None:
            raise RuntimeError(f"prepare() comes before {name}")
        host = self._host
        calls: dict[str, Callable[[], object]] = {
            "use": lambda: host.use(str(arguments["mode"])),
            "sample": host.sample,
            "tally": host.tally,
            "watch": lambda: host.watch(arguments["leave_out"]),
            "disturb": lambda: host.disturb(
                from_plain(DisturbanceSpec, arguments["spec"])
            ),
            "watched": host.watched,
            "last_words": lambda: host.last_words(str(arguments["guest"])),
            "derailed": host.derailed,
            "ping_guests": lambda: host.ping(int(arguments["count"])),
            "set_gro": lambda: host.set_gro(on=bool(arguments["on"])),
            "finish": host.finish,
        }
        if name not in calls:
            raise RuntimeError(f"there is no call {name}")
        result = calls[name]()
        return None if result is None else to_plain(result)
