# SPDX-License-Identifier: Apache-2.0
"""Modules are built once, and the cache does not grow with every change of a source."""

import os
import time
from types import SimpleNamespace

import pytest

from tests.kernel_part import make_kernel, make_kmod, make_source
from vhostaccel.kmod import build as module
from vhostaccel.kmod.build import build_modules
from vhostaccel.lab import storage


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Build in no time; return the folder that holds what was built."""
    source = make_source(tmp_path / "source")
    kmod = tmp_path / "kmod"
    make_kmod(kmod)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "read_kernel_part", lambda: make_kmod(kmod))
    monkeypatch.setattr(module, "compiler_version", lambda kernel: "gcc")
    monkeypatch.setattr(
        module, "provide_source", lambda *_: SimpleNamespace(source=source)
    )
    monkeypatch.setattr(module, "compile_tree", lambda *_: "")
    monkeypatch.setattr(module, "_collect", lambda *_: None)
    return storage.cache_dir() / "modules"


def build(tmp_path):
    return build_modules(make_kernel(tmp_path), lambda line: None)


def add_old(cached, *names):
    """Make folders that were used ages ago, the first one first."""
    for age, name in enumerate(names):
        (cached / name / "debug").mkdir(parents=True)
        os.utime(cached / name, (age, age))


def names_in(folder):
    return {entry.name for entry in folder.iterdir()}


def test_a_new_build_removes_all_but_the_three_last_used(cached, tmp_path):
    add_old(cached, "nai-1", "nai-2", "nai-3", "nai-4", "anchor-1")
    built = build(tmp_path)
    assert built.fresh
    assert names_in(cached) == {"nai-3", "nai-4", "anchor-1", built.folder.name}


def test_what_somebody_may_still_run_from_stays(cached, tmp_path):
    add_old(cached, "nai-old", "nai-1", "nai-2", "nai-3")
    an_hour_ago = time.time() - 3600
    for name in ("nai-1", "nai-2", "nai-3"):
        os.utime(cached / name, (an_hour_ago, an_hour_ago))
    built = build(tmp_path)
    assert names_in(cached) == {"nai-1", "nai-2", "nai-3", built.folder.name}


def test_what_was_found_built_counts_as_used_and_removes_nothing(cached, tmp_path):
    built = build(tmp_path)
    os.utime(built.folder, (0, 0))
    add_old(cached, "nai-1", "nai-2", "nai-3")
    assert not build(tmp_path).fresh
    assert names_in(cached) >= {"nai-1", "nai-2", "nai-3", built.folder.name}
    assert built.folder.stat().st_mtime > 1e9
