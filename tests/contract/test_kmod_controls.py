# SPDX-License-Identifier: Apache-2.0
"""The controls: each checker finds the mistakes that were planted for it.

Those that need a whole kernel tree are shown the same file in every run of theirs;
here they run where an earlier `kmod check --all` has left a tree that is ready.
"""

import os
import shutil
from pathlib import Path

import pytest

from vhostaccel.kmod.check import check_semantics
from vhostaccel.kmod.checkall import compile_check
from vhostaccel.kmod.checkers import (
    check_file,
    compile_findings,
    kernel_doc_findings,
    sparse_is_installed,
)
from vhostaccel.kmod.cocci import QUICK, cocci_is_installed
from vhostaccel.kmod.control import MISTAKES, PLANTED_C, PLANTED_SPEC, overlooked
from vhostaccel.kmod.layout import KMOD, KernelPart
from vhostaccel.kmod.treebuild import VARIANTS
from vhostaccel.kmod.ynl import spec_findings
from vhostaccel.lab import storage

PLACE = "planted.c"
PLANTED = KernelPart(own={PLACE: PLANTED_C}, patches=(), build_files={})


def need(tool: str, *, installed: bool) -> None:
    if not installed and "CI" not in os.environ:
        pytest.skip(f"{tool} is not installed; `make setup` provides it")
    assert installed, f"{tool} is not installed, and CI must not skip it"


def plant(tree: Path) -> None:
    """Lay out a tree that is built as ours is, with nothing but the mistakes in it."""
    shutil.copyfile(PLANTED_C, tree / PLACE)
    shutil.copyfile(KMOD / "oot" / "Makefile", tree / "Makefile")
    (tree / "Kbuild").write_text("obj-m += planted.o\n")


def test_the_compiler_and_sparse_find_what_is_planted(kernel, tmp_path):
    need("sparse", installed=sparse_is_installed())
    plant(tmp_path)
    findings = compile_findings(tmp_path, kernel.headers)
    assert overlooked(("W=1", "sparse"), findings) == ()
    assert {finding.place for finding in findings} == {PLACE}


def test_kernel_doc_finds_what_is_planted(source, tmp_path):
    plant(tmp_path)
    findings = kernel_doc_findings([PLACE], tmp_path, source)
    assert overlooked(("kernel-doc",), findings) == ()


def test_coccicheck_finds_what_is_planted(source, tmp_path):
    need("coccinelle", installed=cocci_is_installed())
    plant(tmp_path)
    check = check_semantics(PLANTED, source, tmp_path, QUICK)
    assert overlooked(("coccicheck",), check.findings) == ()
    assert {finding.kind for finding in check.findings} >= {"double_lock", "kfree"}


def test_checkpatch_finds_what_is_planted(source, tmp_path):
    (tmp_path / PLACE).write_text("int planted ;\n")
    kinds = {finding.kind for finding in check_file(PLACE, tmp_path, source)}
    assert kinds >= {"SPDX_LICENSE_TAG", "SPACING"}


def test_the_schema_finds_what_is_planted(source):
    place = "Documentation/netlink/specs/planted.yaml"
    part = KernelPart(own={place: PLANTED_SPEC}, patches=(), build_files={})
    assert overlooked(("YNL schema",), spec_findings(part, source)) == ()


# No lab is booted, but it takes as long.
@pytest.mark.lab
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_builds_in_a_whole_tree_find_what_is_planted(kernel, source, variant):
    folder = storage.cache_dir() / "kernel" / f"{kernel.package_version}.check"
    if not (folder / variant.name / ".config").exists():
        pytest.skip("`vhostaccel kmod check --all` makes the tree, with this control")
    # It raises when a planted mistake is overlooked.
    check = compile_check(
        variant,
        KernelPart(own={}, patches=(), build_files={}),
        source,
        folder / "tree",
        lambda line: None,
    )
    assert check.findings == ()


def test_every_build_in_a_whole_tree_has_a_control():
    for variant in VARIANTS:
        assert variant.controls
        assert all(MISTAKES[name] for name in variant.controls)
