# SPDX-License-Identifier: Apache-2.0
"""What ``attach``, ``detach``, ``list`` and ``watch`` do and show for the guard."""

import json

import click
from rich.table import Table

from vhostaccel.cli.tables import table
from vhostaccel.codec import to_plain
from vhostaccel.guard.client import Guard, attach_whole
from vhostaccel.guard.model import Event, EventKind, Guarded, Standing
from vhostaccel.guard.rates import GuardRates, name_of
from vhostaccel.guard.subject import find_wish
from vhostaccel.nai.address import Target
from vhostaccel.nai.netdevs import Netdevs
from vhostaccel.units import show_rate


def attach_guard(
    guard: Guard,
    netdevs: Netdevs,
    found: Target,
    *,
    port: str | None,
    mac: str | None,
    always: bool,
    as_json: bool,
) -> None:
    """Guard a virtual NIC, and tell it."""
    wish = find_wish(netdevs, found, port=port, mac=mac, always=always)
    say_guarded(found, attach_whole(guard, wish), as_json=as_json)


def say_guarded(found: Target, guarded: Guarded, *, as_json: bool) -> None:
    """Tell that a virtual NIC is guarded, and how."""
    if as_json:
        click.echo(json.dumps(to_plain(found) | {"mode": "xdp"} | to_plain(guarded)))
        return
    wish = guarded.wish
    who = f"{wish.port}'s driver" if guarded.native else "the network core"
    when = "at all times" if wish.always else "while a receive CPU is near saturation"
    click.echo(
        f"{found} is guarded at {wish.port}, mode xdp: {when}, {who} drops what its "
        f"tap has no room for"
    )


def guard_table(standing: Standing) -> Table:
    """Return the guarded virtual NICs as a table."""
    made = table(
        ("guarded", "tap", "mode", "port", "state"),
        ("passed", "dropped", "probed", "unread"),
        ("why no better mode",),
    )
    for guarded in standing.guests:
        counts = guarded.counts
        numbers = (counts.passed, counts.dropped, counts.probed, counts.unread)
        shown = (f"{number:,}" for number in numbers)
        made.add_row(*_words(guarded), *shown, guarded.wish.why or "")
    return made


def guard_ports(standing: Standing) -> str:
    """Return the ports with the guard on them, and the engaged CPUs, as lines."""
    lines = [
        f"guard at {port.name} ({'native' if port.native else 'generic'} XDP): of group "
        f"frames {port.groups.passed:,} passed, {port.groups.dropped:,} dropped"
        for port in standing.ports
    ]
    cpus = ", ".join(map(str, standing.engaged_cpus))
    lines.append(f"engaged CPUs: {cpus or 'none'}")
    return "\n".join(lines)


def rates_table(rows: tuple[GuardRates, ...]) -> Table:
    """Return what happens to guarded virtual NICs per second as a table."""
    made = table(
        ("guarded", "mode", "port", "state"),
        ("passed/s", "dropped/s", "probed/s", "unread/s"),
        (),
    )
    for row in rows:
        rates = (row.passed, row.dropped, row.probed, row.unread)
        shown = ("" if rate is None else show_rate(rate) for rate in rates)
        made.add_row(row.name, row.mode, row.port, row.state.value, *shown)
    return made


def guard_sentence(event: Event) -> str:
    """Return an event as a line without its time."""
    kind = event.kind
    if kind in (EventKind.ENGAGED, EventKind.DISENGAGED):
        return f"{kind.value} on CPU {event.cpu}"
    words = f"{kind.value} {event.tap} at {event.port}"
    if event.reason is not None:
        return f"{words}, reason: {event.reason.value}"
    if kind is EventKind.CLEARED:
        return f"{words}, {event.dropped:,} frames dropped since it began"
    return f"{words} in mode xdp" if kind is EventKind.ATTACHED else words


def _words(guarded: Guarded) -> tuple[str, ...]:
    wish = guarded.wish
    return (name_of(guarded), wish.tap, "xdp", wish.port, guarded.state.value)
