# SPDX-License-Identifier: Apache-2.0
"""What a watched guest does not answer is told, and what it was not asked is not."""

import time

from vhostaccel.errors import GuestError
from vhostaccel.observe.watcher import Watcher


def test_a_silence_counts_as_one_however_often_it_is_asked() -> None:
    def beat(name: str, timeout_s: float) -> int | None:
        time.sleep(0.05)
        if time.monotonic() < answers_from:
            return None
        return 50_000_000

    answers_from = time.monotonic() + 0.6
    watcher = Watcher("nfv0", beat)
    time.sleep(1.2)
    seen = watcher.end()
    assert 0 < seen.answered < seen.asked
    assert 600_000_000 < seen.worst_ns < 1_200_000_000


def test_a_guest_that_is_gone_does_not_answer() -> None:
    def beat(name: str, timeout_s: float) -> int | None:
        raise GuestError("guest nfv0 closed its control port", hint="none")

    watcher = Watcher("nfv0", beat)
    time.sleep(0.1)
    seen = watcher.end()
    assert (seen.asked, seen.answered) == (1, 0)
    assert seen.worst_ns >= 100_000_000


def test_a_question_cut_short_is_no_missing_answer_but_its_silence_counts() -> None:
    def beat(name: str, timeout_s: float) -> int | None:
        time.sleep(0.3)
        return 300_000_000

    watcher = Watcher("nfv0", beat)
    time.sleep(0.1)
    watcher.stop_asking()
    seen = watcher.end()
    assert (seen.asked, seen.answered) == (0, 0)
    assert 100_000_000 <= seen.worst_ns < 300_000_000
