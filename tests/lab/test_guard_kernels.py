# SPDX-License-Identifier: Apache-2.0
"""The guard's object file and every scene on the oldest kernel it is for.

`vhostaccel guard kernels` plays them on the others: minutes each, and the lab has one of them.
"""

import pytest

from vhostaccel.guard.kernels import KERNELS
from vhostaccel.guard.trial import run_trial

pytestmark = pytest.mark.lab


def test_scenes_hold_on_the_oldest(tmp_path):
    trial = run_trial(KERNELS[0], tmp_path / "trial", print)
    assert trial.is_good, trial
