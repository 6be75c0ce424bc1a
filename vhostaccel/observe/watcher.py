# SPDX-License-Identifier: Apache-2.0
"""A watcher: asks a guest for heartbeats as long as a flood lasts.

Runs inside the host under test, perhaps under emulation: the standard library only.
"""

import threading
import time
from collections.abc import Callable

from vhostaccel.errors import VhostAccelError
from vhostaccel.observe.sample import Heartbeats

_BEAT_EVERY_S = 0.2
_BEAT_LIMIT_S = 2.0
_BEAT_GIVE_UP_S = 10.0


class Watcher:
    """Asks one guest for heartbeats until it is told to end."""

    def __init__(self, name: str, beat: Callable[[str, float], int | None]) -> None:
        self._name = name
        self._beat = beat
        self._lock = threading.Lock()
        self._asked = 0
        self._answered = 0
        self._worst_ns = 0
        self._silent_since_ns: int | None = None
        self._is_out = False
        self._seen: Heartbeats | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop_asking(self) -> None:
        """Fix what was seen; a question that is still out counts by its silence alone."""
        with self._lock:
            self._ended.set()
            if self._seen is None:
                self._seen = self._so_far()

    def end(self) -> Heartbeats:
        """Stop asking, and return how it answered."""
        self.stop_asking()
        self._thread.join(_BEAT_GIVE_UP_S)
        assert self._seen is not None
        return self._seen

    def _so_far(self) -> Heartbeats:
        worst_ns = self._worst_ns
        if self._silent_since_ns is not None:
            worst_ns = max(worst_ns, time.monotonic_ns() - self._silent_since_ns)
        # A question that is still out was not given its time; its silence counts above.
        asked = self._asked - self._is_out
        return Heartbeats(asked=asked, answered=self._answered, worst_ns=worst_ns)

    def _watch(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                self._asked += 1
                self._is_out = True
                # One long silence, however many questions it leaves unanswered.
                if self._silent_since_ns is None:
                    self._silent_since_ns = time.monotonic_ns()
            try:
                took_ns = self._beat(self._name, _BEAT_LIMIT_S)
            except VhostAccelError:
                # A guest that is gone does not answer; its owner reports why.
                took_ns = None
            self._note(is_answered=took_ns is not None)
            self._ended.wait(_BEAT_EVERY_S)

    def _note(self, *, is_answered: bool) -> None:
        with self._lock:
            self._is_out = False
            if not is_answered:
                return
            assert self._silent_since_ns is not None
            silent_ns = time.monotonic_ns() - self._silent_since_ns
            self._answered += 1
            self._worst_ns = max(self._worst_ns, silent_ns)
            self._silent_since_ns = None
