# SPDX-License-Identifier: Apache-2.0
"""Which kernel is taken, and how its unpacked packages are made to work."""

import os
from pathlib import Path

import pytest

from vhostaccel.errors import SetupError
from vhostaccel.lab import kernel


def complete(base: str, image_suffix: str = "") -> list[str]:
    return [
        f"linux-image-{base}-amd64{image_suffix}",
        f"linux-headers-{base}-amd64",
        f"linux-headers-{base}-common",
        f"linux-kbuild-{base}",
    ]


def unpacked(cache: Path, version: str) -> Path:
    """Lay out what the packages of a kernel hold, with their absolute paths."""
    root = cache / "vhostaccel" / "kernel" / version
    base = version.removesuffix("-amd64")
    headers = root / "usr/src" / f"linux-headers-{version}"
    headers.mkdir(parents=True)
    common = f"/usr/src/linux-headers-{base}-common"
    (headers / "Makefile").write_text(f"include {common}/Makefile\n")
    (headers / ".kernelvariables").write_text(
        "override CROSS_COMPILE = x86_64-linux-gnu-\n"
        "CC = $(if $(DEBIAN_KERNEL_USE_CCACHE),$(CCACHE)) $(CROSS_COMPILE)gcc-12\n"
    )
    (root / "usr/src" / f"linux-headers-{base}-common").mkdir()
    (root / "lib/modules" / version).mkdir(parents=True)
    (root / "lib/modules" / version / "build").symlink_to(
        f"/usr/src/linux-headers-{version}"
    )
    (root / "packages").write_text(f"linux-image-{version}=6.12.117-1~deb12u1\n")
    return root


def test_the_newest_is_taken_by_number_not_by_text():
    offered = complete("6.12.94+deb13") + complete("6.12.107+deb13")
    assert kernel.newest_packages(offered) == complete("6.12.107+deb13")


def test_other_flavours_and_debug_symbols_do_not_count():
    offered = [
        *complete("6.12.94+deb13"),
        "linux-image-6.12.107+deb13-amd64-dbg",
        "linux-image-6.12.107+deb13-rt-amd64",
        "linux-image-6.12.107+deb13-cloud-amd64-unsigned",
        "linux-headers-6.12.107+deb13-common",
        "linux-kbuild-6.12.107+deb13",
    ]
    assert kernel.newest_packages(offered) == complete("6.12.94+deb13")


def test_a_signed_image_is_taken_before_the_unsigned_one():
    base = "6.12.117+deb12"
    offered = complete(base, "-unsigned") + complete(base)
    assert kernel.newest_packages(offered)[0] == f"linux-image-{base}-amd64"
    unsigned = complete(base, "-unsigned")
    assert kernel.newest_packages(unsigned) == unsigned


def test_a_kernel_without_its_headers_is_passed_over():
    offered = ["linux-image-6.12.200+deb12-amd64", *complete("6.12.117+deb12")]
    assert kernel.newest_packages(offered) == complete("6.12.117+deb12")


def test_no_kernel_of_the_series_is_told_with_the_command_to_run():
    with pytest.raises(SetupError, match=r"6\.12") as caught:
        kernel.newest_packages(["linux-image-6.1.0-47-amd64"])
    assert "apt-get update" in caught.value.hint


def test_find_kernel_returns_the_newest_complete_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernel.find_kernel() is None
    unpacked(tmp_path, "6.12.94+deb12-amd64")
    root = unpacked(tmp_path, "6.12.117+deb12-amd64")
    (root.parent / ".6.12.200+deb12-amd64.1.partial").mkdir()
    (root.parent / "6.12.117+deb12-amd64.source").mkdir()
    found = kernel.find_kernel()
    assert found is not None
    assert found.version == "6.12.117+deb12-amd64"
    assert found.package_version == "6.12.117-1~deb12u1"
    assert found.image == root / "boot/vmlinuz-6.12.117+deb12-amd64"
    assert found.root == root
    assert found.source == root.parent / "6.12.117+deb12-amd64.source"
    assert kernel.module_compiler(found) == "x86_64-linux-gnu-gcc-12"


def test_unpacked_headers_point_into_their_own_folder(tmp_path):
    version = "6.12.117+deb12-amd64"
    root = unpacked(tmp_path, version)
    kernel.make_relocatable(root)
    headers = root / "usr/src" / f"linux-headers-{version}"
    assert "include $(dir" in (headers / "Makefile").read_text()
    assert "/usr/src" not in (headers / "Makefile").read_text()
    moved = root.rename(tmp_path / "elsewhere")
    build = moved / "lib/modules" / version / "build"
    assert build.resolve() == moved / "usr/src" / f"linux-headers-{version}"


def test_modules_packed_below_usr_only_are_found_in_lib_too(tmp_path):
    root = unpacked(tmp_path, "6.12.107+deb13-amd64")
    (root / "lib").rename(root / "usr/lib")
    kernel.make_relocatable(root)
    build = root / "lib/modules/6.12.107+deb13-amd64/build"
    assert build.resolve() == root / "usr/src/linux-headers-6.12.107+deb13-amd64"


def test_a_source_key_follows_the_sources_and_not_what_a_build_leaves(tmp_path):
    (tmp_path / "anchor.c").write_text("int a;")
    (tmp_path / "Kbuild").write_text("obj-m := anchor.o")
    key = kernel.source_key(tmp_path, "6.12.117", "gcc 12")
    (tmp_path / "anchor.o").write_text("object")
    (tmp_path / ".anchor.o.cmd").write_text("command")
    assert kernel.source_key(tmp_path, "6.12.117", "gcc 12") == key
    assert kernel.source_key(tmp_path, "6.12.117", "gcc 14") != key
    (tmp_path / "anchor.c").write_text("int b;")
    assert kernel.source_key(tmp_path, "6.12.117", "gcc 12") != key


def test_a_module_is_built_for_the_cached_kernel_and_only_once():
    found = kernel.find_kernel()
    if found is None and "CI" not in os.environ:
        pytest.skip("no kernel in the cache; `make setup` provides it")
    assert found is not None
    said: list[str] = []
    anchor = Path(__file__).resolve().parents[2] / "kmod" / "anchor"
    folder = kernel.build_module(found, anchor, said.append)
    assert list(folder.glob("*.ko"))
    assert kernel.build_module(found, anchor, said.append) == folder
    assert len(said) <= 1
