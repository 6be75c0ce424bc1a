# SPDX-License-Identifier: Apache-2.0
"""Packages are unpacked where they are told to be, and what is damaged is named."""

import subprocess

import pytest

from vhostaccel.errors import ProvideError
from vhostaccel.lab.packages import index_modules, unpack_file


def make_package(folder):
    """Make a package with one file; return its path."""
    content = folder / "content"
    (content / "DEBIAN").mkdir(parents=True)
    (content / "DEBIAN/control").write_text(
        "Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: nobody\n"
        "Description: one file\n"
    )
    (content / "boot").mkdir()
    (content / "boot/vmlinuz").write_text("a kernel")
    package = folder / "tiny_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", content, package], check=True)
    return package


def test_a_package_is_unpacked_into_the_folder(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    unpack_file(make_package(tmp_path), target)
    assert (target / "boot/vmlinuz").read_text() == "a kernel"


def test_a_damaged_package_is_named(tmp_path):
    package = make_package(tmp_path)
    package.write_bytes(package.read_bytes()[:100])
    with pytest.raises(ProvideError) as raised:
        unpack_file(package, tmp_path)
    assert "tiny_1_all.deb" in raised.value.hint


def test_modules_are_indexed_below_their_own_folder(tmp_path):
    modules = tmp_path / "lib/modules/6.12.1"
    modules.mkdir(parents=True)
    (modules / "modules.order").write_text("")
    (modules / "modules.builtin").write_text("kernel/lib/crc32.ko\n")
    index_modules(tmp_path, "6.12.1")
    assert (modules / "modules.dep").exists()
    assert (modules / "modules.builtin.bin").exists()
