# SPDX-License-Identifier: Apache-2.0
"""What happened to each virtual NIC between two looks, per second."""

from dataclasses import dataclass

from vhostaccel.nai.rows import LeaseRow, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRates:
    """A virtual NIC on vhost-net; rates are None where nobody counts them."""

    name: str
    tap: str
    mode: str
    port: str | None
    """The NIC port and the number of its queue: ``eth0/1``."""
    state: str | None
    stock: str | None
    """The level of buffers, and how many there are; the state where it does not run."""
    delivered: float | None
    """To the guest, through the lease [frames/s]."""
    hw_drops: float | None
    """By the hardware for want of buffers [frames/s]."""
    drops: float | None
    """After the hardware had delivered them [frames/s]."""
    starved: float | None
    """Times the guest had no descriptor for a waiting frame [1/s]."""


def read_rates(
    before: tuple[Row, ...], after: tuple[Row, ...], seconds: float
) -> tuple[RowRates, ...]:
    """Return a row for every virtual NIC that there is after.

    Args:
        before: what was seen first.
        after: what was seen then.
        seconds: the time between the two [s].
    """
    known = {row.lease.id: row.lease for row in before if row.lease is not None}
    return tuple(_rates(row, known, seconds) for row in after)


def _rates(row: Row, known: dict[int, LeaseRow], seconds: float) -> RowRates:
    lease = row.lease
    earlier = None if lease is None else known.get(lease.id)

    def rate(counter: str) -> float | None:
        if lease is None or earlier is None or seconds <= 0:
            return None  # a lease that is new has no rate yet
        now, then = getattr(lease.stats, counter), getattr(earlier.stats, counter)
        return None if now is None or then is None else float((now - then) / seconds)

    return RowRates(
        name=row.name,
        tap=row.tap,
        mode=row.mode,
        port=None if lease is None else f"{lease.port}/{lease.queue}",
        state=None if lease is None else lease.state.value,
        stock=None if lease is None else lease.stock,
        delivered=rate("rx_packets"),
        hw_drops=rate("rx_hw_drop_overruns"),
        drops=rate("rx_drops"),
        starved=rate("starved"),
    )
