# SPDX-License-Identifier: Apache-2.0
"""What this host has and lacks for each mode and command, and how to mend it."""

from vhostaccel.doctor.checks import Check, CheckStatus, is_able, judge
from vhostaccel.doctor.facts import look

__all__ = ["Check", "CheckStatus", "examine", "is_able"]


def examine() -> tuple[Check, ...]:
    """Look at this host and say what it has and lacks."""
    return judge(look())
