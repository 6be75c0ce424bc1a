# SPDX-License-Identifier: Apache-2.0
"""The cache folder, and files and folders that appear whole or not at all."""

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vhostaccel.errors import StorageError

_MIB = 1 << 20
_REFUSALS = (
    errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPERM,
    errno.EROFS,
)  # fmt: skip
"""What a disk answers; any other OSError is somebody's bug and passes unchanged."""
_MISPLACED = (errno.EEXIST, errno.EISDIR, errno.ENOENT, errno.ENOTDIR)
"""What is answered where a path cannot be."""

_LONGEST_RUN_S = 6 * 3600.0


def cache_dir() -> Path:
    """Return the folder of what can be provided again: kernels, modules, tools.

    Follows the XDG base directory specification; the folder need not exist yet.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification: a relative path is invalid and to be ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "vhostaccel"


def hash_key(*parts: bytes | str) -> str:
    """Return a short key of everything that decides what a cached thing looks like."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def free_bytes(path: Path) -> int:
    """Return the space left for us on the file system that would hold ``path`` [B]."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def require_space(path: Path, needed_bytes: int, purpose: str) -> None:
    """Refuse early what cannot fit.

    Raises:
        StorageError: If fewer than ``needed_bytes`` [B] are free for ``path``.
    """
    free = free_bytes(path)
    if free < needed_bytes:
        raise StorageError(
            f"no room for {purpose} in {path}: {_mib(needed_bytes)} needed, "
            f"{_mib(free)} free",
            hint=_hint(path),
        )


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        StorageError: If the disk is full or the place cannot be written.
    """
    partial = _partial(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.errno in _MISPLACED:
            raise storage_error(path, error) from error
        _raise_if_refused(path, error)
        raise
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Fill a new sibling of ``target``; it takes the target's place when all went well.

    On an error or an interrupt the sibling is removed, and what a killed process
    left behind is removed by the next one. When another process has made the
    target meanwhile, its folder stays and ours is dropped.

    Raises:
        StorageError: If the disk is full or the place cannot be written.
    """
    partial = _partial(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        partial.mkdir()
        yield partial
        _take_place(partial, target)
    except OSError as error:
        _raise_if_refused(target, error)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def note_use(folder: Path) -> None:
    """Let a folder of the cache count as used just now."""
    with suppress(OSError):  # a cache that somebody else filled is good enough
        os.utime(folder)


def keep_last_used(folders: Iterable[Path], kept: int) -> None:
    """Remove folders of the cache, all but the ``kept`` ones that were last used.

    What was taken into use a few hours ago stays as well: a run that lasts that long has
    it still, and machines of its own read from it.
    """
    in_use = time.time() - _LONGEST_RUN_S
    for folder in sorted(folders, key=_last_use)[:-kept]:
        if _last_use(folder) < in_use:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def alone(lock: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one process at a time into what a lock file stands for.

    Args:
        lock: the file; it stays.
        waiting: is called when another process is in.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def storage_error(path: Path, error: OSError) -> StorageError:
    """Say why ``path`` could not be written, how much is free and what helps."""
    reason = error.strerror or str(error)
    if error.errno in _MISPLACED:
        return StorageError(
            f"cannot write {path}: {reason}",
            hint="a part of that path is a file where a folder is wanted, or the other "
            "way round; choose another place",
        )
    return StorageError(
        f"cannot write {path}: {reason} ({_mib(free_bytes(path))} free there)",
        hint=_hint(path),
    )


def _raise_if_refused(path: Path, error: OSError) -> None:
    # copytree gathers its errors in one that has no errno of its own.
    if error.errno in _REFUSALS or isinstance(error, shutil.Error):
        raise storage_error(path, error) from error


def _take_place(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not target.is_dir():
            raise


# The process id in the name tells a folder in the making from one left behind.
def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.partial")


def _sweep(target: Path) -> None:
    for stale in target.parent.glob(f".{target.name}.*.partial"):
        pid = stale.name.removesuffix(".partial").rpartition(".")[2]
        if pid.isdigit() and _is_alive(int(pid)) and int(pid) != os.getpid():
            continue
        if stale.is_dir():
            shutil.rmtree(stale, ignore_errors=True)
        else:
            stale.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _last_use(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # another process removes some too
        return 0.0


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:,.0f} MiB"


def _hint(path: Path) -> str:
    if path.is_relative_to(cache_dir()):
        return (
            f"free space or rights there, or choose another cache folder with "
            f"XDG_CACHE_HOME=/some/where (now {cache_dir().parent})"
        )
    return "free space or rights there, or choose another folder, as with --output"
