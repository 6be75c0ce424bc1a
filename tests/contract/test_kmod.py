# SPDX-License-Identifier: Apache-2.0
"""The real kernel part: it applies, its checkers are content, its files are generated."""

import re
from dataclasses import replace
from pathlib import Path

from vhostaccel.kmod.answers import read_answers, unanswered
from vhostaccel.kmod.build import build_modules
from vhostaccel.kmod.check import check_files, check_patches
from vhostaccel.kmod.generated import generated_files, outdated
from vhostaccel.kmod.layout import KMOD, read_kernel_part
from vhostaccel.kmod.patch import apply_patch
from vhostaccel.kmod.port import make_port
from vhostaccel.kmod.series import read_series
from vhostaccel.kmod.tree import assemble, copy_pristine, place

PART = read_kernel_part()


def test_every_patch_applies_in_order_without_fuzz(source, tmp_path):
    assemble(PART, source, tmp_path)
    for path in PART.own:
        assert (tmp_path / path).is_file()


def test_the_series_comes_to_what_is_built(source, tmp_path):
    mailed, built = tmp_path / "mailed", tmp_path / "built"
    mailed.mkdir()
    built.mkdir()
    copy_pristine(PART.pristine, source, mailed)
    for change in read_series(PART).changes:
        place(change.own, mailed)
        if change.hunks is not None:
            apply_patch(change.hunks, mailed)
    assemble(replace(PART, build_files={}), source, built)
    assert content_of(mailed) == content_of(built)


def content_of(tree: Path) -> dict[str, bytes]:
    files = (path for path in tree.rglob("*") if path.is_file())
    return {str(path.relative_to(tree)): path.read_bytes() for path in files}


def test_our_files_replace_none_of_the_kernels(source):
    assert not [path for path in PART.own if (source / path).exists()]


def test_the_series_is_within_what_netdev_takes():
    series = read_series(PART)
    # Tests, documents, what sends and mode seed would be posted later; the cover letter says so.
    later = [
        c
        for c in series.changes
        if re.search("naisim|KUnit|^selftests|document|: send |own buffers", c.title)
    ]
    assert 0 < len(series.changes) - len(later) <= 15
    assert len(later) <= 15
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


def test_the_differences_for_the_next_kernel_fit_the_patches(source, tmp_path):
    # That they fit its source too is for `kmod check --all` to say.
    port = make_port(tmp_path, source)
    changes = read_series(port.part, port.kmod).changes
    assert 0 < len(changes) < len(read_series(PART).changes)
