# SPDX-License-Identifier: Apache-2.0
"""The modes that this version has, and those it does not have yet."""

from vhostaccel.modes.copy import Copy
from vhostaccel.modes.linked import Macvtap, TapBusyPoll
from vhostaccel.modes.mode import Mode, Tap
from vhostaccel.modes.tuned import TapDefer, TapThreaded
from vhostaccel.modes.xdp import Xdp

MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Tap(),
        TapThreaded(),
        TapDefer(),
        TapBusyPoll(),
        Macvtap(),
        Xdp(),
        Copy(),
        Copy(tx=True),
    )
}
PLANNED = ("poll", "seed")
"""Modes of the design that this version does not have; a scenario of theirs is skipped."""
