# SPDX-License-Identifier: Apache-2.0
"""The NFV guest's image: an initramfs from ``guest/`` and the modules it needs."""

import hashlib
import sys
import tomllib
from pathlib import Path

from vhostaccel.errors import SetupError
from vhostaccel.lab.initramfs import boot_files
from vhostaccel.lab.kernel import Kernel, find_kernel
from vhostaccel.lab.storage import cache_dir, write_atomic

_SOURCE = Path(__file__).resolve().parents[2] / "guest"


def guest_image(kernel: Kernel) -> bytes:
    """Return the image for a guest that runs this kernel.

    Raises:
        SetupError: If busybox or a module is missing.
    """
    manifest = tomllib.loads((_SOURCE / "manifest.toml").read_text())
    init = (_SOURCE / "init").read_bytes()
    return boot_files(kernel, manifest["modules"], init, {})


def provide_image(kernel: Kernel) -> Path:
    """Return the cached image of this kernel, built if its inputs changed."""
    key = hashlib.sha256(kernel.version.encode())
    for part in ("init", "manifest.toml"):
        key.update((_SOURCE / part).read_bytes())
    path = cache_dir() / "guest" / f"nfv-{key.hexdigest()[:16]}.img"
    if not path.exists():
        write_atomic(path, guest_image(kernel))
    return path


def main() -> None:
    """Write the image to the path given: ``python -m vhostaccel.guests.image OUT``."""
    kernel = find_kernel()
    if kernel is None:
        raise SetupError("no kernel is cached", hint="make setup")
    write_atomic(Path(sys.argv[1]).resolve(), guest_image(kernel))


if __name__ == "__main__":
    main()
