# SPDX-License-Identifier: Apache-2.0
"""What a kernel's console complains of: each report whole, with what found it.

A report begins with a headline (``BUG: KASAN: ...``), perhaps below a ruler, and goes on
to what ends that kind of report, or until the kernel is silent for a while; what comes in
between belongs to it.
"""

import re
from dataclasses import dataclass, field

_DETECTORS = {
    "KASAN": r"BUG: KASAN:",
    "KCSAN": r"BUG: KCSAN:",
    "UBSAN": r"UBSAN:",
    "lockdep": r"WARNING: possible .*(deadlock|locking|lock inversion|dependency)"
    r"|WARNING: (inconsistent lock state|bad unlock balance|suspicious RCU usage)"
    r"|WARNING: (lock held|held lock freed|Nested lock|.*held when returning)"
    r"|WARNING: .*safe -> .*unsafe lock order|WARNING: .*kernel/locking/"
    r"|BUG: (Invalid wait context|MAX_LOCK|.*lock(dep|ing).*turn)|DEBUG_LOCKS_WARN_ON"
    r"|INFO: (possible|trying to register non-static key|lockdep is turned off)"
    r"|\[ BUG: Invalid wait context \]|turning off the locking correctness",
    "atomic sleep": r"BUG: (sleeping function called|scheduling while atomic)"
    r"|Voluntary context switch within RCU",
    # The rest of what it says is how it was set up.
    "DMA-API": r"DMA-API: (?!preallocated|debugging (enabled|disabled)|dma_debug_entry)",
    "kmemleak": r"unreferenced object 0x|kmemleak: .*(error|disabled|stop)",
    "references": r"ref_tracker: .*(leaked|has \d+)|refcount_t: |unregister_netdevice: waiting",
    "objects": r"ODEBUG:",
    "memory": r"BUG [^:]+ \((Not t|T)ainted|BUG: Bad |pagealloc: |list_(add|del) corruption"
    r"|page allocation failure|invoked oom-killer|Out of memory",
    "hang": r"INFO: task .*blocked for more than|(soft|hard) (lockup|LOCKUP)|hung_task"
    r"|rcu: INFO: .*stall|rcu: .*kthread starved|BUG: workqueue lockup",
    "oops": r"BUG:|Oops|Kernel panic|general protection fault|kernel BUG at"
    r"|Unable to handle|stack segment|divide error",
    "warning": r"WARNING:",
    "trace": r"Call Trace:",
}
"""What each detector's headlines look like; the first that fits names the report."""

_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _DETECTORS.items()}
_GENERIC = ("oops", "warning", "trace")
"""Lines of these kinds are part of a report that has begun."""

# Said by a healthy boot.
_HARMLESS = re.compile(r"WARNING: (Unsupported|CPU:.*Not tainted$)|mitigation", re.I)
_STAMP = re.compile(r"^\[ *(?P<time>\d+\.\d+)\](\[ *[TC]\d+\])? ?")
_RULER = re.compile(r"^=+$")
_CUT_HERE = "------------[ cut here ]"
_TRACE_ENDS = re.compile(r"---\[ end (trace|Kernel panic)|^ *</TASK>")
_FRAME = re.compile(
    r"(?P<function>[\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[(?P<module>\w+)\])?"
)
_LONGEST = 200
"""Lines; the longest lockdep report that was seen has 150."""
_PAUSE_S = 2.0
"""A report's lines follow each other faster, on the slowest console too."""

_OUR_MODULES = re.compile(r"nai|naisim|nai_.*|vhost_net|igb_anchor|vhostaccel_.*")
_OUR_FUNCTIONS = re.compile(r"(^|_)nai(sim)?(_|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Splat:
    """One report."""

    kind: str
    """What found it: a key of the table of detectors."""
    headline: str
    """As the console has it, with its time."""
    report: str
    """All its lines, without their times."""

    @property
    def is_ours(self) -> bool:
        """Tell whether a function of the project is among its stack frames."""
        return any(
            _OUR_MODULES.fullmatch(frame["module"] or "")
            or _OUR_FUNCTIONS.search(frame["function"])
            for frame in _FRAME.finditer(self.report)
        )

    @property
    def counts(self) -> bool:
        """Tell whether it is a failure; the stock kernel has data races of its own."""
        return self.kind != "KCSAN" or self.is_ours

    @property
    def subject(self) -> str:
        """Return the headline without its time, equal for the same thing said again."""
        return _STAMP.sub("", self.headline).strip()


def find_splats(console: str) -> tuple[Splat, ...]:
    """Return every report of a console in order; one that is repeated, once."""
    scanner = _Scanner()
    for line in console.splitlines():
        scanner.take(line)
    found: dict[tuple[str, str], Splat] = {}
    for splat in scanner.finished():
        found.setdefault((splat.kind, splat.subject), splat)
    return tuple(found.values())


@dataclass(slots=True)
class _Report:
    kind: str
    headline: str
    ruled: bool
    """It stands below a ruler, and one ends it."""
    last_s: float
    """When the kernel said its last line."""
    lines: list[str] = field(default_factory=list)

    def goes_on_with(self, text: str, kind: str | None, at_s: float) -> bool:
        """Tell whether a line that may be another headline belongs to this report."""
        if len(self.lines) >= _LONGEST or at_s - self.last_s > _PAUSE_S:
            return False
        if text.startswith(_CUT_HERE):
            return False
        if self.kind == "KCSAN":
            return kind in (None, "trace")
        if self.kind == "kmemleak":
            return kind is None and text.startswith("  ")
        return kind is None or kind in _GENERIC

    def ends_with(self, text: str) -> bool:
        """Tell whether this was its last line."""
        if self.kind in ("KASAN", "KCSAN"):
            return bool(_RULER.match(text)) and self.ruled
        return bool(_TRACE_ENDS.search(text))


class _Scanner:
    def __init__(self) -> None:
        self._done: list[_Report] = []
        self._open: _Report | None = None
        self._ruled = False
        self._at_s = 0.0

    def take(self, line: str) -> None:
        text = _STAMP.sub("", line.rstrip())
        kind = _kind_of(text)
        # What user space writes has no time.
        if stamp := _STAMP.match(line):
            self._at_s = float(stamp["time"])
        if self._open is not None:
            if self._open.goes_on_with(text, kind, self._at_s):
                self._open.lines.append(text)
                self._open.last_s = self._at_s
                if self._open.ends_with(text):
                    self._close()
                return
            self._close()
        if kind is not None:
            self._open = _Report(kind, line.strip(), self._ruled, self._at_s, [text])
        self._ruled = bool(_RULER.match(text))

    def finished(self) -> list[Splat]:
        self._close()
        return [
            Splat(kind=r.kind, headline=r.headline, report="\n".join(r.lines))
            for r in self._done
        ]

    def _close(self) -> None:
        if self._open is not None:
            self._done.append(self._open)
        self._open, self._ruled = None, False


def _kind_of(text: str) -> str | None:
    if _HARMLESS.search(text):
        return None
    for kind, pattern in _PATTERNS.items():
        if pattern.search(text):
            return kind
    return None
