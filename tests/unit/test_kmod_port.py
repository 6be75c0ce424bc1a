# SPDX-License-Identifier: Apache-2.0
"""The differences for the newer kernel apply to what they name, and to nothing else."""

import pytest

from tests.kernel_part import make_kmod, make_source, write_files
from vhostaccel.errors import ProvideError, SetupError
from vhostaccel.kmod.mail import publish
from vhostaccel.kmod.nextkernel import PINS, Pin, package_url
from vhostaccel.kmod.port import make_port
from vhostaccel.kmod.series import read_series

OWN = """--- a/nai/nai_core.c
+++ b/nai/nai_core.c
@@ -1 +1 @@
-int core;
+long core;
"""
REPLACE = """
[[replace]]
patch = "0001-hook.patch"
why = "it is closed there"
old = " int open;"
new = " int closed;"
"""
DROP = """
[[drop]]
patch = "0001-hook.patch"
why = "it is there"
"""
ALONE = """
prefix = "PATCH"
[[patch]]
title = "net: nai: add all"
body = "It is needed."
add = ["nai/*", "include/*", "vhost/*"]
[[patch]]
patch = "0001-hook.patch"
"""


def kmod_with(tmp_path, toml="", own=OWN, **more):
    root = tmp_path / "kmod"
    files = {"patches/7.2/port.toml": toml, "patches/7.2/own.diff": own, **more}
    make_kmod(root, **files)
    return root


def test_our_files_change_and_the_folder_itself_does_not(tmp_path):
    root = kmod_with(tmp_path)
    port = make_port(tmp_path / "port", tmp_path, root)
    assert port.part.own["net/nai/nai_core.c"].read_text() == "long core;\n"
    assert (root / "nai/nai_core.c").read_text() == "int core;\n"


def test_lines_of_a_patch_are_replaced_and_it_applies_to_the_newer_source(tmp_path):
    port = make_port(tmp_path / "port", tmp_path, kmod_with(tmp_path, REPLACE))
    source = make_source(tmp_path / "source")
    newer = "int before;\nint closed;\nint after;\n"
    write_files(source, {"drivers/vhost/net.c": newer})
    patches = publish(port.part, source, tmp_path / "mails", port.kmod)
    assert "+int hook;" in patches[-1].read_text()


def test_a_diff_takes_the_place_of_a_patchs_own_and_the_message_stays(tmp_path):
    diff = "--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-a\n+b\n"
    root = kmod_with(tmp_path, **{"patches/7.2/0001-hook.diff": diff})
    (patch,) = make_port(tmp_path / "port", tmp_path, root).part.patches
    assert patch.title == "vhost_net: add a hook"
    assert patch.changes == ("x.c",)


def test_a_patch_that_is_not_needed_leaves_the_series(tmp_path):
    root = kmod_with(tmp_path, DROP, **{"series.toml": ALONE})
    port = make_port(tmp_path / "port", tmp_path, root)
    assert port.part.patches == ()
    assert len(read_series(port.part, port.kmod).changes) == 1


@pytest.mark.parametrize(
    ("more", "error", "told"),
    [
        ({"toml": REPLACE.replace("int open", "int gone")}, SetupError, "int gone"),
        ({"toml": DROP}, SetupError, "with files"),
        ({"own": OWN.replace("int core", "int gone")}, ProvideError, "own.diff"),
        ({"patches/7.2/0009-x.diff": "--- a/x\n"}, SetupError, "0009-x.diff"),
    ],
    ids=["lines", "drop", "own", "diff"],
)
def test_a_difference_from_what_is_not_there_is_an_error(tmp_path, more, error, told):
    with pytest.raises(error, match=told):
        make_port(tmp_path / "port", tmp_path, kmod_with(tmp_path, **more))


def test_a_pin_names_a_package_of_a_mirrors_pool():
    assert package_url("http://mirror/debian/", Pin("7.2.1-1", "0")) == (
        "http://mirror/debian/pool/main/l/linux/linux-source-7.2_7.2.1-1_all.deb"
    )
    assert all(len(pin.sha256) == 64 for pin in PINS)
