# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel attach``, ``detach`` and ``list``: the modes of running guests."""

import json
from contextlib import ExitStack

import click
from rich.table import Table

from vhostaccel.cli.guarding import attach_guard, guard_ports, guard_table, say_guarded
from vhostaccel.cli.tables import console, table
from vhostaccel.codec import to_plain
from vhostaccel.errors import SetupError, UsageError
from vhostaccel.follow.seat import Followed, Seats
from vhostaccel.guard.client import Guard
from vhostaccel.guard.model import Standing, taps_of
from vhostaccel.modes.auto import Asked, Choice, choose
from vhostaccel.nai.address import Target, resolve
from vhostaccel.nai.client import KernelNai, Nai
from vhostaccel.nai.domain import WishMode
from vhostaccel.nai.domains import running_domains
from vhostaccel.nai.family import FqState, Mode
from vhostaccel.nai.lease import give_back, take
from vhostaccel.nai.model import Attached, Port, mac_bytes, shown_mode
from vhostaccel.nai.netdevs import Netdevs
from vhostaccel.nai.rows import Row, read_rows

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("target")
@click.option("--port", help="NIC port [the only one in the tap's bridge that can].")
@click.option(
    "--mode",
    type=click.Choice([*(mode.value for mode in WishMode), Mode.SEED.value]),
    default=WishMode.COPY.value,
    show_default=True,
    help="copy: a queue of the NIC; seed: one that writes to the guest's own memory; "
    "xdp: the tap, with early drop at the NIC; auto: copy, else xdp, else the tap, and "
    "say why nothing better.",
)
@click.option("--mac", help="The guest's address [as libvirt knows it].")
@click.option(
    "--queue", type=click.IntRange(min=0), default=0, help="Queue of the tap [0]."
)
@click.option("--force", is_flag=True, help="Not xdp: bypass host policy on the tap.")
@click.option(
    "--tx", is_flag=True, help="copy, seed: its own frames go by the queue too."
)
@click.option("--always", is_flag=True, help="xdp: also where CPUs have time left.")
@_JSON
def attach(
    target: str,
    port: str | None,
    mode: str,
    mac: str | None,
    queue: int,
    force: bool,
    tx: bool,
    always: bool,
    as_json: bool,
) -> None:
    """Give a running guest's virtual NIC a hardware queue of the NIC, or the guard.

    TARGET is a guest and the number of its interface (nfv0:0), a tap, or a MAC.
    """
    netdevs = Netdevs()
    if mac is not None:
        mac = _checked_mac(mac)
    found = resolve(target, netdevs, running_domains)
    asked = Asked(
        target=found, port=port, mac=mac, queue=queue, force=force, always=always
    )
    if mode == WishMode.AUTO.value:
        _attach_best(asked, netdevs, as_json=as_json)
    elif mode == WishMode.XDP.value:
        attach_guard(
            Guard(), netdevs, found, port=port, mac=mac, always=always, as_json=as_json
        )
    else:
        with KernelNai() as nai:
            leased = take(
                nai,
                netdevs,
                found,
                port=port,
                queue=queue,
                mac=mac,
                force=force,
                tx=tx,
                mode=Mode(mode),
            )
            _say_leased(nai, found, leased, tx=tx, as_json=as_json)


def _attach_best(asked: Asked, netdevs: Netdevs, *, as_json: bool) -> None:
    with ExitStack() as stack:
        nai: Nai | SetupError
        try:
            nai = stack.enter_context(KernelNai())
        except SetupError as error:
            nai = error
        choice = choose(asked, nai, Guard(), netdevs)
        if choice.lease is not None and not isinstance(nai, SetupError):
            _say_leased(nai, asked.target, choice.lease, tx=False, as_json=as_json)
    if choice.lease is None:
        _say_choice(asked.target, choice, as_json=as_json)


def _say_choice(found: Target, choice: Choice, *, as_json: bool) -> None:
    """Tell what became of one that got no lease, and why."""
    if choice.guarded is not None:
        say_guarded(found, choice.guarded, as_json=as_json)
    elif as_json:
        why = [to_plain(passed) for passed in choice.passed_over]
        click.echo(json.dumps(_plain(found, "tap") | {"why": why}, indent=2))
    else:
        click.echo(f"{found} stays on its tap, for no better mode can be had")
    if not as_json:
        for passed in choice.passed_over:
            click.echo(f"not {passed}\n  hint: {passed.hint}")


def _say_leased(
    nai: Nai, found: Target, leased: tuple[str, Attached], *, tx: bool, as_json: bool
) -> None:
    name, lease = leased
    taken = shown_mode(lease.mode, tx=tx)
    if as_json:
        plain = _plain(found, taken) | {"port": name} | to_plain(lease)
        click.echo(json.dumps(plain | {"mode": taken}, indent=2))
        return
    click.echo(
        f"{found} takes its frames from queue {lease.port_queue} of {name}, "
        f"mode {taken}"
    )
    held = {held.id: held.state for held in nai.leases()}
    if held.get(lease.id) is FqState.PAUSED:
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
    guard = Guard()
    if found.tap in taps_of(guard.standing()):
        # Before it ends, or a follower could be faster and put it up again.
        Seats().leave_alone(found.tap, found.ifindex)
    if not guard.detach(found.tap):
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
    reasons = _reasons(Seats())
    rows: tuple[Row, ...] = ()
    ports: tuple[Port, ...] = ()
    missing: str | None = None
    try:
        with KernelNai() as nai:
            rows = read_rows(nai, netdevs, running_domains)
            ports = nai.ports()
    except SetupError as error:
        if guard is None and not reasons:
            raise SetupError(
                f"nothing is guarded, and {error.what}", hint=error.hint
            ) from None
        missing = error.what
    if as_json:
        click.echo(json.dumps(_listed(rows, ports, guard, netdevs, reasons), indent=2))
        return
    if guard is not None:
        console().print(guard_table(guard))
        click.echo(guard_ports(guard))
    for tap, why in reasons.items():
        click.echo(f"{tap} is on its tap: {why}")
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
    reasons: dict[str, str],
) -> dict[str, object]:
    guarded = taps_of(guard)
    return {
        "guests": [to_plain(row) | {"mode": _mode(row, guarded)} for row in rows],
        "ports": [
            {"name": netdevs.name(port.ifindex)} | to_plain(port) for port in ports
        ],
        "guard": to_plain(guard),
        "on_tap": reasons,
    }


def _checked_mac(text: str) -> str:
    try:
        return mac_bytes(text).hex(":")
    except ValueError as error:
        raise UsageError(f"--mac: {error}", hint="the guest's own address") from None


def _plain(found: Target, mode: str) -> dict[str, object]:
    plain: dict[str, object] = to_plain(found)
    return plain | {"mode": mode}


def _mode(row: Row, guarded: frozenset[str]) -> str:
    return WishMode.XDP.value if row.lease is None and row.tap in guarded else row.mode


def _reasons(seats: Seats) -> dict[str, str]:
    """Return why guests that are wished attached are not, by tap."""
    return {
        nic.tap: nic.detail
        for state in seats.states()
        for nic in state.nics
        if nic.state is not Followed.ATTACHED
    }


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
        mode if lease.seed is None else f"{mode}, {lease.seed}",
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
