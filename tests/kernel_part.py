# SPDX-License-Identifier: Apache-2.0
"""A kernel part and a kernel source of a few lines, for tests that need no kernel."""

from pathlib import Path

from vhostaccel.kmod.layout import KernelPart, read_kernel_part
from vhostaccel.lab.kernel import Kernel

NET_C = "int before;\nint open;\nint after;\n"
HUNK = """--- a/drivers/vhost/net.c
+++ b/drivers/vhost/net.c
@@ -1,3 +1,4 @@
 int before;
 int open;
+int hook;
 int after;
"""
PATCH = f"""vhost_net: add a hook

A reason.
---
{HUNK}"""
SERIES_TOML = """
prefix = "PATCH"
[[patch]]
title = "net: nai: add the core"
body = "It is needed first."
add = ["nai/*", "include/*"]
[[patch]]
patch = "0001-hook.patch"
add = ["vhost/*"]
"""


def write_files(root: Path, files: dict[str, str]) -> None:
    """Write texts to places below a folder."""
    for place, text in files.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text)


def make_kmod(root: Path, **more: str) -> KernelPart:
    """Lay out a kmod/ folder, and read it."""
    write_files(
        root,
        {
            "nai/nai_core.c": "int core;\n",
            "nai/nai_core.o": "object",
            "include/net/nai.h": "int api;\n",
            "vhost/net_nai.c": "int client;\n",
            "oot/Makefile": "modules:\n",
            "patches/6.12/0001-hook.patch": PATCH,
            "series.toml": SERIES_TOML,
            "cover-letter.txt": "net: nai: a title\n\nWhy.\n",
            "checkpatch-answers.toml": "",
            **more,
        },
    )
    return read_kernel_part(root)


def make_source(root: Path) -> Path:
    """Lay out a pristine source that the patch applies to."""
    write_files(
        root,
        {
            "drivers/vhost/net.c": NET_C,
            "drivers/net/tun.c": "int tun;\n",
            "drivers/net/ethernet/intel/igb/igb_main.c": "int igb;\n",
        },
    )
    return root


def make_kernel(root: Path) -> Kernel:
    """Return a kernel that exists in name only, but for its compiler's."""
    headers = root / "usr/src/linux-headers-6.12.117+deb12-amd64"
    write_files(headers, {".kernelvariables": "CC = gcc-12\n"})
    return Kernel(
        version="6.12.117+deb12-amd64",
        package_version="6.12.117-1~deb12u1",
        image=root / "boot/vmlinuz",
        modules=root / "lib/modules/6.12.117+deb12-amd64",
        headers=headers,
        source=None,
    )
