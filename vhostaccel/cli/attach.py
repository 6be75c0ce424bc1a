# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel attach``, ``detach`` and ``list``: leases of running guests."""

import json

import click
from rich.table import Table

from vhostaccel.cli.tables import console, table
from vhostaccel.codec import to_plain
from vhostaccel.errors import UsageError
from vhostaccel.nai.address import Target, resolve
from vhostaccel.nai.client import KernelNai
from vhostaccel.nai.domain import WishMode
from vhostaccel.nai.domains import running_domains
from vhostaccel.nai.family import FqState
from vhostaccel.nai.lease import NoPortError, give_back, take
from vhostaccel.nai.model import Port, mac_bytes
from vhostaccel.nai.netdevs import Netdevs
from vhostaccel.nai.rows import Row, read_rows

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("target")
@click.option("--port", help="NIC port [the only lending one in the tap's bridge].")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in WishMode]),
    default=WishMode.COPY.value,
    show_default=True,
    help="auto: stay on tap, and say why, where no port lends queues.",
)
@click.option("--mac", help="The guest's address [as libvirt knows it].")
@click.option(
    "--queue", type=click.IntRange(min=0), default=0, help="Queue of the tap [0]."
)
@click.option("--force", is_flag=True, help="Bypass host policy on the tap.")
@_JSON
def attach(
    target: str,
    port: str | None,
    mode: str,
    mac: str | None,
    queue: int,
    force: bool,
    as_json: bool,
) -> None:
    """Give a running guest's virtual NIC a hardware queue of the NIC.

    TARGET is a guest and the number of its interface (nfv0:0), a tap, or a MAC.
    """
    netdevs = Netdevs()
    if mac is not None:
        mac = _checked_mac(mac)
    with KernelNai() as nai:
        found = resolve(target, netdevs, running_domains)
        try:
            name, lease = take(
                nai, netdevs, found, port=port, queue=queue, mac=mac, force=force
            )
        except NoPortError as error:
            if WishMode(mode) is not WishMode.AUTO:
                raise
            _say_tap(found, error, as_json)
            return
        paused = any(
            held.id == lease.id and held.state is FqState.PAUSED
            for held in nai.leases()
        )
    if as_json:
        plain = _plain(found, lease.mode.value)
        click.echo(json.dumps(plain | {"port": name} | to_plain(lease), indent=2))
        return
    click.echo(
        f"{found} takes its frames from queue {lease.port_queue} of {name}, "
        f"mode {lease.mode.value}"
    )
    if paused:
        click.echo(f"{name} is down; the queue runs once it is up")


@click.command()
@click.argument("target")
@_JSON
def detach(target: str, as_json: bool) -> None:
    """End a lease; the guest's frames come through the tap again.

    TARGET is a guest and the number of its interface (nfv0:0), a tap, or a MAC.
    """
    netdevs = Netdevs()
    with KernelNai() as nai:
        found = resolve(target, netdevs, running_domains)
        ended = give_back(nai, found)
    if as_json:
        click.echo(json.dumps(_plain(found, "tap") | {"ended": ended}, indent=2))
    else:
        click.echo(f"{found} takes its frames from the tap")


@click.command("list")
@_JSON
def list_leases(as_json: bool) -> None:
    """Show how every guest on vhost-net gets its frames."""
    netdevs = Netdevs()
    with KernelNai() as nai:
        rows = read_rows(nai, netdevs, running_domains)
        ports = nai.ports()
    if as_json:
        plain = {
            "guests": [to_plain(row) | {"mode": row.mode} for row in rows],
            "ports": [
                {"name": netdevs.name(port.ifindex)} | to_plain(port) for port in ports
            ],
        }
        click.echo(json.dumps(plain, indent=2))
        return
    if rows:
        console().print(_guests(rows))
    else:
        click.echo("no guest runs on vhost-net")
    click.echo(_ports(ports, netdevs))


def _checked_mac(text: str) -> str:
    try:
        return mac_bytes(text).hex(":")
    except ValueError as error:
        raise UsageError(f"--mac: {error}", hint="the guest's own address") from None


def _say_tap(found: Target, error: NoPortError, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_plain(found, "tap") | {"why": error.what}, indent=2))
    else:
        click.echo(f"{found} stays on its tap: {error}")


def _plain(found: Target, mode: str) -> dict[str, object]:
    plain: dict[str, object] = to_plain(found)
    return plain | {"mode": mode}


def _guests(rows: tuple[Row, ...]) -> Table:
    made = table(
        ("guest", "tap", "mode", "port", "stock"),
        ("delivered", "hw drops", "drops", "starved"),
        ("ended before",),
    )
    for row in rows:
        made.add_row(*_cells(row), _ended(row))
    return made


def _cells(row: Row) -> tuple[str, ...]:
    tap = row.tap if row.tap_queue == 0 else f"{row.tap}/{row.tap_queue}"
    if row.lease is None:
        return (row.name, tap, row.mode, *[""] * 6)
    lease, stats = row.lease, row.lease.stats
    overruns = stats.rx_hw_drop_overruns
    return (
        row.name,
        tap,
        row.mode,
        f"{lease.port}/{lease.queue}",
        lease.stock,
        f"{stats.rx_packets:,}",
        "?" if overruns is None else f"{overruns:,}",
        f"{stats.rx_drops:,}",
        f"{stats.starved:,}",
    )


def _ended(row: Row) -> str:
    if row.last_reason is None:
        return ""
    fallbacks = f", {row.fallbacks} fallbacks" if row.fallbacks else ""
    return f"{row.last_reason.value}{fallbacks}"


def _ports(ports: tuple[Port, ...], netdevs: Netdevs) -> str:
    if not ports:
        return "no port lends frame queues: is the project's NIC driver loaded?"
    shown = [
        f"{netdevs.shown(port.ifindex)} ({port.driver}, {port.leased} of "
        f"{port.max_queues} leased)"
        for port in ports
    ]
    return f"ports that lend frame queues: {', '.join(shown)}"
