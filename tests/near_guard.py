# SPDX-License-Identifier: Apache-2.0
"""A guard whose keeper is in this process, and whose kernel side is not there."""

from contextlib import contextmanager

from tests.nai_factories import TAP0, TAP1
from vhostaccel.guard.client import Guard, NoKeeperError
from vhostaccel.guard.datapath import TapFile
from vhostaccel.guard.fake import FakeDatapath
from vhostaccel.guard.keeper import Keeper
from vhostaccel.guard.model import Event


class NearGuard(Guard):
    """A guard whose keeper is in this process."""

    def __init__(self, netdevs):
        files = (_tap_file(ifindex) for ifindex in (TAP0, TAP1, 20))
        self.datapath = FakeDatapath(*files)
        self.told: list[Event] = []
        self.interrupted = False
        self._keeper = Keeper(
            self.datapath, netdevs=netdevs, clock=self, tell=self.told.append
        )

    def look(self, moved):
        del moved
        return {}

    def attach(self, wish):
        guarded = self._keeper.attach(wish)
        if self.interrupted:
            raise KeyboardInterrupt
        return guarded

    def detach(self, tap):
        return self._keeper.detach(tap)

    def standing(self):
        return None if self._keeper.is_empty else self._keeper.standing()

    def end(self):
        """Let the keeper end, as a crash would."""
        self._keeper.detach_all()

    @contextmanager
    def events(self):
        if self._keeper.is_empty and not self.told:
            raise NoKeeperError
        yield iter(self.told)


def _tap_file(ifindex):
    return TapFile(tun=1, dev=2, ifindex=ifindex, queues=1, ring=1000, pid=7)
