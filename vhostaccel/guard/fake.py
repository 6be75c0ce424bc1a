# SPDX-License-Identifier: Apache-2.0
"""A kernel's side for the keeper that counts what it is told to, without a kernel."""

from vhostaccel.errors import GuardError
from vhostaccel.guard.datapath import CpuCounts, Fill, PortLink, TapFile
from vhostaccel.guard.model import Counts, GroupCounts


class FakeDatapath:
    """What `KernelDatapath` does, as far as the keeper can tell.

    Args:
        taps: the open files of taps.
        cpus: how many CPUs there are.
    """

    cast = True

    def __init__(self, *taps: TapFile, cpus: int = 1) -> None:
        self.files = taps
        self.counts = [CpuCounts() for _ in range(cpus)]
        self.guests: dict[int, Counts] = {}
        self.addresses: dict[tuple[int, bytes], int] = {}
        """Slots by port and address."""
        self.ports: set[int] = set()
        self.deadlines: dict[int, int] = {}
        self.refusal: GuardError | None = None
        """Raised when a guest is added."""
        self.is_closed = False

    def taps(self) -> tuple[TapFile, ...]:
        """As `Datapath.taps`."""
        return self.files

    def add_port(self, ifindex: int) -> PortLink:
        """As `Datapath.add_port`."""
        self.ports.add(ifindex)
        return PortLink(file=-1, native=True)

    def remove_port(self, ifindex: int, link: PortLink) -> None:
        """As `Datapath.remove_port`."""
        del link
        self.ports.remove(ifindex)

    def add_guest(self, slot: int, port: int, mac: bytes, tap: TapFile) -> None:
        """As `Datapath.add_guest`."""
        del tap
        if self.refusal is not None:
            raise self.refusal
        self.guests[slot] = Counts()
        self.addresses[port, mac] = slot

    def remove_guest(self, port: int, mac: bytes) -> None:
        """As `Datapath.remove_guest`."""
        self.addresses.pop((port, mac), None)

    def engage(self, cpu: int, until_ns: int) -> None:
        """As `Datapath.engage`."""
        self.deadlines[cpu] = until_ns

    def cpu_counts(self) -> list[CpuCounts]:
        """As `Datapath.cpu_counts`."""
        return list(self.counts)

    def guest_counts(self, slot: int) -> Counts:
        """As `Datapath.guest_counts`."""
        return self.guests[slot]

    def fill(self, slot: int) -> Fill:
        """As `Datapath.fill`."""
        del slot
        return Fill(congested=False, queues=1)

    def group_counts(self, port: int) -> GroupCounts:
        """As `Datapath.group_counts`."""
        del port
        return GroupCounts()

    def close(self) -> None:
        """As `Datapath.close`."""
        self.is_closed = True
