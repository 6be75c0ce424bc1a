# SPDX-License-Identifier: Apache-2.0
"""A lab is ended however its run ends, and what its console said is kept."""

from types import SimpleNamespace

import pytest

from tests.kernel_part import make_kernel
from vhostaccel import testbed as module
from vhostaccel.errors import GuestError
from vhostaccel.lab.console import ConsoleLog
from vhostaccel.local.spec import Prepared
from vhostaccel.scenario.model import GuestSpec, LabSpec
from vhostaccel.testbed import Provided, open_testbed


class FakeMachine:
    """A lab whose console and whatever else is in its folder goes with it."""

    def __init__(self, folder):
        self.log = folder / "lab.log"
        self.log.write_text("Oops: the last thing it said\n")
        self.console = ConsoleLog(self.log)
        self.channel = None
        self.is_down = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.log.unlink()
        self.is_down = True


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Return the lab that a testbed boots, and the host in it."""
    machine = FakeMachine(tmp_path)
    host = SimpleNamespace(
        prepare=lambda spec: Prepared(
            facts={"host kernel": spec.kernel_image}, lacks={"xdp": "no libbpf"}
        )
    )
    monkeypatch.setattr(module, "boot", lambda *_, **__: machine)
    monkeypatch.setattr(module, "RemoteHost", lambda channel, says: host)
    return SimpleNamespace(machine=machine, host=host)


def open_it(folder):
    kernel = make_kernel(folder)
    provided = Provided(
        kernel=kernel,
        guest_kernel=kernel,
        guest_image=folder / "guest",
        tools={"vfwd": folder / "vfwd", "cpuprobe": folder / "cpuprobe"},
        anchor=folder / "anchor.ko",
        modules=None,
    )
    return open_testbed(
        "test", ("tap",), LabSpec(), GuestSpec(), provided,
        folder=folder / "run", report=lambda line: None,
    )  # fmt: skip


def kept(folder):
    return (folder / "run" / "console.log").read_text()


def test_the_host_is_ready_within_and_the_lab_has_ended_after(lab, tmp_path):
    with open_it(tmp_path) as bed:
        assert bed.host is lab.host
        assert bed.facts == {"host kernel": str(tmp_path / "boot" / "vmlinuz")}
        assert bed.lacks == {"xdp": "no libbpf"}
        assert not lab.machine.is_down
    assert lab.machine.is_down
    assert "Oops" in kept(tmp_path)


def test_the_console_of_a_run_that_failed_is_kept(lab, tmp_path):
    with pytest.raises(GuestError), open_it(tmp_path):
        raise GuestError("guest nfv0 is gone", hint="none")
    assert lab.machine.is_down
    assert "Oops" in kept(tmp_path)


def test_the_console_of_a_host_that_could_not_be_made_ready_is_kept(lab, tmp_path):
    def prepare(spec):
        raise GuestError("guest nfv0 does not answer", hint="none")

    lab.host.prepare = prepare
    with pytest.raises(GuestError), open_it(tmp_path):
        pytest.fail("the host is not ready")
    assert lab.machine.is_down
    assert "Oops" in kept(tmp_path)


def test_a_console_that_cannot_be_kept_does_not_hide_how_the_run_ended(lab, tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with open_it(tmp_path):
        pass
    assert lab.machine.is_down
