# SPDX-License-Identifier: Apache-2.0
"""Waiting for what has to come, with a limit: tests sleep for nothing longer."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def expect_soon(condition: Callable[[], T], what: str, limit_s: float = 10.0) -> T:
    """Return what the condition returns, as soon as that is true."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(0.02)
    return value
