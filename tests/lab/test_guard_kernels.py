# SPDX-License-Identifier: Apache-2.0
"""The same object file on every kernel at hand, and every scene on each of them."""

import pytest

from vhostaccel.guard.kernels import KERNELS
from vhostaccel.guard.trial import run_trial

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("series", KERNELS)
def test_scenes_hold(series, tmp_path):
    trial = run_trial(series, tmp_path / "trial", print)
    assert trial.is_good, trial
