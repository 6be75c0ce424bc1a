# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel libvirt``: guests that virsh starts come up attached."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click
from rich.table import Table

from vhostaccel.cli.tables import console, table
from vhostaccel.codec import to_plain
from vhostaccel.errors import NaiError, SetupError
from vhostaccel.follow.hook import start
from vhostaccel.follow.hook_file import hook_installed
from vhostaccel.follow.seat import Followed, FollowerState, Seats
from vhostaccel.follow.wishes import WishState, await_follower, wishes
from vhostaccel.follow.wishes import disable as withdraw
from vhostaccel.follow.wishes import enable as write
from vhostaccel.guard.client import Guard
from vhostaccel.guard.model import taps_of
from vhostaccel.guests.hypervisor import Hypervisor
from vhostaccel.nai.client import KernelNai
from vhostaccel.nai.domain import Wish, WishMode, read_domain
from vhostaccel.nai.netdevs import Netdevs

_NOW_TIMEOUT_S = 20.0
_RESTART = (
    "libvirt had no hook when it started and does not look again: once, "
    "`systemctl restart libvirtd` (or virtqemud); guests keep running"
)


@click.group()
def libvirt() -> None:
    """Have guests attached whenever libvirt starts them."""


@libvirt.command()
@click.argument("domain")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in WishMode]),
    default=WishMode.AUTO.value,
    show_default=True,
    help="copy, xdp: a guest that stays on its tap is a fault; auto: copy, else xdp, "
    "and the tap is none.",
)
@click.option(
    "--interface",
    "interfaces",
    type=click.IntRange(min=0),
    multiple=True,
    help="Number of an interface; may be repeated [all].",
)
@click.option("--now", is_flag=True, help="Attach the running guest, too.")
def enable(domain: str, mode: str, interfaces: tuple[int, ...], now: bool) -> None:
    """Have DOMAIN attached from its next start on."""
    wish = Wish(
        mode=WishMode(mode),
        interfaces=tuple(sorted(set(interfaces))) or None,
    )
    with _hypervisor() as hypervisor:
        if now and wish.mode is WishMode.COPY:
            KernelNai().close()  # says so where the module is not loaded
        before, restart = write(hypervisor, domain, wish)
        if restart:
            click.echo(_RESTART)
        if not before.persistent:
            click.echo(f"{domain} is transient: the wish goes when it ends")
        if not before.running:
            click.echo(f"{domain} will be attached when it starts")
            return
        if not now:
            click.echo(
                f"{domain} will be attached at its next start; "
                f"`vhostaccel libvirt enable {domain} --now` does it at once"
            )
            return
        running = hypervisor.domain(domain).xml
    start(domain, running)
    said = await_follower(Seats(), read_domain(running), _NOW_TIMEOUT_S)
    _say(said, wish.mode)


@libvirt.command()
@click.argument("domain")
@click.option("--now", is_flag=True, help="Detach the running guest, too.")
def disable(domain: str, now: bool) -> None:
    """Leave DOMAIN on its taps from its next start on."""
    with _hypervisor() as hypervisor:
        known, last = withdraw(hypervisor, domain, Seats())
    if now:
        _detach({vnic.tap for vnic in known.vnics if vnic.tap})
    click.echo(f"{domain} will not be attached any more when it starts")
    if last:
        click.echo("no domain has a wish any more: the hook is removed")


@libvirt.command()
@click.argument("domain", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(domain: str | None, as_json: bool) -> None:
    """Show which domains are to be attached, and how far they are."""
    with _hypervisor() as hypervisor:
        if domain is not None:
            hypervisor.domain(domain)  # says so where there is none
        states = [
            state
            for state in wishes(hypervisor, Seats())
            if domain in (None, state.guest)
        ]
    installed = hook_installed()
    if as_json:
        plain = {"hook": installed, "domains": to_plain(states)}
        click.echo(json.dumps(plain, indent=2))
        return
    if states:
        console().print(_table(states))
    else:
        nobody = "no domain is" if domain is None else f"{domain} is not"
        click.echo(f"{nobody} to be attached")
    if states and not installed:
        click.echo("the hook is not installed: `vhostaccel libvirt enable` does it")


@contextmanager
def _hypervisor() -> Iterator[Hypervisor]:
    hypervisor = Hypervisor()
    try:
        yield hypervisor
    finally:
        hypervisor.close()


def _detach(taps: set[str]) -> None:
    netdevs, guard = Netdevs(), Guard()
    for tap in taps_of(guard.standing()) & taps:
        guard.detach(tap)
    with suppress(SetupError), KernelNai() as nai:
        for lease in nai.leases():
            if netdevs.name(lease.tap_ifindex) in taps:
                nai.detach(tap_ifindex=lease.tap_ifindex, tap_queue=lease.tap_queue)


def _say(said: FollowerState, mode: WishMode) -> None:
    for nic in said.nics:
        name = f"{said.guest}:{nic.index}"
        click.echo(f"{name} (tap {nic.tap}) {nic.state.value}: {nic.detail}")
    refused = [nic for nic in said.nics if nic.state is not Followed.ATTACHED]
    if refused and mode is not WishMode.AUTO:
        raise NaiError(
            f"{len(refused)} of {len(said.nics)} interfaces of {said.guest} stay on "
            "their taps",
            hint="the wish is kept and tried again; "
            f"`vhostaccel libvirt status {said.guest}`",
        )


def _table(states: list[WishState]) -> Table:
    made = table(("guest", "mode", "interfaces", "runs"), (), ("stands",))
    for state in states:
        listed = state.interfaces
        nics = "; ".join(
            f"{nic.index} ({nic.tap}) {nic.state.value}: {nic.detail}"
            for nic in state.nics
        )
        made.add_row(
            state.guest,
            state.mode,
            "all" if listed is None else ", ".join(map(str, listed)),
            "yes" if state.running else "no",
            state.problem or nics,
        )
    return made
