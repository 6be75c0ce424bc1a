# SPDX-License-Identifier: Apache-2.0
"""libbpf through ctypes: its functions, and what needs no object that is loaded.

Only what the guard needs, of libbpf 1.0 and later (``libbpf.so.1``). Why not a binding
that others maintain: docs/decisions/0006-guard-loads-bpf-through-ctypes.md.
"""

import ctypes
import os
from collections.abc import Mapping
from ctypes import c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import Any

from vhostaccel.errors import GuardError, SetupError

LIBRARY = "libbpf.so.1"
BPF_XDP = 37
"""enum bpf_attach_type, linux/bpf.h."""
_STRUCT, _FUNC = 4, 12
"""Kinds of BTF, linux/btf.h."""

_SIGNATURES: Mapping[str, tuple[Any, ...]] = {
    "bpf_object__open_file": (c_void_p, c_char_p, c_void_p),
    "bpf_object__load": (c_int, c_void_p),
    "bpf_object__close": (None, c_void_p),
    "bpf_object__find_program_by_name": (c_void_p, c_void_p, c_char_p),
    "bpf_object__find_map_by_name": (c_void_p, c_void_p, c_char_p),
    "bpf_program__fd": (c_int, c_void_p),
    "bpf_program__attach": (c_void_p, c_void_p),
    "bpf_link__fd": (c_int, c_void_p),
    "bpf_link__destroy": (c_int, c_void_p),
    "bpf_link_create": (c_int, c_int, c_int, c_int, c_void_p),
    "bpf_iter_create": (c_int, c_int),
    "bpf_map__fd": (c_int, c_void_p),
    "bpf_map__value_size": (c_uint32, c_void_p),
    "bpf_map__set_max_entries": (c_int, c_void_p, c_uint32),
    "bpf_map__initial_value": (c_void_p, c_void_p, c_void_p),
    "bpf_map_lookup_elem": (c_int, c_int, c_void_p, c_void_p),
    "bpf_map_update_elem": (c_int, c_int, c_void_p, c_void_p, c_uint64),
    "bpf_map_delete_elem": (c_int, c_int, c_void_p),
    "bpf_prog_test_run_opts": (c_int, c_int, c_void_p),
    "libbpf_num_possible_cpus": (c_int,),
    "libbpf_set_print": (c_void_p, c_void_p),
    "btf__load_vmlinux_btf": (c_void_p,),
    "btf__find_by_name_kind": (c_int, c_void_p, c_char_p, c_uint32),
    "btf__free": (None, c_void_p),
}


class _LinkOptions(ctypes.Structure):
    """``struct bpf_link_create_opts``, as far as XDP needs it."""

    _fields_ = (
        ("sz", c_size_t),
        ("flags", c_uint32),
        ("iter_info", c_void_p),
        ("iter_info_len", c_uint32),
        ("target_btf_id", c_uint32),
    )


class RunOptions(ctypes.Structure):
    """``struct bpf_test_run_opts``."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


def attach_xdp(program: int, ifindex: int, flags: int) -> int:
    """Attach a program to a network device; return the link, which holds it there.

    Raises:
        OSError: If the kernel refuses.
    """
    options = _LinkOptions(sz=ctypes.sizeof(_LinkOptions), flags=flags)
    link: int = library().bpf_link_create(
        program, ifindex, BPF_XDP, ctypes.byref(options)
    )
    if link < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return link


def run_program(program: int, options: RunOptions) -> None:
    """Run a program by itself (BPF_PROG_TEST_RUN).

    Raises:
        GuardError: If the kernel refuses.
    """
    options.sz = ctypes.sizeof(RunOptions)
    if library().bpf_prog_test_run_opts(program, ctypes.byref(options)) < 0:
        raise failed("run the guard by itself")


@cache
def cpus() -> int:
    """Return how many CPUs there can be."""
    return int(library().libbpf_num_possible_cpus())


@cache
def kernel_has(
    *, functions: tuple[str, ...] = (), structs: tuple[str, ...] = ()
) -> bool:
    """Say whether the kernel's type information has all of these."""
    btf = library().btf__load_vmlinux_btf()
    if not btf:
        return False
    wanted = [(name, _FUNC) for name in functions] + [(n, _STRUCT) for n in structs]
    try:
        return all(
            library().btf__find_by_name_kind(btf, name.encode(), kind) > 0
            for name, kind in wanted
        )
    finally:
        library().btf__free(btf)


@cache
def library() -> Any:
    """Return libbpf.

    Raises:
        SetupError: If it is not installed.
    """
    try:
        found = ctypes.CDLL(LIBRARY, use_errno=True)
    except OSError as error:
        raise SetupError(
            f"cannot use libbpf: {error}", hint="sudo apt-get install libbpf1"
        ) from None
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


def failed(what: str, *, hint: str = "see docs/xdp.md, 'What it needs'") -> GuardError:
    """Return what could not be done, with the reason that the last call left."""
    code = ctypes.get_errno()
    return GuardError(f"cannot {what}: {os.strerror(code)}", hint=hint, code=code)
