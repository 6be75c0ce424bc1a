# SPDX-License-Identifier: Apache-2.0
"""The only door to other programs: run one, and say exactly what failed."""

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vhostaccel.errors import ProvideError, SetupError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A program that ran to its end."""

    argv: tuple[str, ...]
    status: int
    output: str
    """Standard output and standard error, interleaved."""


def shown(argv: Sequence[str]) -> str:
    """Return the command as a line that can be pasted into a shell."""
    return shlex.join(argv)


def run(
    argv: Sequence[str],
    *,
    hint: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 600.0,
    check: bool = True,
) -> Finished:
    """Run a program to its end and return what it printed.

    Args:
        argv: the program and its arguments.
        hint: what the reader can do when it fails.
        cwd: the folder to run it in.
        env: the whole environment, or None for ours.
        timeout_s: after this long the program is killed [s].
        check: raise when the exit status is not zero.

    Raises:
        SetupError: If the program does not exist.
        ProvideError: If it failed or took too long.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise SetupError(f"cannot run {argv[0]}: {error.strerror}", hint=hint) from None
    except subprocess.TimeoutExpired as error:
        raise ProvideError(
            f"`{shown(argv)}` did not end within {timeout_s:g} s; it printed: "
            f"{_tail(error.output)}",
            hint=hint,
        ) from None
    if check and done.returncode != 0:
        raise ProvideError(
            f"`{shown(argv)}` ended with {done.returncode}: {_tail(done.stdout)}",
            hint=hint,
        )
    return Finished(argv=tuple(argv), status=done.returncode, output=done.stdout)


def follow(
    argv: Sequence[str],
    *,
    hint: str,
    says: Callable[[str], None],
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program that takes long to its end, and tell each line as it is printed.

    What it has started ends with it when this is interrupted.

    Args:
        argv: the program and its arguments.
        hint: what the reader can do when it cannot be started.
        says: is told each line, without its end.
        env: the whole environment, or None for ours.

    Raises:
        SetupError: If the program does not exist.
    """
    lines: list[str] = []
    try:
        child = subprocess.Popen(
            argv,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        )
    except FileNotFoundError as error:
        raise SetupError(f"cannot run {argv[0]}: {error.strerror}", hint=hint) from None
    with child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                lines.append(line)
                says(line.rstrip("\n"))
        except BaseException:
            os.killpg(child.pid, signal.SIGTERM)
            raise
    return Finished(argv=tuple(argv), status=child.returncode, output="".join(lines))


def _tail(output: str | bytes | None, lines: int = 6) -> str:
    if not output:
        return "(nothing)"
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    return "\n    ".join(text.strip().splitlines()[-lines:])
