# SPDX-License-Identifier: Apache-2.0
"""What the kernel part is made of, and where each file goes."""

from dataclasses import replace

import pytest

from tests.kernel_part import HUNK, PATCH, make_kernel, make_kmod, make_source
from vhostaccel.errors import ProvideError, SetupError
from vhostaccel.kmod.build import build_key, complaints
from vhostaccel.kmod.layout import read_kernel_part
from vhostaccel.kmod.package import describe_package, write_package
from vhostaccel.kmod.patch import parse_patch
from vhostaccel.kmod.sign import Signing
from vhostaccel.kmod.tree import assemble


def test_every_file_of_ours_has_its_place_and_leftovers_of_a_build_have_none(tmp_path):
    part = make_kmod(tmp_path)
    assert set(part.own) == {
        "net/nai/nai_core.c",
        "include/net/nai.h",
        "drivers/vhost/net_nai.c",
    }


def test_a_host_gets_no_module_that_is_for_tests(tmp_path):
    part, package = make_kmod(tmp_path / "a"), tmp_path / "package"
    tested = make_kmod(tmp_path / "b", **{"naisim/naisim_main.c": "int sim;\n"})
    assert "drivers/net/naisim/naisim_main.c" in tested.own
    (tmp_path / "b" / "dkms.conf").write_text("@VERSION@")
    (tmp_path / "a" / "dkms.conf").write_text("@VERSION@")
    made = describe_package(tested, "6.12.117-1", tmp_path / "b")
    assert made == describe_package(part, "6.12.117-1", tmp_path / "a")
    package.mkdir()
    write_package(made, tested, make_source(tmp_path / "source"), package)
    assert (package / "net/nai/nai_core.c").exists()
    assert not (package / "drivers/net/naisim").exists()


def test_a_kernel_part_without_files_is_told(tmp_path):
    with pytest.raises(SetupError, match="not complete"):
        read_kernel_part(tmp_path)


def test_what_is_rebuilt_and_what_a_patch_changes_is_taken_from_the_source(tmp_path):
    patch = PATCH.replace("drivers/vhost/net.c", "net/Kconfig")
    part = make_kmod(tmp_path, **{"patches/6.12/0002-kconfig.patch": patch})
    assert "net/Kconfig" in part.pristine
    assert "drivers/vhost" in part.pristine
    assert "drivers/vhost/net.c" not in part.pristine


def test_what_an_earlier_patch_or_we_made_is_not_taken_from_the_source(tmp_path):
    create = (
        PATCH.partition("---\n")[0]
        + "---\n--- /dev/null\n+++ b/net/new.h\n@@ -0,0 +1 @@\n+int new;\n"
    )
    change = PATCH.replace("drivers/vhost/net.c", "net/new.h")
    ours = PATCH.replace("drivers/vhost/net.c", "net/nai/nai_core.c")
    part = make_kmod(
        tmp_path,
        **{
            "patches/6.12/0002-create.patch": create,
            "patches/6.12/0003-change.patch": change,
            "patches/6.12/0004-ours.patch": ours,
        },
    )
    assert part.changed == ("drivers/vhost/net.c",)
    assert not {"net/new.h", "net/nai/nai_core.c"} & {*part.pristine}


def test_a_tree_holds_the_source_our_files_the_hunks_and_how_to_build(tmp_path):
    part, tree = make_kmod(tmp_path / "kmod"), tmp_path / "tree"
    tree.mkdir()
    assemble(part, make_source(tmp_path / "source"), tree)
    assert "int hook;" in (tree / "drivers/vhost/net.c").read_text()
    assert (tree / "net/nai/nai_core.c").read_text() == "int core;\n"
    assert (tree / "Makefile").exists()
    assert not list(tree.rglob("*.orig"))
    assert not list(tree.rglob("*.patch"))


def test_a_hunk_that_fits_only_with_fuzz_is_refused(tmp_path):
    part, source = make_kmod(tmp_path / "kmod"), make_source(tmp_path / "source")
    (source / "drivers/vhost/net.c").write_text("int other;\nint open;\nint after;\n")
    (tmp_path / "tree").mkdir()
    with pytest.raises(ProvideError, match=r"0001-hook\.patch does not apply"):
        assemble(part, source, tmp_path / "tree")


def test_a_file_that_the_source_lacks_is_named(tmp_path):
    (tmp_path / "tree").mkdir()
    with pytest.raises(SetupError, match=r"tun\.c"):
        assemble(make_kmod(tmp_path / "kmod"), tmp_path, tmp_path / "tree")


def test_a_patch_tells_what_it_changes_and_what_it_creates():
    new = "--- /dev/null\n+++ b/net/new.c\n@@ -0,0 +1 @@\n+--- not a header\n"
    patch = parse_patch("0001-x.patch", PATCH + new)
    assert patch.title == "vhost_net: add a hook"
    assert patch.body == "A reason."
    assert patch.changes == ("drivers/vhost/net.c",)
    assert patch.creates == ("net/new.c",)


@pytest.mark.parametrize(
    "text",
    [
        HUNK,
        f"a title\n---\n{HUNK}",
        f"a title\nof two lines\n\nwhy\n---\n{HUNK}",
        "a title\n\nwhy\n---\nno diff\n",
        f"a title\n\nwhy\n---\n{HUNK.replace('b/', '')}",
    ],
    ids=["no message", "no body", "two lines", "no diff", "no prefix"],
)
def test_a_malformed_patch_is_told_with_the_form(text):
    with pytest.raises(SetupError, match=r"0001-x\.patch") as caught:
        parse_patch("0001-x.patch", text)
    assert "subsys: verb" in caught.value.hint


def test_the_key_follows_every_input(tmp_path):
    part, kernel = make_kmod(tmp_path / "kmod"), make_kernel(tmp_path)
    cert = tmp_path / "cert.der"
    cert.write_bytes(b"one")
    signing = Signing(key="key.pem", cert=cert)
    keys = [
        build_key(kernel, part, "gcc 12", None),
        build_key(kernel, part, "gcc 14", None),
        build_key(replace(kernel, package_version="6.12.120-1"), part, "gcc 12", None),
        build_key(kernel, part, "gcc 12", signing),
    ]
    cert.write_bytes(b"two")
    keys.append(build_key(kernel, part, "gcc 12", signing))
    for change in (
        {"nai/nai_core.c": "int changed;\n"},
        {"oot/Makefile": "modules: more\n"},
        {"patches/6.12/0001-hook.patch": PATCH.replace("hook;", "hooks;")},
        {"nai/nai_more.c": "int more;\n"},
    ):
        changed = make_kmod(tmp_path / "kmod", **change)
        keys.append(build_key(kernel, changed, "gcc 12", None))
    assert len(set(keys)) == len(keys)


def test_the_key_ignores_what_a_build_leaves_and_what_is_no_input(tmp_path):
    kernel = make_kernel(tmp_path)
    keys = {
        build_key(kernel, make_kmod(tmp_path / "kmod", **more), "gcc 12", None)
        for more in ({}, {"nai/.nai_core.o.cmd": "x"}, {"README.md": "text"})
    }
    assert len(keys) == 1


def test_a_failed_build_is_told_by_the_compilers_own_lines():
    output = "\n".join(
        [
            *(f"  CC [M]  file{n}.o" for n in range(50)),
            "net/nai/nai_core.c:12:5: error: 'x' undeclared",
            "   12 |     x = 1;",
            "      |     ^",
            *(f"make[{n}]: *** [Makefile:{n}: x] Error 2" for n in range(9)),
        ]
    )
    told = complaints(output)
    assert "net/nai/nai_core.c:12:5: error" in told
    assert "x = 1;" in told
    assert "***" not in told


def test_a_build_that_fails_without_a_known_word_is_told_by_its_end():
    assert complaints("one\ntwo\nlast words\n").endswith("last words")
