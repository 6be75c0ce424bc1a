# SPDX-License-Identifier: Apache-2.0
"""What happened to each guarded virtual NIC between two looks, per second."""

from dataclasses import dataclass

from vhostaccel.guard.model import Guarded, Standing, State


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRates:
    """A virtual NIC behind the guard; rates are None at the first look [frames/s]."""

    name: str
    tap: str
    mode: str
    port: str
    state: State
    passed: float | None
    dropped: float | None
    probed: float | None
    unread: float | None


def name_of(guarded: Guarded) -> str:
    """``nfv0:0``, or the tap where libvirt does not know the guest."""
    wish = guarded.wish
    return wish.tap if wish.guest is None else f"{wish.guest}:{wish.interface}"


def read_guard_rates(
    before: Standing | None, after: Standing | None, seconds: float
) -> tuple[GuardRates, ...]:
    """Return a row for every virtual NIC that is guarded after.

    Args:
        before: what was seen first; None where nothing was guarded.
        after: what was seen then.
        seconds: the time between the two [s].
    """
    if after is None:
        return ()
    known = {} if before is None else {seen.wish: seen for seen in before.guests}
    return tuple(
        _rates(guarded, known.get(guarded.wish), seconds) for guarded in after.guests
    )


def _rates(guarded: Guarded, earlier: Guarded | None, seconds: float) -> GuardRates:
    def rate(counter: str) -> float | None:
        if earlier is None or seconds <= 0:
            return None
        now, then = getattr(guarded.counts, counter), getattr(earlier.counts, counter)
        return None if now < then else float((now - then) / seconds)

    return GuardRates(
        name=name_of(guarded),
        tap=guarded.wish.tap,
        mode="xdp",
        port=guarded.wish.port,
        state=guarded.state,
        passed=rate("passed"),
        dropped=rate("dropped"),
        probed=rate("probed"),
        unread=rate("unread"),
    )
