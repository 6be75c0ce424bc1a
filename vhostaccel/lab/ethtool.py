# SPDX-License-Identifier: Apache-2.0
"""What the ethtool ioctl tells and changes of a network device (linux/ethtool.h)."""

import array
import fcntl
import socket
import struct

from vhostaccel.errors import LabError
from vhostaccel.lab.state import HostState

_SIOCETHTOOL = 0x8946
_NWAY_RST = 0x09
_GRINGPARAM = 0x10
_GGRO, _SGRO = 0x2B, 0x2C
_OFFLOADS = {
    "rx checksum": 0x14,
    "tx checksum": 0x16,
    "TSO": 0x1E,
    "GSO": 0x23,
    "GRO": _GGRO,
}


def ring_sizes(name: str) -> tuple[int, int]:
    """Return how many receive and transmit descriptors a NIC's rings have."""
    # struct ethtool_ringparam: cmd, four maxima, rx, mini, jumbo, tx.
    fields = _ethtool(name, struct.pack("9I", _GRINGPARAM, *[0] * 8))
    values = struct.unpack("9I", fields)
    return values[5], values[8]


def offloads(name: str) -> str:
    """Return which offloads of a device are on, and which are off."""
    states = []
    for label, command in _OFFLOADS.items():
        value = struct.unpack("2I", _ethtool(name, struct.pack("2I", command, 0)))[1]
        states.append(f"{label} {'on' if value else 'off'}")
    return ", ".join(states)


def set_gro(state: HostState, name: str, *, on: bool) -> None:
    """Let a NIC merge what it receives (GRO) or not; the host state's undo restores it.

    Raises:
        LabError: If the driver refuses.
    """
    before = struct.unpack("2I", _ethtool(name, struct.pack("2I", _GGRO, 0)))[1]
    if bool(before) == on:
        return
    state.defer(f"restore GRO of {name}", lambda: _set_gro(name, before))
    _set_gro(name, int(on))


def negotiate_anew(name: str) -> None:
    """Let a NIC port negotiate its link anew, as `ethtool -r` does.

    Raises:
        LabError: If the driver refuses.
    """
    try:
        _ethtool(name, struct.pack("2I", _NWAY_RST, 0))
    except OSError as error:
        raise LabError(
            f"cannot negotiate the link of {name} anew: {error.strerror}",
            hint=f"`ethtool -r {name}`, and see the lab's console",
        ) from None


def _set_gro(name: str, value: int) -> None:
    try:
        _ethtool(name, struct.pack("2I", _SGRO, value))
    except OSError as error:
        raise LabError(
            f"cannot set GRO of {name} {'on' if value else 'off'}: {error.strerror}",
            hint=f"`ethtool -k {name}` tells what it can change",
        ) from None


def _ethtool(name: str, request: bytes) -> bytes:
    """Do one request of the ethtool ioctl (ethtool(8), linux/ethtool.h)."""
    data = array.array("B", request)
    address, _ = data.buffer_info()
    asked = struct.pack("16sP", name.encode(), address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, asked)
    return data.tobytes()
