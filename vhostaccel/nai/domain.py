# SPDX-License-Identifier: Apache-2.0
"""What a libvirt domain's XML says of its virtual NICs, and of our wish for them.

The wish is one element in the domain's metadata, in a name space of our own::

    <metadata>
      <vhostaccel:nai xmlns:vhostaccel="urn:vhostaccel:nai:1" mode="auto" interfaces="0"/>
    </metadata>

Without ``interfaces`` it holds for all of them.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from enum import Enum

NAMESPACE = "urn:vhostaccel:nai:1"
PREFIX = "vhostaccel"


class WishMode(Enum):
    """How a guest is to get its frames."""

    COPY = "copy"
    XDP = "xdp"
    AUTO = "auto"
    """COPY, else XDP; where neither can be had, the tap is no fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to happen whenever the guest starts."""

    mode: WishMode
    interfaces: tuple[int, ...] | None
    """Numbers of the virtual NICs, or None for all."""

    def covers(self, index: int) -> bool:
        """Say whether it is for this virtual NIC."""
        return self.interfaces is None or index in self.interfaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Vnic:
    """A virtual NIC of a domain."""

    index: int
    """Its place among the domain's interfaces, from 0."""
    mac: str
    tap: str | None
    """None while the domain does not run, or where it is no tap."""
    alias: str | None
    """libvirt's name of it, ``net0``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A libvirt domain, as far as leases go."""

    name: str
    uuid: str
    vnics: tuple[Vnic, ...]
    wish: Wish | None
    wish_error: str | None = None
    """Why a wish that is there cannot be read."""

    def wished(self) -> tuple[Vnic, ...]:
        """Return the virtual NICs that have a tap and that the wish covers."""
        wish = self.wish
        if wish is None:
            return ()
        return tuple(v for v in self.vnics if v.tap and wish.covers(v.index))


def read_domain(xml: str) -> Domain:
    """Read a domain's XML.

    Raises:
        ValueError: If it is none.
    """
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise ValueError(f"no domain XML: {error}") from None
    found = root.findall("devices/interface")
    wish, wish_error = _wish(root.find(f"metadata/{{{NAMESPACE}}}nai"))
    return Domain(
        name=root.findtext("name", ""),
        uuid=root.findtext("uuid", ""),
        vnics=tuple(_vnic(index, element) for index, element in enumerate(found)),
        wish=wish,
        wish_error=wish_error,
    )


def wish_xml(wish: Wish) -> str:
    """Return the wish as libvirt takes it, which adds the name space itself."""
    element = ET.Element("nai", mode=wish.mode.value)
    if wish.interfaces is not None:
        element.set("interfaces", " ".join(map(str, wish.interfaces)))
    return ET.tostring(element, encoding="unicode")


def _vnic(index: int, element: ET.Element) -> Vnic:
    def attribute(tag: str, name: str) -> str | None:
        child = element.find(tag)
        return None if child is None else child.get(name)

    # A macvtap is a target device too, and never a backend that could take a lease.
    is_tap = element.get("type") not in ("direct", "hostdev", "vhostuser", "user")
    return Vnic(
        index=index,
        mac=(attribute("mac", "address") or "").lower(),
        tap=attribute("target", "dev") if is_tap else None,
        alias=attribute("alias", "name"),
    )


def _wish(element: ET.Element | None) -> tuple[Wish | None, str | None]:
    if element is None:
        return None, None
    listed = element.get("interfaces")
    try:
        mode = WishMode(element.get("mode", WishMode.AUTO.value))
        indexes = None if listed is None else tuple(map(int, listed.split()))
    except ValueError as error:
        return None, f"the element nai in the metadata: {error}"
    return Wish(mode=mode, interfaces=indexes), None
