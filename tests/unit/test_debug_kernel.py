# SPDX-License-Identifier: Apache-2.0
"""Debug kernels: what is asked for, what make has to do again, and what was run in them."""

import os

import pytest

from tests.kernel_part import make_kernel, make_kmod, make_source, write_files
from vhostaccel.errors import UsageError
from vhostaccel.kmod.debug_config import (
    as_text,
    config_names,
    own_options,
    read_options,
    unmet,
)
from vhostaccel.kmod.debug_kernel import provide_debug_kernel
from vhostaccel.kmod.debug_progress import Progress
from vhostaccel.kmod.debug_proof import MISTAKES, Control, Proof, suite_modules
from vhostaccel.kmod.kunit_results import read_results
from vhostaccel.kmod.layout import KMOD, read_kernel_part
from vhostaccel.kmod.whole_tree import follow_part

KCONFIG = """\
config NAI
\ttristate "Network Acceleration Interface"
\tdepends on INET
"""
KCONFIG_HUNK = """vhost_net: add an option

A reason.
---
--- a/drivers/vhost/Kconfig
+++ b/drivers/vhost/Kconfig
@@ -1,2 +1,5 @@
 config VHOST_NET
 \ttristate "vhost"
+config VHOST_NET_NAI
+\tbool "frame queues"
+
"""
KTAP = """\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: nai-congestion
    # module: nai_test
    1..2
    ok 1 level
    ok 2 marks # SKIP no memory
# nai-congestion: pass:1 fail:0 skip:1 total:2
# Totals: pass:1 fail:0 skip:1 total:2
ok 1 nai-congestion
"""


def test_every_mistake_is_for_a_configuration_that_there_is():
    assert set(MISTAKES) <= set(config_names())


def test_every_mistake_is_one_that_the_control_makes():
    source = (KMOD / "control" / "vhostaccel_control.c").read_text()

    for mistakes in MISTAKES.values():
        for mistake in mistakes:
            assert f'{{ "{mistake}", control_' in source


def test_our_own_options_are_read_from_our_kconfig_and_from_hunks(tmp_path):
    part = make_kmod(
        tmp_path,
        **{
            "nai/Kconfig": KCONFIG,
            "patches/6.12/0002-option.patch": KCONFIG_HUNK,
        },
    )

    assert own_options(part) == {"CONFIG_NAI": "m", "CONFIG_VHOST_NET_NAI": "y"}


def test_the_projects_options_are_all_asked_for():
    options = read_options("kasan", read_kernel_part())

    assert options["CONFIG_NAI"] == "m"
    assert options["CONFIG_VHOST_NET_NAI"] == options["CONFIG_IGB_NAI"] == "y"
    assert options["CONFIG_KASAN"] == "y"


@pytest.mark.parametrize(
    ("have", "wrong"),
    [
        ("CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n", []),
        ("CONFIG_A=y\nCONFIG_B=m\n", []),
        ("CONFIG_A=y\nCONFIG_B=y\n", ["CONFIG_B: asked m, got y"]),
        ("CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=y\n", ["CONFIG_C: asked n, got y"]),
        ("CONFIG_B=m\n", ["CONFIG_A: asked y, got n"]),
    ],
)
def test_an_option_that_did_not_come_out_as_asked_is_told(have, wrong):
    asked = {"CONFIG_A": "y", "CONFIG_B": "m", "CONFIG_C": "n"}

    assert list(unmet(asked, have)) == wrong


def test_options_are_written_as_kconfig_reads_them():
    assert (
        as_text({"CONFIG_A": "y", "CONFIG_V": '"-x"'}) == 'CONFIG_A=y\nCONFIG_V="-x"\n'
    )


def test_a_configuration_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="no debug kernel nothing"):
        provide_debug_kernel("nothing", print)


@pytest.fixture
def tree(tmp_path):
    return make_source(tmp_path / "tree")


@pytest.fixture
def pristine(tmp_path):
    return make_source(tmp_path / "pristine")


def test_a_tree_gets_our_files_and_hunks(tmp_path, pristine, tree):
    changed = follow_part(make_kmod(tmp_path / "kmod"), pristine, tree)

    assert "int hook;" in (tree / "drivers/vhost/net.c").read_text()
    assert (tree / "net/nai/nai_core.c").read_text() == "int core;\n"
    assert "drivers/net/tun.c" not in changed


def test_what_has_not_changed_is_not_written_again(tmp_path, pristine, tree):
    part = make_kmod(tmp_path / "kmod")
    follow_part(part, pristine, tree)
    os.utime(tree / "drivers/vhost/net.c", (1, 1))
    write_files(tmp_path / "kmod", {"nai/nai_core.c": "int other;\n"})

    changed = follow_part(part, pristine, tree)

    assert changed == ("net/nai/nai_core.c",)
    assert (tree / "drivers/vhost/net.c").stat().st_mtime == 1


def test_what_is_no_longer_ours_is_pristine_again(tmp_path, pristine, tree):
    follow_part(make_kmod(tmp_path / "kmod"), pristine, tree)
    less = make_kmod(tmp_path / "less")
    (tmp_path / "less/patches/6.12/0001-hook.patch").unlink()
    (tmp_path / "less/vhost/net_nai.c").unlink()

    follow_part(read_kernel_part(tmp_path / "less"), pristine, tree)

    assert less.patches
    assert "hook" not in (tree / "drivers/vhost/net.c").read_text()
    assert not (tree / "drivers/vhost/net_nai.c").exists()


def test_progress_is_told_now_and_then_and_counts_steps(tmp_path):
    told: list[str] = []
    times = iter([0.0, 30.0, 30.0, 30.0, 31.0, 40.0])
    (tmp_path / "steps").write_text("7\n")
    progress = Progress("kernel", tmp_path / "steps", told.append, lambda: next(times))

    progress("  CC [M]  net/nai/nai_fq.o")
    progress("make[1]: Entering directory")
    progress("  LD      vmlinux.o")
    progress.end()

    assert told[0] == "kernel: 1 steps of at most 7, 30 s, now net/nai/nai_fq.o"
    assert told[1].startswith("kernel: 2 steps")
    assert (tmp_path / "steps").read_text() == "7\n"


def test_what_debugfs_has_of_a_suite_is_read():
    results = read_results(KTAP)

    assert results.is_good
    assert results.passed == ("nai-congestion/level",)
    assert len(results.skipped) == 1


def test_only_modules_with_suites_are_loaded_to_run_them(tmp_path):
    kernel = make_kernel(tmp_path)
    kernel.modules.mkdir(parents=True)
    (kernel.modules / "nai_test.ko").write_bytes(b"ELF .kunit_test_suites")
    (kernel.modules / "nai.ko").write_bytes(b"ELF")

    assert suite_modules(kernel) == ("nai_test",)


def make_proof(*, seen="BUG: KASAN", ktap=KTAP, unexpected=()):
    return Proof(
        controls=(Control(mistake="access", detector="KASAN", seen=seen),),
        suites={"nai-congestion": read_results(ktap)} if ktap else {},
        unexpected=unexpected,
    )


def test_a_proof_holds_when_all_was_seen_and_run():
    assert make_proof().holds


@pytest.mark.parametrize(
    "proof",
    [
        make_proof(seen=""),
        make_proof(ktap=""),
        make_proof(ktap=KTAP.replace("    ok 1", "    not ok 1")),
        make_proof(unexpected=("BUG: others",)),
    ],
)
def test_a_proof_does_not_hold_when_one_thing_is_missing(proof):
    assert not proof.holds
