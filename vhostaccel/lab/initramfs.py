# SPDX-License-Identifier: Apache-2.0
"""Initial RAM filesystems: a cpio archive (newc) with busybox, modules and an init.

Both the lab and the NFV guest start from one. Written here rather than by cpio(1), so
that device nodes need no root and the same inputs give the same bytes.
Format: Documentation/driver-api/early-userspace/buffer-format.rst in the kernel tree.
"""

import lzma
import re
import stat
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vhostaccel.command import run
from vhostaccel.errors import SetupError
from vhostaccel.lab.kernel import Kernel

BUSYBOX = Path("/bin/busybox")
_TRAILER = "TRAILER!!!"


def archive(
    files: Mapping[str, tuple[bytes, int]],
    folders: Iterable[str] = (),
    nodes: Mapping[str, tuple[int, int]] | None = None,
) -> bytes:
    """Return a newc cpio archive.

    Args:
        files: content and permission bits by path, without a leading slash.
        folders: folders to make besides those that the files need.
        nodes: character devices, (major, minor) by path.
    """
    parents = {str(p) for name in (*files, *(nodes or {})) for p in Path(name).parents}
    wanted = sorted((parents | set(folders)) - {"."})
    out = bytearray()
    inode = 1
    for name in wanted:
        out += _entry(inode, name, stat.S_IFDIR | 0o755, b"")
        inode += 1
    for name, (major, minor) in sorted((nodes or {}).items()):
        out += _entry(inode, name, stat.S_IFCHR | 0o600, b"", (major, minor))
        inode += 1
    for name, (content, mode) in sorted(files.items()):
        out += _entry(inode, name, stat.S_IFREG | mode, content)
        inode += 1
    out += _entry(0, _TRAILER, 0, b"")
    return bytes(out)


def _entry(
    inode: int, name: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)
) -> bytes:
    encoded = name.encode() + b"\0"
    links, owner, when, checksum = 1, 0, 0, 0
    fields = (
        inode, mode, owner, owner, links, when, len(content), 0, 0,
        device[0], device[1], len(encoded), checksum,
    )  # fmt: skip
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + encoded) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def module_paths(kernel: Kernel, names: Sequence[str]) -> list[Path]:
    """Return the files of the named modules and of all they need, in load order.

    Raises:
        SetupError: If the kernel has no such module.
    """
    ordered: dict[Path, None] = {}
    root = kernel.modules.parents[2]
    for name in names:
        argv = (
            "/sbin/modprobe",  # not in an ordinary user's PATH
            "-d", str(root),
            "-S", kernel.version,
            "--show-depends", name,
        )  # fmt: skip
        listed = run(argv, hint="install the package kmod").output
        for line in listed.splitlines():
            match = re.fullmatch(r"insmod (\S+)\s*", line)
            if match:
                ordered[Path(match[1])] = None
            elif not line.startswith("builtin "):
                raise SetupError(
                    f"kernel {kernel.version} offers no module {name}: {line}",
                    hint="remove the cached kernel and run `make setup` again",
                )
    return list(ordered)


def plain_module(path: Path) -> bytes:
    """Return a module's content, decompressed: busybox's insmod reads no .xz."""
    content = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(content)
    if path.suffix == ".zst":
        done = subprocess.run(
            ("zstd", "-dc"), input=content, stdout=subprocess.PIPE, check=True
        )
        return done.stdout
    return content


def boot_files(
    kernel: Kernel, modules: Sequence[str], init: bytes, extra: Mapping[str, bytes]
) -> bytes:
    """Return an archive that boots: busybox, modules in ``/modules``, and ``/init``.

    ``/modules/order`` lists the module files in load order.

    Raises:
        SetupError: If busybox or a module is missing.
    """
    if not BUSYBOX.exists():
        raise SetupError(
            f"no {BUSYBOX} to put into an initramfs",
            hint="run `make setup`; it installs the package busybox-static",
        )
    files = {"init": (init, 0o755), "bin/busybox": (BUSYBOX.read_bytes(), 0o755)}
    order = []
    for path in module_paths(kernel, modules):
        name = path.name.removesuffix(".xz").removesuffix(".zst")
        files[f"modules/{name}"] = (plain_module(path), 0o644)
        order.append(name)
    # Empty for a kernel that has them all built in.
    lines = "".join(f"{name}\n" for name in order)
    files["modules/order"] = (lines.encode(), 0o644)
    files |= {name: (content, 0o644) for name, content in extra.items()}
    return archive(
        files,
        folders=("dev", "proc", "sys", "run"),
        nodes={"dev/console": (5, 1), "dev/null": (1, 3)},
    )
