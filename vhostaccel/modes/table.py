# SPDX-License-Identifier: Apache-2.0
"""The modes that this version has, and those it does not have yet."""

from vhostaccel.modes.copy import Copy
from vhostaccel.modes.linked import Macvtap, TapBusyPoll
from vhostaccel.modes.mode import Mode, Tap
from vhostaccel.modes.tuned import TapDefer, TapThreaded
from vhostaccel.modes.xdp import Xdp
from vhostaccel.nai import family

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
        Copy(kind=family.Mode.SEED),
    )
}
PLANNED = ("poll",)
"""Modes of the design that this version does not have; a scenario of theirs is skipped."""
