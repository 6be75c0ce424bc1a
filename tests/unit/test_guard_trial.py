# SPDX-License-Identifier: Apache-2.0
"""The guard tried on other kernels: where they come from, and what a run has shown."""

import re
from pathlib import Path

import pytest

from vhostaccel.errors import LabError, ProvideError
from vhostaccel.guard.kernels import KERNELS, PINS, read_kernel
from vhostaccel.guard.trial import read_trial

JUNIT = """<testsuites><testsuite>
<testcase name="test_datapath[full_ring]"/>
<testcase name="test_keeper[killed]"><failure message="no"/></testcase>
<testcase name="test_keeper[stopped]"><error message="no"/></testcase>
<testcase name="test_datapath[vlan]"><skipped message="why"/></testcase>
</testsuite></testsuites>"""
PASSED = '<testsuite><testcase name="test_datapath[full_ring]"/></testsuite>'


def trial(folder, junit=PASSED, console=""):
    (folder / "junit.xml").write_text(junit)
    (folder / "console").write_text(console)
    return read_trial("6.1.0-56-amd64", folder, 12.0)


def test_series_are_tried_oldest_first():
    assert KERNELS == ("6.1", "6.12", "7.2")


@pytest.mark.parametrize("series", PINS)
def test_a_pin_names_whole_packages_of_its_version(series):
    pin = PINS[series]
    assert pin.version.startswith(f"{series}.")
    for package in pin.packages:
        assert f"_{pin.package_version}_amd64.deb" in package.path
        assert re.fullmatch(r"pool/.*/[^/]+\.deb", package.path)
        assert re.fullmatch(r"[0-9a-f]{64}", package.sha256)


@pytest.mark.parametrize("place", ["boot/vmlinuz-{0}", "lib/modules/{0}/vmlinuz"])
def test_a_kernel_is_found_where_releases_pack_it(tmp_path, place):
    pin = PINS["7.2"]
    modules = tmp_path / "lib/modules" / pin.version
    modules.mkdir(parents=True)
    for name in ("modules.dep", "modules.builtin"):
        (modules / name).touch()
    image = tmp_path / place.format(pin.version)
    with pytest.raises(ProvideError, match="another form"):
        read_kernel(pin, tmp_path)
    image.parent.mkdir(exist_ok=True)
    image.touch()
    kernel = read_kernel(pin, tmp_path)
    assert (kernel.image, kernel.modules, kernel.root) == (image, modules, tmp_path)


def test_outcomes_are_told_apart(tmp_path):
    seen = trial(tmp_path, JUNIT)
    assert seen.passed == ("test_datapath[full_ring]",)
    assert seen.failed == ("test_keeper[killed]", "test_keeper[stopped]")
    assert seen.skipped == ("test_datapath[vlan]",)
    assert not seen.is_good
    assert trial(tmp_path).is_good


def test_scenes_that_were_skipped_show_nothing(tmp_path):
    junit = '<t><testcase name="a"/><testcase name="b"><skipped/></testcase></t>'
    assert not trial(tmp_path, junit).is_good


def test_what_the_kernel_complains_of_fails_the_trial(tmp_path):
    console = "[    9.0] WARNING: CPU: 0 PID: 1 at kernel/bpf/core.c:1 bpf_x+0x1/0x2\n"
    assert not trial(tmp_path, console=console).is_good


@pytest.mark.parametrize("junit", [None, "", "<testsuites/>"])
def test_a_run_without_scenes_is_an_error_with_the_console(tmp_path, junit):
    (tmp_path / "console").write_text("Kernel panic - not syncing: no init\n")
    if junit is not None:
        (tmp_path / "junit.xml").write_text(junit)
    with pytest.raises(LabError, match=r"no scene was played(.|\n)*no init") as raised:
        read_trial("6.1.0-56-amd64", tmp_path, 1.0)
    assert str(tmp_path) in raised.value.hint


def test_the_scenes_are_where_the_trial_looks_for_them():
    script = Path(__file__).parents[2] / "vhostaccel/guard/trial.sh"
    (named,) = re.findall(r"tests/\S+\.py", script.read_text())
    assert (Path(__file__).parents[2] / named).is_file()
