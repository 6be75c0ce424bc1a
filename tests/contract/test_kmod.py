# SPDX-License-Identifier: Apache-2.0
"""The real kernel part: it applies, its checkers are content, its files are generated."""

import os
from pathlib import Path

import pytest

from vhostaccel.kmod.answers import read_answers, unanswered
from vhostaccel.kmod.build import build_modules
from vhostaccel.kmod.check import check_files, check_patches
from vhostaccel.kmod.generated import generated_files, outdated
from vhostaccel.kmod.layout import KMOD, read_kernel_part
from vhostaccel.kmod.patch import apply_patch
from vhostaccel.kmod.series import read_series
from vhostaccel.kmod.tree import assemble, copy_pristine
from vhostaccel.lab.kernel import Kernel, find_kernel

PART = read_kernel_part()


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    found = find_kernel()
    missing = found is None or found.source is None
    if missing and "CI" not in os.environ:
        pytest.skip("no kernel source in the cache; `make setup` provides it")
    assert found is not None
    assert found.source is not None
    return found


@pytest.fixture(scope="module")
def source(kernel: Kernel) -> Path:
    assert kernel.source is not None
    return kernel.source


def test_every_patch_applies_in_order_without_fuzz(source, tmp_path):
    assemble(PART, source, tmp_path)
    for place in PART.own:
        assert (tmp_path / place).is_file()


def test_the_patches_apply_in_the_order_of_the_series_too(source, tmp_path):
    copy_pristine(PART.pristine, source, tmp_path)
    for change in read_series(PART).changes:
        if change.hunks is not None:
            apply_patch(change.hunks, tmp_path)


def test_our_files_replace_none_of_the_kernels(source):
    assert not [place for place in PART.own if (source / place).exists()]


def test_the_series_is_within_what_netdev_takes():
    series = read_series(PART)
    assert 0 < len(series.changes) <= 15
    for change in series.changes:
        assert len(change.title) <= 75, change.title
        assert ": " in change.title
        assert not change.title.endswith(".")


def test_checkpatch_finds_nothing_in_a_file_that_is_not_answered(source):
    check = check_files(PART, source)
    assert [str(left) for left in unanswered(check.findings, read_answers())] == []


def test_checkpatch_finds_nothing_in_a_patch_that_is_not_answered(source, tmp_path):
    check = check_patches(PART, source, tmp_path)
    assert [str(left) for left in unanswered(check.findings, read_answers())] == []


def test_the_generated_files_are_what_the_generator_makes(source):
    assert len(generated_files(PART)) == 3
    assert outdated(PART, source) == ()


def test_the_modules_are_built_and_only_once(kernel):
    first = build_modules(kernel, lambda line: None)
    assert all(path.stat().st_size > 0 for path in first.modules.values())
    assert not build_modules(kernel, lambda line: None).fresh


def test_the_readme_names_every_folder():
    text = (KMOD / "README.md").read_text()
    folders = {path.name for path in KMOD.iterdir() if path.is_dir()}
    assert not [name for name in folders if f"`{name}/" not in text]
