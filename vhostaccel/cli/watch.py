# SPDX-License-Identifier: Apache-2.0
"""``vhostaccel watch``: rates of every guest as they are, or events as they come."""

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table

from vhostaccel.cli.guarding import guard_sentence, rates_table
from vhostaccel.cli.tables import console, table
from vhostaccel.codec import to_plain
from vhostaccel.errors import SetupError
from vhostaccel.guard.client import Guard, NoKeeperError
from vhostaccel.guard.model import Event as GuardEvent
from vhostaccel.guard.model import Standing
from vhostaccel.guard.rates import GuardRates, read_guard_rates
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
    with ExitStack() as stack:
        for event in itertools.islice(_merged(_sources(stack)), count):
            now = datetime.now().astimezone()
            if as_json:
                when = {"time": now.isoformat(timespec="milliseconds")}
                click.echo(json.dumps(when | to_plain(event)))
            elif isinstance(event, GuardEvent):
                click.echo(f"{now:%H:%M:%S} {guard_sentence(event)}")
            else:
                click.echo(f"{now:%H:%M:%S} {_sentence(event, netdevs)}")


def _sources(stack: ExitStack) -> list[Iterable[Event | GuardEvent]]:
    """Return who has events to tell: the guard, the module nai, or both."""
    sources: list[Iterable[Event | GuardEvent]] = []
    with suppress(NoKeeperError):
        sources.append(stack.enter_context(Guard().events()))
    try:
        nai = stack.enter_context(KernelNai())
        sources.append(stack.enter_context(nai.events()))
    except SetupError:
        if not sources:
            raise
    return sources


def _merged(
    sources: list[Iterable[Event | GuardEvent]],
) -> Iterator[Event | GuardEvent]:
    """Yield events of all sources as they come, until each has ended."""
    if len(sources) == 1:
        yield from sources[0]
        return
    arrived: queue.Queue[Event | GuardEvent | None] = queue.Queue()

    def pour(source: Iterable[Event | GuardEvent]) -> None:
        for event in source:
            arrived.put(event)
        arrived.put(None)

    for source in sources:
        threading.Thread(target=pour, args=(source,), daemon=True).start()
    left = len(sources)
    while left:
        event = arrived.get()
        if event is None:
            left -= 1
        else:
            yield event


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
    with ExitStack() as stack:
        try:
            nai = stack.enter_context(KernelNai())
        except SetupError:
            if Guard().standing() is None:
                raise
            looks = _looks(tuple, interval_s)
        else:
            netdevs, domains = Netdevs(), RememberedDomains(_DOMAINS_S)
            looks = _looks(lambda: read_rows(nai, netdevs, domains), interval_s)
        looks = itertools.islice(looks, count)
        if as_json:
            for rows, guarded in looks:
                click.echo(json.dumps([to_plain(row) for row in (*rows, *guarded)]))
        else:
            _show(looks)


_Seen = tuple[tuple[RowRates, ...], tuple[GuardRates, ...]]


def _looks(read: Callable[[], tuple[Row, ...]], interval_s: float) -> Iterator[_Seen]:
    before: tuple[Row, ...] = ()
    guarded: Standing | None = None
    seen_ns = time.monotonic_ns()
    for number in itertools.count():
        rows, guard = read(), Guard().standing()
        now_ns = time.monotonic_ns()
        if number:
            seconds = (now_ns - seen_ns) / 1e9
            yield (
                read_rates(before, rows, seconds),
                read_guard_rates(guarded, guard, seconds),
            )
        before, guarded, seen_ns = rows, guard, now_ns
        time.sleep(interval_s)


def _show(looks: Iterable[_Seen]) -> None:
    with Live(console=console(), auto_refresh=False) as live:
        for rows, guarded in looks:
            tables = [rates_table(guarded)] if guarded else []
            if rows or not tables:
                tables.append(_table(rows))
            live.update(Group(*tables), refresh=True)


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
