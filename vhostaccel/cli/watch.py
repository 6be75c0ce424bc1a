# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel watch``: rates of every guest as they are, or events as they come."""

import itertools
import json
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

import click
from rich.live import Live
from rich.table import Table

from vhostaccel.cli.tables import console, table
from vhostaccel.codec import to_plain
from vhostaccel.nai.client import KernelNai
from vhostaccel.nai.domains import RememberedDomains
from vhostaccel.nai.model import Event, EventKind
from vhostaccel.nai.netdevs import Netdevs
from vhostaccel.nai.rates import RowRates, read_rates
from vhostaccel.nai.rows import Row, read_rows
from vhostaccel.units import show_rate

_DOMAINS_S = 5.0


@click.command()
@click.option("--events", is_flag=True, help="One line for each event instead.")
@click.option("--interval", default=1.0, show_default=True, help="Between looks [s].")
@click.option(
    "--count", type=click.IntRange(min=1), help="End after so many looks or events."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def watch(events: bool, interval: float, count: int | None, as_json: bool) -> None:
    """Show what each guest gets and loses, until Ctrl-C."""
    try:
        if events:
            _watch_events(count, as_json)
        else:
            _watch_rates(max(interval, 0.1), count, as_json)
    except KeyboardInterrupt:
        return  # the usual way to end it


def _watch_events(count: int | None, as_json: bool) -> None:
    netdevs = Netdevs()
    with KernelNai() as nai, nai.events() as events:
        for event in itertools.islice(events, count):
            now = datetime.now().astimezone()
            if as_json:
                when = {"time": now.isoformat(timespec="milliseconds")}
                click.echo(json.dumps(when | to_plain(event)))
            else:
                click.echo(f"{now:%H:%M:%S} {_sentence(event, netdevs)}")


def _sentence(event: Event, netdevs: Netdevs) -> str:
    if event.kind is EventKind.MISSED:
        return "events came too fast, some are lost; `vhostaccel list` has the state"
    tap = "?" if event.tap_ifindex is None else netdevs.shown(event.tap_ifindex)
    port = "?" if event.port_ifindex is None else netdevs.shown(event.port_ifindex)
    words = [event.kind.value, tap]
    if event.kind is EventKind.ATTACHED:
        mode = "" if event.mode is None else f" in mode {event.mode.value}"
        words.append(f"to {port}{mode}")
    elif event.kind is EventKind.DETACHED:
        reason = "?" if event.reason is None else event.reason.value
        words.append(f"from {port}, reason: {reason}")
    elif event.congestion is not None:
        words.append(f"on {port}, stock {event.congestion.value}")
    return " ".join(words) + f" (lease {event.id})"


def _watch_rates(interval_s: float, count: int | None, as_json: bool) -> None:
    with KernelNai() as nai:
        looks = itertools.islice(_looks(nai, interval_s), count)
        if as_json:
            for rows in looks:
                click.echo(json.dumps([to_plain(row) for row in rows]))
        else:
            _show(looks)


def _looks(nai: KernelNai, interval_s: float) -> Iterator[tuple[RowRates, ...]]:
    netdevs = Netdevs()
    domains = RememberedDomains(_DOMAINS_S)
    before: tuple[Row, ...] = ()
    seen_ns = time.monotonic_ns()
    for number in itertools.count():
        rows = read_rows(nai, netdevs, domains)
        now_ns = time.monotonic_ns()
        if number:
            yield read_rates(before, rows, (now_ns - seen_ns) / 1e9)
        before, seen_ns = rows, now_ns
        time.sleep(interval_s)


def _show(looks: Iterable[tuple[RowRates, ...]]) -> None:
    with Live(console=console(), auto_refresh=False) as live:
        for rows in looks:
            live.update(_table(rows), refresh=True)


def _table(rows: tuple[RowRates, ...]) -> Table:
    made = table(
        ("guest", "mode", "port", "stock"),
        ("delivered/s", "hw drops/s", "drops/s", "starved/s"),
        (),
    )
    for row in rows:
        rates = map(_rate, (row.delivered, row.hw_drops, row.drops, row.starved))
        made.add_row(row.name, row.mode, row.port or "", row.stock or "", *rates)
    return made


def _rate(per_s: float | None) -> str:
    return "" if per_s is None else show_rate(per_s)
