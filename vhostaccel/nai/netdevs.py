# SPDX-License-Identifier: Apache-2.0
"""Network devices by name and number, and who is whose bridge port, from sysfs."""

from pathlib import Path

_NET = Path("/sys/class/net")
_IFF_TAP = 0x2


class Netdevs:
    """The network devices of this host's present name space.

    Args:
        folder: where sysfs shows them.
    """

    def __init__(self, folder: Path = _NET) -> None:
        self._folder = folder

    def ifindex(self, name: str) -> int | None:
        """Return the number of a device, or None if there is none of that name."""
        # A name comes from a command line; it must not lead out of the folder.
        if not name or "/" in name or name in (".", ".."):
            return None
        try:
            return int((self._folder / name / "ifindex").read_text())
        except (OSError, ValueError):
            return None

    def name(self, ifindex: int) -> str | None:
        """Return the name of a device, or None if it is gone."""
        for entry in self._folder.iterdir():
            if self.ifindex(entry.name) == ifindex:
                return entry.name
        return None

    def shown(self, ifindex: int) -> str:
        """Return the name of a device for a person, whatever became of it."""
        return self.name(ifindex) or f"#{ifindex}"

    def has_link(self, name: str) -> bool:
        """Say whether the device is up and has a carrier; a tap has one with a reader."""
        try:
            return (self._folder / name / "carrier").read_text().strip() == "1"
        except OSError:  # the device is down, or gone
            return False

    def is_threaded(self, name: str) -> bool:
        """Say whether threads of their own receive for the device, not softirqs."""
        try:
            return (self._folder / name / "threaded").read_text().strip() == "1"
        except OSError:
            return False

    def is_hardware(self, name: str) -> bool:
        """Say whether the device is a card, not made of software alone."""
        return (self._folder / name / "device").exists()

    def is_tap(self, name: str) -> bool:
        """Say whether the device is a tap."""
        try:
            flags = (self._folder / name / "tun_flags").read_text()
        except OSError:
            return False
        return bool(int(flags, 16) & _IFF_TAP)

    def bridge(self, name: str) -> str | None:
        """Return the Linux bridge that the device is a port of, or None."""
        try:
            bridge = (self._folder / name / "master").readlink().name
        except OSError:
            return None
        # Open vSwitch and bonds are masters too, and show no such folder.
        return bridge if (self._folder / bridge / "bridge").is_dir() else None

    def bridge_ports(self, bridge: str) -> tuple[str, ...]:
        """Return the names of a bridge's ports."""
        try:
            entries = (self._folder / bridge / "brif").iterdir()
            return tuple(sorted(entry.name for entry in entries))
        except OSError:
            return ()
