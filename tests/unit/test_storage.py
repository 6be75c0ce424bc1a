# SPDX-License-Identifier: Apache-2.0
"""Files and folders of the cache appear whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vhostaccel.errors import EXIT_NOT_PROVIDED, StorageError
from vhostaccel.lab import storage


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("xdg", "expected"),
    [
        pytest.param("/big/disk", "/big/disk/vhostaccel", id="absolute"),
        pytest.param("relative", "/home/me/.cache/vhostaccel", id="relative"),
        pytest.param("", "/home/me/.cache/vhostaccel", id="empty"),
    ],
)
def test_cache_dir_follows_the_xdg_specification(monkeypatch, xdg, expected):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert storage.cache_dir() == Path(expected)


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "kernels" / "6.12"
    with storage.atomic_folder(target) as folder:
        (folder / "vmlinuz").write_text("image")
        assert not target.exists()
    assert (target / "vmlinuz").read_text() == "image"
    assert names(target.parent) == ["6.12"]


@pytest.mark.parametrize("reason", [RuntimeError, KeyboardInterrupt])
def test_an_error_or_interrupt_leaves_nothing(tmp_path, reason):
    def fill_half() -> None:
        with storage.atomic_folder(tmp_path / "half") as folder:
            (folder / "part").write_text("x")
            raise reason

    with pytest.raises(reason):
        fill_half()
    assert names(tmp_path) == []


def test_what_a_killed_process_left_is_swept_and_a_live_one_is_spared(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".kernel.{ended.pid}.partial").mkdir()
    alive = tmp_path / f".kernel.{os.getppid()}.partial"
    alive.mkdir()
    with storage.atomic_folder(tmp_path / "kernel"):
        pass
    assert names(tmp_path) == [alive.name, "kernel"]


def test_the_first_of_two_makers_wins(tmp_path):
    target = tmp_path / "tool"
    with storage.atomic_folder(target) as folder:
        (folder / "late").touch()
        target.mkdir()
        (target / "early").touch()
    assert names(target) == ["early"]
    assert names(tmp_path) == ["tool"]


def test_a_full_disk_is_told_with_path_space_and_hint(tmp_path):
    # /dev/full answers every write as a full disk does.
    def write() -> None:
        with storage.atomic_folder(tmp_path / "kernel") as folder:
            (folder / "vmlinuz").symlink_to("/dev/full")
            (folder / "vmlinuz").write_bytes(b"image")

    with pytest.raises(StorageError, match="No space left on device") as caught:
        write()
    assert str(tmp_path / "kernel") in caught.value.what
    assert "MiB free" in caught.value.what
    assert caught.value.hint
    assert caught.value.exit_code == EXIT_NOT_PROVIDED
    assert names(tmp_path) == []


def test_a_bug_is_not_told_as_a_storage_problem(tmp_path):
    def read_nothing() -> None:
        with storage.atomic_folder(tmp_path / "x"):
            (tmp_path / "absent").read_text()

    with pytest.raises(FileNotFoundError):
        read_nothing()


def test_what_cannot_fit_is_refused_before_it_starts(tmp_path):
    with pytest.raises(StorageError, match="no room for a kernel"):
        storage.require_space(tmp_path / "a" / "b", 1 << 60, "a kernel")


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "record.json"
    storage.write_atomic(path, b"old")
    storage.write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["record.json"]


def test_a_place_that_refuses_is_told(tmp_path):
    if os.geteuid() == 0:
        # Root passes permission bits; the kernel's own files refuse even root.
        place = Path("/proc/vhostaccel")
    else:
        place = tmp_path / "locked" / "file"
        place.parent.mkdir(mode=0o500)
    with pytest.raises(StorageError, match=f"cannot write {place}"):
        storage.write_atomic(place, b"x")


@pytest.mark.parametrize(
    "place", ["file/record.json", "file/sub/record.json", "folder"]
)
def test_a_path_through_a_file_or_to_a_folder_is_told(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot write") as caught:
        storage.write_atomic(tmp_path / place, b"x")
    assert "choose another place" in caught.value.hint
    assert names(tmp_path) == ["file", "folder"]


def test_keys_tell_parts_apart():
    assert storage.hash_key("ab", "c") != storage.hash_key("a", "bc")
    assert storage.hash_key("ab") == storage.hash_key(b"ab")
