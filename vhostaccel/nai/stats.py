# SPDX-License-Identifier: Apache-2.0
"""The counters of a lease, by the names that the kernel gives them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counters of a lease since it began [frames, where nothing else is said]."""

    rx_packets: int
    """Delivered to the guest."""
    rx_bytes: int
    """Delivered to the guest [B]."""
    rx_drops: int
    """Dropped after the hardware had delivered them: the sum of the rx_drop counters."""
    rx_hw_drop_overruns: int | None
    """Dropped by the hardware for want of a buffer; None where it cannot count."""
    rx_drop_fault: int
    rx_drop_oversize: int
    rx_drop_error: int
    rx_drop_descriptor: int
    rx_drop_detach: int
    rx_drop_no_descriptor: int
    irqs: int
    """Interrupts of the queue."""
    wakes: int
    """Times the vhost worker was woken for it."""
    starved: int
    """Times the guest had no descriptor for a waiting frame."""
    low_events: int
    """Times the queue became low."""
    empty_events: int
    """Times the queue became empty."""
    resets: int
    """Times the port was down and came back with the lease held."""
    tx_packets: int | None = None
    """Sent by the queue; None, as all of tx, unless the lease sends."""
    tx_bytes: int | None = None
    """Sent by the queue [B]."""
    tx_drops: int | None = None
    """The guest's own, neither sent nor left to the tap: the sum of tx_drop counters."""
    tx_drop_spoof: int | None = None
    tx_drop_vlan: int | None = None
    tx_drop_header: int | None = None
    tx_drop_stop: int | None = None
    tx_tap: int | None = None
    """Left to the tap."""
    tx_full: int | None = None
    """Times a frame had to wait because the queue was full."""
    rx_seeded: int | None = None
    """Of rx_packets, written by the hardware; this and the rest None but in mode seed."""
    seed_refused: int | None = None
    """Descriptors that could not be posted, so that frames are copied to them."""
    seed_returned: int | None = None
    """Descriptors that were posted and went back to the guest with length 0."""
    seed_rewound: int | None = None
    """Descriptors that went back as if they had never been taken."""


def is_optional(counter: str) -> bool:
    """Return whether not every lease has a counter."""
    return counter in ("rx_hw_drop_overruns", "rx_seeded") or counter.startswith(
        ("tx_", "seed_")
    )
