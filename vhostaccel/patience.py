# SPDX-License-Identifier: Apache-2.0
"""How much slower than usual the host under test is: every time limit is so much longer.

A debug kernel checks each memory access and each lock, and all it does takes several
times as long. The factor is kept in the environment, so that every program that this
one starts has the same patience; the lab's agent gets it on the kernel's command line.
"""

import os

VARIABLE = "VHOSTACCEL_PATIENCE"


def limit_s(usual_s: float) -> float:
    """Return a time limit for a host as slow as this one [s].

    Args:
        usual_s: what is enough with a distribution's kernel [s].
    """
    return usual_s * _factor()


def set_patience(factor: float) -> None:
    """Wait so many times longer from now on, here and in every program started."""
    os.environ[VARIABLE] = f"{factor:g}"


def _factor() -> float:
    return float(os.environ.get(VARIABLE) or 1)
