# SPDX-License-Identifier: Apache-2.0
"""What every run in the lab begins with: all provided, the lab booted, the host made ready."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.guests.image import provide_image
from vhostaccel.guests.plan import NIC_MACS
from vhostaccel.host import RemoteHost
from vhostaccel.kmod.build import provide_modules
from vhostaccel.kmod.debug_kernel import companion, provide_debug_kernel
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.lab.drivers import IN_KERNEL
from vhostaccel.lab.kernel import Kernel, build_module, provide_kernel
from vhostaccel.lab.machine import Machine, Report, boot
from vhostaccel.lab.provision import PROJECT, provide_tools
from vhostaccel.lab.splats import Splat
from vhostaccel.local.spec import HostSpec
from vhostaccel.modes.table import MODES
from vhostaccel.scenario.model import GuestSpec, LabSpec

ANCHOR = PROJECT / "kmod" / "anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """What a run needs besides its scenario."""

    kernel: Kernel
    """Of the host under test: the distribution's, or a debug kernel."""
    guest_kernel: Kernel
    """Always the distribution's: a guest is what operators run."""
    guest_image: Path
    tools: dict[str, Path]
    anchor: Path
    modules: Path | None
    """Folder of the project's own modules, where a mode needs them; a debug kernel
    brings its own."""


def provide(modes: Sequence[str], report: Report, debug: str | None = None) -> Provided:
    """Return kernel, image, tools and modules, made if they are not in the cache.

    Args:
        modes: those to be run.
        report: is told what is made.
        debug: the debug kernel for the host under test, by its configuration's name.

    Raises:
        UsageError: If there is no such debug kernel.
        ProvideError: If one cannot be had.
    """
    kernel = provide_kernel(report)
    if debug is not None:
        debugged = provide_debug_kernel(debug, report)
        return Provided(
            kernel=debugged,
            guest_kernel=kernel,
            guest_image=provide_image(kernel),
            tools=provide_tools(report),
            anchor=companion(debugged, "igb_anchor"),
            modules=None,
        )
    return Provided(
        kernel=kernel,
        guest_kernel=kernel,
        guest_image=provide_image(kernel),
        tools=provide_tools(report),
        anchor=build_module(kernel, ANCHOR, report) / "igb_anchor.ko",
        modules=provide_modules(kernel, report)
        if any(MODES[mode].needs_own_modules for mode in modes)
        else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Testbed:
    """A lab that runs, and the host under test in it, made ready."""

    machine: Machine
    host: RemoteHost
    facts: dict[str, str]
    """What the host is made of, for the record."""
    lacks: dict[str, str]
    """Modes that it cannot have, and why."""
    debugged: bool
    """Its kernel checks every step, so that no speed of it is judged."""


@contextmanager
def open_testbed(
    name: str,
    modes: Sequence[str],
    lab: LabSpec,
    guest: GuestSpec,
    provided: Provided,
    *,
    folder: Path,
    report: Report,
) -> Iterator[Testbed]:
    """Boot a lab and make the host in it ready; end the lab when the block is left.

    Args:
        name: what the run is called; the lab's folder begins with it.
        modes: those to be run.
        lab: its size and time base.
        guest: the guests on the host.
        provided: what it is made of.
        folder: of the run; the lab's console is kept there, however the run ends.
        report: is told what happens, a line at a time.

    Raises:
        ProvideError: If the lab or a guest failed.
        SkipError: If no mode can be had.
    """
    with boot(
        lab,
        provided.kernel,
        name=f"{name}-{int(time.time())}",
        nic_macs=NIC_MACS,
        report=report,
    ) as machine:
        try:
            host = RemoteHost(machine.channel, report)
            prepared = host.prepare(host_spec(modes, lab, guest, provided))
            yield Testbed(
                machine=machine,
                host=host,
                facts=prepared.facts | _debug_facts(provided.kernel),
                lacks=prepared.lacks,
                debugged=provided.kernel.debug is not None,
            )
        finally:
            _keep(machine.console, folder)


def host_spec(
    modes: Sequence[str], lab: LabSpec, guest: GuestSpec, provided: Provided
) -> HostSpec:
    """Return what the host under test is made ready for."""
    return HostSpec(
        modes=tuple(modes),
        placement=lab.placement,
        threaded_napi=lab.threaded_napi,
        guest=guest,
        kernel_image=str(provided.guest_kernel.image),
        guest_image=str(provided.guest_image),
        vfwd=str(provided.tools["vfwd"]),
        cpuprobe=str(provided.tools["cpuprobe"]),
        anchor=str(provided.anchor),
        modules=_modules(provided),
        icount=lab.icount,
    )


def _modules(provided: Provided) -> str | None:
    if provided.kernel.debug is not None:
        return IN_KERNEL
    return str(provided.modules) if provided.modules else None


def _debug_facts(kernel: Kernel) -> dict[str, str]:
    if kernel.debug is None:
        return {}
    return {"debug kernel": f"{kernel.debug.config}, key {kernel.debug.key}"}


def _told(splat: Splat) -> str:
    counts = (
        "counts" if splat.counts else "does not count: nothing of ours has part in it"
    )
    return f"## {splat.kind}, {counts}\n{splat.report}"


def _keep(console: ConsoleLog, folder: Path) -> None:
    """Keep what the lab's kernel said: the lab's own folder goes, and why it died with it."""
    # A full disk is told of where the record is written.
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "console.log").write_text(console.text())
        if splats := console.splats():
            (folder / "splats.txt").write_text("\n\n".join(map(_told, splats)) + "\n")
