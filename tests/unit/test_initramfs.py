# SPDX-License-Identifier: Apache-2.0
"""The archive that the lab and the guests boot from, read back with cpio(1)."""

import shutil
import subprocess

import pytest

from vhostaccel.lab.initramfs import archive


@pytest.fixture
def content():
    return archive(
        {"init": (b"#!/bin/sh\n", 0o755), "modules/order": (b"igb.ko\n", 0o644)},
        folders=("proc",),
        nodes={"dev/console": (5, 1)},
    )


def test_archive_lists_every_entry_and_its_parents(content):
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed; `make setup` provides it")
    argv = ("cpio", "--quiet", "-t")
    listed = subprocess.run(argv, input=content, stdout=subprocess.PIPE, check=True)
    assert sorted(listed.stdout.decode().split()) == [
        "dev", "dev/console", "init", "modules", "modules/order", "proc",
    ]  # fmt: skip


def test_archive_extracts_with_content_and_mode(content, tmp_path):
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed; `make setup` provides it")
    argv = ("cpio", "--quiet", "-i", "-d", "init", "modules/order")
    subprocess.run(argv, input=content, cwd=tmp_path, check=True)
    assert (tmp_path / "init").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "modules/order").read_bytes() == b"igb.ko\n"


def test_same_inputs_give_the_same_bytes(content):
    again = archive(
        {"modules/order": (b"igb.ko\n", 0o644), "init": (b"#!/bin/sh\n", 0o755)},
        folders=("proc",),
        nodes={"dev/console": (5, 1)},
    )
    assert again == content
