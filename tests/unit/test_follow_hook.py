# SPDX-License-Identifier: Apache-2.0
"""libvirt's hook: it hands a step on, and libvirt notices nothing of it."""

import io
import logging
import subprocess
import sys
import time

import pytest

from tests.nai_factories import UUID, domain_xml
from tests.waiting import expect_soon
from vhostaccel.follow import hook
from vhostaccel.follow.hook_file import (
    hook_installed,
    hook_text,
    install_hook,
    remove_hook,
)
from vhostaccel.follow.seat import Seats

RECORDER = """#!/bin/sh
printf '%s ' "$@" >{out}.new
printf '\\n' >>{out}.new
cat >>{out}.new
mv {out}.new {out}
echo noise; echo noise >&2
sleep {sleep}
exit 1
"""


def installed(tmp_path, python):
    path = tmp_path / "50-vhostaccel"
    path.write_text(hook_text(str(python)))
    path.chmod(0o755)
    return path


def recorder(tmp_path, sleep=0):
    """Return a python that notes what it is started with, and where it notes it."""
    folder = tmp_path / "with 'quote"
    folder.mkdir()
    python, out = folder / "python", tmp_path / "noted"
    python.write_text(RECORDER.format(out=out, sleep=sleep))
    python.chmod(0o755)
    return python, out


def run(path, *arguments, xml):
    """Run the hook as libvirt does: to the end of its output, not only to its exit."""
    return subprocess.run(
        [path, *arguments], input=xml, capture_output=True, text=True, timeout=5,
        check=False,
    )  # fmt: skip


def noted(out):
    expect_soon(out.exists, "the hook starts something")
    return out.read_text()


@pytest.mark.parametrize("step", ["started", "reconnect", "stopped", "release"])
def test_a_step_is_handed_on_with_its_time_and_the_xml(tmp_path, step):
    python, out = recorder(tmp_path)
    xml = domain_xml() + "<!-- $HOME `date` \\ 'x' -->\n" * 3000
    run(installed(tmp_path, python), "nfv0", step, "begin", "-", xml=xml)
    first, rest = noted(out).split("\n", 1)
    words = first.split()
    assert words[:3] == ["-I", "-m", "vhostaccel.follow.hook"]
    assert abs(float(words[3]) - hook.boot_time()) < 60
    assert words[4:] == ["nfv0", step, "begin", "-"]
    assert rest == xml


@pytest.mark.parametrize("step", ["prepare", "start", "migrate", "restore", "attach"])
def test_other_steps_start_nothing(tmp_path, step):
    python, out = recorder(tmp_path)
    done = run(installed(tmp_path, python), "nfv0", step, "begin", "-", xml="<domain/>")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    time.sleep(0.1)
    assert not out.exists()


def test_libvirt_gets_no_output_no_error_and_does_not_wait(tmp_path):
    python, out = recorder(tmp_path, sleep=3)
    began = time.monotonic()
    done = run(installed(tmp_path, python), "nfv0", "started", "begin", "-", xml="<d/>")
    assert time.monotonic() - began < 2
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    noted(out)


def test_a_python_that_is_gone_is_no_error(tmp_path):
    path = installed(tmp_path, tmp_path / "gone")
    done = run(path, "nfv0", "started", "begin", "-", xml=domain_xml())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_installing_says_when_libvirt_has_to_be_restarted(tmp_path):
    assert install_hook(tmp_path)
    assert hook_installed(tmp_path)
    assert not install_hook(tmp_path)
    assert sys.executable in (tmp_path / "qemu.d" / "50-vhostaccel").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["qemu.d"]


def test_beside_another_hook_no_restart_is_needed_and_it_stays(tmp_path):
    other = tmp_path / "qemu.d" / "10-other"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert not install_hook(tmp_path)
    remove_hook(tmp_path)
    assert other.exists()
    assert not hook_installed(tmp_path)


def test_removing_leaves_nothing_and_may_be_repeated(tmp_path):
    install_hook(tmp_path)
    remove_hook(tmp_path)
    remove_hook(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_hook_of_an_older_installation_is_brought_up_to_date(tmp_path):
    install_hook(tmp_path)
    path = tmp_path / "qemu.d" / "50-vhostaccel"
    path.write_text("#!/bin/sh\n")
    install_hook(tmp_path)
    assert path.read_text() == hook_text()


@pytest.mark.parametrize("step", ["started", "reconnect", "migrate", "stopped"])
def test_a_domain_without_wish_is_not_followed(tmp_path, step):
    xml = domain_xml(wish="")
    hook.handle(step, 1.0, xml, Seats(tmp_path), logging.getLogger("test"))
    assert list(tmp_path.iterdir()) == []


def test_a_domain_whose_taps_are_gone_leaves_no_file(tmp_path):
    xml = domain_xml(taps=("gone0", "gone1"))
    hook.handle("started", 1.0, xml, Seats(tmp_path), logging.getLogger("test"))
    assert list(tmp_path.iterdir()) == []


def test_nonsense_is_logged_and_not_raised(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("sys.stdin", io.StringIO("<domain"))
    monkeypatch.setattr(hook, "_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("os.setsid", lambda: None)
    hook.main(["1.0", "nfv0", "started", "begin", "-"])
    assert "no domain XML" in caplog.text


def test_the_hooks_program_never_has_libvirt_at_hand():
    code = "import sys, vhostaccel.follow.hook; sys.exit('libvirt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_another_guests_follower_is_found_by_uuid_alone(tmp_path):
    other = "00000000-0000-4000-8000-000000000000"
    seat = Seats(tmp_path).take(other, step_s=1.0, replace=False, timeout_s=0.0)
    assert seat is not None
    hook.handle("stopped", 2.0, domain_xml(), Seats(tmp_path), logging.getLogger("t"))
    assert (tmp_path / f"{other}.lock").exists()
    assert not (tmp_path / f"{UUID}.lock").exists()
    seat.leave()
