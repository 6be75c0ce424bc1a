# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel attach``, ``detach`` and ``list``: the modes of running guests."""

import json

import click
from rich.table import Table

from vhostaccel.cli.guarding import attach_guard, guard_ports, guard_table, taps_of
from vhostaccel.cli.tables import console, table
from vhostaccel.codec import to_plain
from vhostaccel.errors import SetupError, UsageError
from vhostaccel.guard.client import Guard
from vhostaccel.guard.model import Standing
from vhostaccel.nai.address import Target, resolve
from vhostaccel.nai.client import KernelNai
from vhostaccel.nai.domain import WishMode
from vhostaccel.nai.domains import running_domains
from vhostaccel.nai.family import FqState
from vhostaccel.nai.lease import NoPortError, give_back, take
from vhostaccel.nai.model import Port, mac_bytes
from vhostaccel.nai.netdevs import Netdevs
from vhostaccel.nai.rows import Row, read_rows

_XDP = "xdp"
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("target")
@click.option("--port", help="NIC port [the only one in the tap's bridge that can].")
@click.option(
    "--mode",
    type=click.Choice([*(mode.value for mode in WishMode), _XDP]),
    default=WishMode.COPY.value,
    show_default=True,
    help="copy: a queue of the NIC; xdp: the tap, with early drop at the NIC; auto: "
    "copy, or stay on tap, and say why, where no port lends queues.",
)
@click.option("--mac", help="The guest's address [as libvirt knows it].")
@click.option(
    "--queue", type=click.IntRange(min=0), default=0, help="Queue of the tap [0]."
)
@click.option("--force", is_flag=True, help="copy: bypass host policy on the tap.")
@click.option("--always", is_flag=True, help="xdp: also where CPUs have time left.")
@_JSON
def attach(
    target: str,
    port: str | None,
    mode: str,
    mac: str | None,
    queue: int,
    force: bool,
    always: bool,
    as_json: bool,
) -> None:
    """Give a running guest's virtual NIC a hardware queue of the NIC, or the guard.

    TARGET is a guest and the number of its interface (nfv0:0), a tap, or a MAC.
    """
    netdevs = Netdevs()
    if mac is not None:
        mac = _checked_mac(mac)
    if mode == _XDP:
        found = resolve(target, netdevs, running_domains)
        attach_guard(
            Guard(), netdevs, found, port=port, mac=mac, always=always, as_json=as_json
        )
        return
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
    """End a lease or the guard; the guest's frames come through the tap alone again.

    TARGET is a guest and the number of its interface (nfv0:0), a tap, or a MAC.
    """
    netdevs = Netdevs()
    found = resolve(target, netdevs, running_domains)
    ended: tuple[int, ...] = ()
    if not Guard().detach(found.tap):
        try:
            with KernelNai() as nai:
                ended = give_back(nai, found)
        except SetupError as error:
            raise SetupError(
                f"{found} is not guarded, and has no lease: {error.what}",
                hint="`vhostaccel attach` begins; with `--mode xdp` it needs no module",
            ) from None
    if as_json:
        click.echo(json.dumps(_plain(found, "tap") | {"ended": ended}, indent=2))
    else:
        click.echo(f"{found} takes its frames from the tap")


@click.command("list")
@_JSON
def list_leases(as_json: bool) -> None:
    """Show how every guest on vhost-net gets its frames, and who is guarded."""
    netdevs = Netdevs()
    guard = Guard().standing()
    rows: tuple[Row, ...] = ()
    ports: tuple[Port, ...] = ()
    missing: str | None = None
    try:
        with KernelNai() as nai:
            rows = read_rows(nai, netdevs, running_domains)
            ports = nai.ports()
    except SetupError as error:
        if guard is None:
            raise SetupError(
                f"nothing is guarded, and {error.what}", hint=error.hint
            ) from None
        missing = error.what
    if as_json:
        click.echo(json.dumps(_listed(rows, ports, guard, netdevs), indent=2))
        return
    if guard is not None:
        console().print(guard_table(guard))
        click.echo(guard_ports(guard))
    if missing is not None:
        click.echo(f"no frame queues: {missing}")
        return
    if rows:
        console().print(_guests(rows, taps_of(guard)))
    else:
        click.echo("no guest runs on vhost-net")
    click.echo(_ports(ports, netdevs))


def _listed(
    rows: tuple[Row, ...],
    ports: tuple[Port, ...],
    guard: Standing | None,
    netdevs: Netdevs,
) -> dict[str, object]:
    guarded = taps_of(guard)
    return {
        "guests": [to_plain(row) | {"mode": _mode(row, guarded)} for row in rows],
        "ports": [
            {"name": netdevs.name(port.ifindex)} | to_plain(port) for port in ports
        ],
        "guard": to_plain(guard),
    }


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


def _mode(row: Row, guarded: frozenset[str]) -> str:
    return _XDP if row.lease is None and row.tap in guarded else row.mode


def _guests(rows: tuple[Row, ...], guarded: frozenset[str]) -> Table:
    made = table(
        ("guest", "tap", "mode", "port", "stock"),
        ("delivered", "hw drops", "drops", "starved"),
        ("ended before",),
    )
    for row in rows:
        made.add_row(*_cells(row, _mode(row, guarded)), _ended(row))
    return made


def _cells(row: Row, mode: str) -> tuple[str, ...]:
    tap = row.tap if row.tap_queue == 0 else f"{row.tap}/{row.tap_queue}"
    if row.lease is None:
        return (row.name, tap, mode, *[""] * 6)
    lease, stats = row.lease, row.lease.stats
    overruns = stats.rx_hw_drop_overruns
    return (
        row.name,
        tap,
        mode,
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
