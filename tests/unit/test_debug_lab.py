# SPDX-License-Identifier: Apache-2.0
"""A debug kernel in the lab: more patience, other claims, leaks told on the console."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.factories import make_scenario
from tests.kernel_part import make_kernel
from vhostaccel.kmod.debug_kernel import companion
from vhostaccel.lab import leaks
from vhostaccel.lab.drivers import IN_KERNEL, OWN, describe, load
from vhostaccel.lab.kernel import DebugBuild
from vhostaccel.lab.splats import find_splats
from vhostaccel.patience import VARIABLE, limit_s, set_patience
from vhostaccel.scenario.model import Claim, GuestSpec, LabSpec
from vhostaccel.testbed import Provided, host_spec
from vhostaccel.verify import clean
from vhostaccel.verify.case import Case
from vhostaccel.verify.debugged import for_debug_kernel
from vhostaccel.verify.verdict import Evidence, Status


@pytest.fixture(autouse=True)
def usual_patience(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_limit_is_as_it_is_written_with_a_usual_kernel():
    assert limit_s(20.0) == 20.0


def test_every_limit_is_longer_in_a_slow_kernel(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    set_patience(5.0)

    assert limit_s(20.0) == 100.0


def test_what_is_claimed_of_speed_is_left_out():
    scenario = make_scenario(
        Claim(verdict="livelock", mode="copy"),
        Claim(verdict="disturbance", mode="copy"),
        modes=("tap", "copy"),
    )

    judged = for_debug_kernel(scenario)

    assert [(c.verdict, c.mode) for c in judged.claims] == [
        ("disturbance", "copy"),
        ("clean", "tap"),
        ("clean", "copy"),
    ]
    assert judged.void.offered_share == judged.void.received_share == 0.0


def test_a_claim_to_be_clean_is_not_made_twice():
    scenario = make_scenario(Claim(verdict="clean", mode="copy"), modes=("copy",))

    assert for_debug_kernel(scenario).claims == scenario.claims


def test_loads_are_lower_and_none_is_there_twice():
    scenario = make_scenario(rates=(10, 20, 12_000, 40_000))

    assert for_debug_kernel(scenario).traffic.rates == (1, 300, 1000)


def test_a_kernel_with_our_modules_inside_loads_its_own(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(
        "vhostaccel.lab.drivers.run", lambda argv, hint: asked.append(argv[-1])
    )

    load(IN_KERNEL)

    assert tuple(asked[2:]) == OWN
    assert describe(IN_KERNEL)["modules"].endswith("of the kernel itself")


def test_the_host_gets_the_debug_kernel_and_the_guest_does_not(tmp_path):
    stock = make_kernel(tmp_path / "stock")
    debug = replace(
        make_kernel(tmp_path / "debug"),
        debug=DebugBuild(config="kasan", key="0123", patience=5.0),
    )
    provided = Provided(
        kernel=debug,
        guest_kernel=stock,
        guest_image=tmp_path / "guest",
        tools={"vfwd": tmp_path / "vfwd", "cpuprobe": tmp_path / "cpuprobe"},
        anchor=companion(debug, "igb_anchor"),
        modules=None,
    )

    spec = host_spec(("tap",), LabSpec(), GuestSpec(), provided)

    assert spec.kernel_image == str(stock.image)
    assert spec.modules == IN_KERNEL
    assert spec.anchor == str(debug.modules / "extra" / "igb_anchor.ko")
    assert (stock.patience, debug.patience) == (1.0, 5.0)
    assert debug.label.endswith("(key 0123)")


def test_data_races_of_others_are_told_and_do_not_fail():
    evidence = Evidence(
        console_warnings=(), leftovers=(), console_notes=("BUG: KCSAN",)
    )
    case = Case(
        mode="tap", points=(), control=(), evidence=evidence, scenario=make_scenario()
    )

    verdict = clean.judge(case)

    assert verdict.status is Status.PASS
    assert "1 data races of others" in verdict.why


def test_leaks_are_told_so_that_the_console_shows_them(tmp_path, monkeypatch):
    monkeypatch.setattr("vhostaccel.lab.leaks.time.sleep", lambda _: None)
    kmsg = tmp_path / "kmsg"
    kmemleak = _AsInDebugfs(tmp_path / "kmemleak")

    leaks.report_leaks(kmemleak, kmsg)

    assert kmemleak.written == ["scan", "scan"]
    assert all(line.startswith("<3>") for line in kmsg.read_text().splitlines())
    (splat,) = find_splats(kmsg.read_text().replace("<3>", ""))
    assert splat.kind == "kmemleak"
    assert splat.counts


def test_a_kernel_without_kmemleak_is_not_asked(tmp_path):
    leaks.report_leaks(tmp_path / "kmemleak", tmp_path / "kmsg")

    assert not (tmp_path / "kmsg").exists()


class _AsInDebugfs(type(Path())):  # type: ignore[misc]  # pathlib makes it by system
    """A file that is written commands to and reads as a report, whatever was written."""

    written: list[str]

    def exists(self) -> bool:
        self.written = []
        return True

    def write_text(self, command: str) -> int:
        self.written.append(command)
        return len(command)

    def read_text(self, **_: str) -> str:
        return "unreferenced object 0xffff888000000000 (size 96):\n  comm insmod\n"
