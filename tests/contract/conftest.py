# SPDX-License-Identifier: Apache-2.0
"""The kernel under test and its source, for tests of the real kernel part."""

import os
from pathlib import Path

import pytest

from vhostaccel.lab.kernel import Kernel, find_kernel


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    found = find_kernel()
    missing = found is None or found.source is None
    if missing and "CI" not in os.environ:
        pytest.skip("no kernel source in the cache; `make setup` provides it")
    assert found is not None
    assert found.source is not None
    return found


@pytest.fixture(scope="session")
def source(kernel: Kernel) -> Path:
    assert kernel.source is not None
    return kernel.source
