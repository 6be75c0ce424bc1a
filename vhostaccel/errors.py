# SPDX-License-Identifier: Apache-2.0
"""The errors vhostaccel raises, and the exit code each one ends with.

    VhostAccelError            70  our bug, if nothing more specific fits
    ├── UsageError              2  the command line asks for something that does not exist
    │   └── ScenarioError       2  a scenario file is wrong
    ├── ProvideError            3  the lab or the host under test could not be provided
    │   ├── SetupError          3  a package, kernel, image or module is missing
    │   ├── LabError            3  the lab did not start, or died
    │   │   └── LostGuestError  3  the lab's emulator mixed up a guest's registers
    │   ├── GuestError          3  a guest did not start, or died
    │   ├── TrafficError        3  the generator or a wire failed
    │   ├── NaiError            3  the kernel gave no frame queue, or took none back
    │   ├── GuardError          3  the guard at the NIC could not be put up, or taken away
    │   └── StorageError        3  a file could not be written
    └── SkipError               4  this host cannot judge it; nothing is wrong

Every message says what was attempted, on what, what was seen, and what to do.
Only ``cli`` prints errors and exits.
"""

from typing import ClassVar

EXIT_PASSED = 0
EXIT_VERDICT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_PROVIDED = 3
EXIT_SKIPPED = 4
EXIT_INTERRUPTED = 130
EXIT_BUG = 70


class VhostAccelError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        what: what was attempted, on what, and what was seen, as one sentence.
        hint: what the reader can do about it; a command where there is one.
    """

    exit_code: ClassVar[int] = EXIT_BUG

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  hint: {self.hint}"


class UsageError(VhostAccelError):
    """The command line asks for something that does not exist."""

    exit_code = EXIT_USAGE


class ScenarioError(UsageError):
    """A scenario file is wrong; the message names file and line."""


class ProvideError(VhostAccelError):
    """The lab or the host under test could not be provided."""

    exit_code = EXIT_NOT_PROVIDED


class SetupError(ProvideError):
    """A package, kernel, image, tool or module is missing or could not be made."""


class LabError(ProvideError):
    """The lab did not start, did not answer, or died."""


class LostGuestError(LabError):
    """The lab's emulator mixed up a guest's registers; no fault of the host in it."""


class GuestError(ProvideError):
    """A guest did not start, did not answer, or died."""


class TrafficError(ProvideError):
    """The generator or a wire failed."""


class NaiError(ProvideError):
    """The kernel gave no frame queue, or took none back.

    Args:
        what: as above; a refusal has the kernel's own sentence.
        hint: as above.
        code: the kernel's error number, or 0 when the error is not the kernel's.
    """

    def __init__(self, what: str, *, hint: str, code: int = 0) -> None:
        super().__init__(what, hint=hint)
        self.code = code


class GuardError(ProvideError):
    """The guard at the NIC could not be put up, or taken away.

    Args:
        what: as above.
        hint: as above.
        code: the kernel's error number, or 0 when the error is not the kernel's.
    """

    def __init__(self, what: str, *, hint: str, code: int = 0) -> None:
        super().__init__(what, hint=hint)
        self.code = code


class StorageError(ProvideError):
    """A file could not be written: a full disk, no permission."""


class SkipError(VhostAccelError):
    """This host cannot judge it, and nothing is wrong with it."""

    exit_code = EXIT_SKIPPED
