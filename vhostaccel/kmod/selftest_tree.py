# SPDX-License-Identifier: Apache-2.0
"""The selftests as they lie in a kernel tree, built by the kernel's own makefiles.

selftests/<key>/tools/testing/selftests/drivers/net/nai/ ...    in the cache folder
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from vhostaccel import command
from vhostaccel.kmod.layout import KernelPart
from vhostaccel.kmod.tree import copy_pristine, place
from vhostaccel.lab import storage

SELFTESTS = "tools/testing/selftests"
FOLDER = f"{SELFTESTS}/drivers/net/nai"
"""Where ours are, in the tree."""

_PARTS = (
    "Documentation/netlink",
    "MAINTAINERS",
    "tools/net/ynl",
    f"{SELFTESTS}/drivers/net/lib",
    # The makefile's rules hang on both headers.
    f"{SELFTESTS}/kselftest.h",
    f"{SELFTESTS}/kselftest_harness.h",
    f"{SELFTESTS}/lib.mk",
    f"{SELFTESTS}/net/lib",
    f"{SELFTESTS}/net/ynl.mk",
)
_OURS = (FOLDER, "Documentation/netlink/specs", "include/uapi")
_KEPT = 3
_HINT = "sudo apt-get install --no-install-recommends gcc libc6-dev make python3-yaml"


def provide_selftests(
    part: KernelPart, source: Path, report: Callable[[str], None]
) -> Path:
    """Return the folder of the built selftests, in a tree with what they need.

    Args:
        part: our files.
        source: the kernel's source.
        report: is told what is made.

    Raises:
        SetupError: If a tool or a source file is missing.
        ProvideError: If they do not build.
        StorageError: If the cache folder cannot be written.
    """
    ours = {
        where: path
        for where, path in part.own.items()
        if any(where.startswith(f"{folder}/") for folder in _OURS)
    }
    gcc = command.run(["gcc", "--version"], hint=_HINT).output
    content = [
        item
        for where, path in sorted(ours.items())
        for item in (where, path.read_bytes())
    ]
    key = storage.hash_key(os.fspath(source), gcc, *content)
    target = storage.cache_dir() / "selftests" / key
    fresh = not target.is_dir()
    if fresh:
        report("selftests: building")
        with storage.atomic_folder(target) as folder:
            _make(ours, source, folder)
    storage.note_use(target)
    if fresh:
        storage.keep_last_used(target.parent.iterdir(), _KEPT)
    return target / FOLDER


def programs(folder: Path) -> tuple[str, ...]:
    """Return the tests of a folder, as its makefile lists them."""
    text = (folder / "Makefile").read_text()
    listed = text.partition("TEST_PROGS := \\\n")[2].partition("#")[0]
    return tuple(word for word in listed.split() if word != "\\")


def _make(ours: dict[str, Path], source: Path, tree: Path) -> None:
    copy_pristine(_PARTS, source, tree)
    place(ours, tree)
    # As `make headers` would; of these the programs need no other.
    headers = tree / "usr/include/linux"
    headers.mkdir(parents=True)
    shutil.copyfile(tree / "include/uapi/linux/nai.h", headers / "nai.h")
    # Generators were copied without their modes.
    for script in (*tree.glob("tools/net/ynl/*.py"), *(tree / FOLDER).glob("*.py")):
        if script.read_bytes().startswith(b"#!"):
            script.chmod(0o755)
    command.run(
        [
            "make", "--no-print-directory", "-C", os.fspath(tree / FOLDER),
            f"KHDR_INCLUDES=-isystem {tree}/usr/include",
        ],
        hint=_HINT,
        # Its own python3, with yaml, makes the netlink client.
        env={**os.environ, "PATH": f"/usr/bin:{os.environ.get('PATH', '')}"},
    )  # fmt: skip
