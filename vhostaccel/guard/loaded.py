# SPDX-License-Identifier: Apache-2.0
"""An object file in the kernel: its maps, its programs, its iterators."""

import ctypes
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import c_char_p, c_int, c_size_t, c_void_p
from pathlib import Path

from vhostaccel.guard.libbpf import cpus, failed, library

_ANY = 0
_WARN = 0
_PAGE = 1 << 16
_Print = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)


class Map:
    """A map of a loaded object.

    Args:
        handle: libbpf's.
        size: of a value [B].
        per_cpu: whether each CPU has a value of its own.
    """

    def __init__(self, handle: int, *, size: int, per_cpu: bool) -> None:
        self._file = library().bpf_map__fd(handle)
        self._size = size
        self._copies = cpus() if per_cpu else 1
        # Each copy of a value is as long as a multiple of eight.
        self._stride = -(-size // 8) * 8 if per_cpu else size

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, of all CPUs one after the other; None if none."""
        value = ctypes.create_string_buffer(self._stride * self._copies)
        if library().bpf_map_lookup_elem(self._file, key, value) < 0:
            return None
        return value.raw

    def copies(self, key: bytes) -> list[bytes]:
        """Return each CPU's value of a key."""
        raw = self.get(key) or bytes(self._stride * self._copies)
        starts = range(0, len(raw), self._stride)
        return [raw[start : start + self._size] for start in starts]

    def put(self, key: bytes, value: bytes) -> None:
        """Set the value of a key, the same for all CPUs.

        Raises:
            GuardError: If the map is full.
        """
        padded = value.ljust(self._stride, b"\0") * self._copies
        if library().bpf_map_update_elem(self._file, key, padded, _ANY) < 0:
            raise failed("write into a map of the guard", hint="see `dmesg`")

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        library().bpf_map_delete_elem(self._file, key)


class Object:
    """An object file, from its loading into the kernel to its close.

    Args:
        path: the file.
        rodata: what its read-only data are to be.
        entries: number of elements of maps, where the object leaves it open.

    Raises:
        GuardError: If the kernel refuses it; the text is libbpf's or the kernel's.
    """

    def __init__(
        self, path: Path, *, rodata: bytes, entries: Mapping[str, int]
    ) -> None:
        with _heard() as said:
            handle = library().bpf_object__open_file(os.fspath(path).encode(), None)
            if not handle:
                raise failed(f"open {path}", hint="`make setup` builds it anew")
            self._handle: int = handle
            try:
                self._set_up(rodata, entries)
                if library().bpf_object__load(handle) < 0:
                    raise failed(f"load the guard into the kernel{_tail(said)}")
            except BaseException:
                library().bpf_object__close(handle)
                raise

    def close(self) -> None:
        """Leave; what is attached by a link of its own stays until that is closed."""
        library().bpf_object__close(self._handle)

    def map(self, name: str, *, size: int, per_cpu: bool = False) -> Map:
        """Return a map.

        Args:
            name: its name.
            size: what its values are expected to measure [B].
            per_cpu: whether each CPU has a value of its own.
        """
        handle = self._map(name)
        found = library().bpf_map__value_size(handle)
        if found != size:
            raise RuntimeError(f"values of map {name} have {found} bytes, not {size}")
        return Map(handle, size=size, per_cpu=per_cpu)

    def program(self, name: str) -> int:
        """Return the file descriptor of a program."""
        return int(library().bpf_program__fd(self._program(name)))

    def iterate(self, name: str) -> bytes:
        """Run an iterator program once, and return what it wrote.

        Raises:
            GuardError: If the kernel refuses.
        """
        link = library().bpf_program__attach(self._program(name))
        if not link:
            raise failed(f"run the program {name}")
        try:
            file = library().bpf_iter_create(library().bpf_link__fd(link))
            if file < 0:
                raise failed(f"run the program {name}")
            with os.fdopen(file, "rb", buffering=_PAGE) as written:
                return written.read()
        finally:
            library().bpf_link__destroy(link)

    def _set_up(self, rodata: bytes, entries: Mapping[str, int]) -> None:
        size = c_size_t()
        start = library().bpf_map__initial_value(
            self._map(".rodata"), ctypes.byref(size)
        )
        assert size.value == len(rodata), "read-only data differ from the program's"
        ctypes.memmove(start, rodata, len(rodata))
        for name, count in entries.items():
            library().bpf_map__set_max_entries(self._map(name), count)

    def _map(self, name: str) -> int:
        found: int | None = library().bpf_object__find_map_by_name(
            self._handle, name.encode()
        )
        assert found is not None, f"no map {name}"
        return found

    def _program(self, name: str) -> int:
        found: int | None = library().bpf_object__find_program_by_name(
            self._handle, name.encode()
        )
        assert found is not None, f"no program {name}"
        return found


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what libbpf has to complain of, instead of standard error."""
    said: list[str] = []

    def hear(level: int, text: bytes, arguments: int) -> int:
        if level == _WARN:
            line = ctypes.create_string_buffer(4096)
            ctypes.CDLL(None).vsnprintf(
                line, c_size_t(len(line)), text, c_void_p(arguments)
            )
            said.append(line.value.decode(errors="replace").strip())
        return 0

    callback: Callable[..., int] = _Print(hear)
    before = library().libbpf_set_print(ctypes.cast(callback, c_void_p))  # type: ignore[arg-type]
    try:
        yield said
    finally:
        library().libbpf_set_print(before)


def _tail(said: list[str]) -> str:
    lines = [line for text in said for line in text.splitlines()][-8:]
    return "".join(f"\n    {line}" for line in lines)
