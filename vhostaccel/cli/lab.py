# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel lab``: a lab of one's own, to look around in."""

import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click

from vhostaccel.cli.output import say
from vhostaccel.guests.plan import NIC_MACS
from vhostaccel.host import RemoteHost
from vhostaccel.lab.machine import boot, find
from vhostaccel.modes.table import MODES
from vhostaccel.scenario.fields import MOST_CPUS, MOST_GUESTS
from vhostaccel.scenario.model import GuestSpec, LabSpec
from vhostaccel.testbed import host_spec, provide

_NAME = "default"
_LEAVE = b"\x1d"


@click.group()
def lab() -> None:
    """Start, use and end a lab of your own."""


@lab.command()
@click.option(
    "--cpus",
    type=click.IntRange(1, MOST_CPUS),
    default=2,
    show_default=True,
    help="CPUs of the lab.",
)
@click.option("--guest/--no-guest", default=True, help="Start the NFV guest nfv0.")
@click.option(
    "--guests",
    type=click.IntRange(1, MOST_GUESTS),
    default=1,
    show_default=True,
    help="How many guests.",
)
@click.option(
    "--mode",
    type=click.Choice(list(MODES)),
    default="tap",
    show_default=True,
    help="How the guest gets its frames; copy, copy-tx and seed load the project's modules.",
)
@click.option(
    "--libvirt-hook", is_flag=True, help="Start libvirt with our hook in its place."
)
@click.option("--kernel", help="Debug kernel to boot, as `kmod debug-kernel` names it.")
def up(
    cpus: int,
    guest: bool,
    guests: int,
    mode: str,
    libvirt_hook: bool,
    kernel: str | None,
) -> None:
    """Start the lab, and in it a forwarding guest; it stays until `lab down`."""
    provided = provide((mode,), say, kernel)
    size = LabSpec(cpus=cpus)
    machine = boot(
        size,
        provided.kernel,
        name=_NAME,
        nic_macs=NIC_MACS,
        report=say,
        detached=True,
    )
    try:
        if guest:
            host = RemoteHost(machine.channel, say)
            spec = host_spec((mode,), size, GuestSpec(count=guests), provided)
            host.prepare(replace(spec, libvirt_hook=libvirt_hook))
            host.use(mode)
    except BaseException:
        machine.down()
        raise
    machine.detach()
    say("the lab is up: `vhostaccel lab exec virsh list`, `lab shell`, `lab down`")


@lab.command(context_settings={"ignore_unknown_options": True})
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="Limit [s].",
)
def exec(argv: tuple[str, ...], timeout: float) -> int:
    """Run a program in the lab; ends with its exit status."""
    machine = find(_NAME)
    try:
        status = machine.channel.call(
            "exec",
            argv=list(argv),
            says=lambda line: click.echo(line, nl=False),
            timeout_s=timeout,
        )
    finally:
        machine.detach()
    return int(status)


@lab.command()
def shell() -> None:
    """Open a terminal in the lab; leave it with Ctrl-]."""
    machine = find(_NAME)
    machine.detach()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as terminal:
        terminal.connect(os.fspath(machine.files.shell))
        click.echo("leave with Ctrl-]", err=True)
        terminal.sendall(b"\n")
        with _raw(sys.stdin.fileno()):
            _relay(terminal, sys.stdin.fileno(), sys.stdout.fileno())
    click.echo()


@lab.command()
def down() -> None:
    """End the lab; nothing of it stays."""
    find(_NAME).down()
    say("the lab is down")


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    if not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _relay(terminal: socket.socket, keys: int, screen: int) -> None:
    while True:
        ready, _, _ = select.select([terminal.fileno(), keys], [], [])
        if terminal.fileno() in ready:
            shown = terminal.recv(4096)
            if not shown:
                return
            os.write(screen, shown)
        if keys in ready:
            typed = os.read(keys, 4096)
            if not typed or _LEAVE in typed:
                return
            terminal.sendall(typed)
