# SPDX-License-Identifier: Apache-2.0
"""What the host under test is made ready for; plain data, for it crosses into the lab."""

from dataclasses import dataclass

from vhostaccel.scenario.model import GuestSpec, Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """What the host under test is made ready for."""

    modes: tuple[str, ...]
    """Those that `use` will be asked for."""
    placement: Placement
    threaded_napi: bool
    guest: GuestSpec
    kernel_image: str
    guest_image: str
    vfwd: str
    cpuprobe: str
    anchor: str | None
    """The companion module for emulated NICs, or None on real ones."""
    modules: str | None
    """Folder of the project's own modules or `drivers.IN_KERNEL`; None for the
    distribution's."""
    icount: bool = False
    """Whether its clock counts instructions."""
    libvirt_hook: bool = False
    """Whether libvirt starts with our hook in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What came of making the host ready."""

    facts: dict[str, str]
    """What it is made of, in the order to be shown."""
    lacks: dict[str, str]
    """Modes that it cannot have, and why; `use` takes the others."""
