# SPDX-License-Identifier: Apache-2.0
"""How far mode seed did what it is for: frames that nobody copied."""

from vhostaccel.observe.sample import Sample


def zero_copy_share(before: Sample, after: Sample) -> float | None:
    """Return which share of the queues' frames the NIC wrote to the guests' own buffers.

    Args:
        before: read before the trial, with silent wires.
        after: read after it, with silent wires.

    Returns:
        None if no lease is in mode seed, or none delivered a frame.
    """
    seeded = delivered = 0
    for tap in after.seeded.keys() & after.leases.keys():
        seeded += after.seeded[tap]
        delivered += after.leases[tap].rx_packets
        # A lease that began anew has counted from 0.
        was = before.leases.get(tap)
        if was is not None and was.rx_packets <= after.leases[tap].rx_packets:
            seeded -= before.seeded.get(tap, 0)
            delivered -= was.rx_packets
    return seeded / delivered if delivered else None
