# SPDX-License-Identifier: Apache-2.0
"""Which trials a scenario comes to, and what happens in them."""

from dataclasses import replace
from functools import partial

import pytest

from tests.factories import make_disturbance, make_scenario
from tests.unit.test_ledger import IDLE_GUEST, ZERO, make_sample
from vhostaccel import trials as module
from vhostaccel.errors import GuestError, LostGuestError
from vhostaccel.lab.kvm import Kvm
from vhostaccel.observe.point import Instructions
from vhostaccel.observe.sample import Liveness, Tally
from vhostaccel.scenario.model import Action, Directions, DisturbanceSpec, GuestSpec
from vhostaccel.traffic.fake import FakeGenerator, Host
from vhostaccel.traffic.plan import trial_spec
from vhostaccel.trials import Trials
from vhostaccel.units import FramesPerSecond, Seconds

UNSEEN = Liveness(heartbeats={}, timer_late_worst_ns=0)
KILL = DisturbanceSpec(action=Action.KILL, guest=1)


class FakeHost:
    """A host where nothing moves; it writes down what is asked of it."""

    def __init__(self):
        self.asked = []
        self.guest = IDLE_GUEST
        self.lost = ()
        self.words = "(nothing)"

    def prepare(self, spec):
        return {}

    def ping(self, count):
        return {}

    def finish(self):
        return ()

    def use(self, mode):
        self.asked.append(f"use {mode}")

    def sample(self):
        sample = make_sample(ZERO, {"nfv0": self.guest})
        return replace(sample, cpu_ticks={"cpu0": (0,) * 8})

    def tally(self):
        self.asked.append("tally")
        at_ns = 1000 * len(self.asked)
        return Tally(at_ns=at_ns, idle_ns=at_ns // 2)

    def watch(self, leave_out=()):
        self.asked.append(f"watch all but {', '.join(leave_out) or 'none'}")

    def disturb(self, spec):
        self.asked.append(f"{spec.action.value} guest {spec.guest}")
        return make_disturbance()

    def watched(self):
        return UNSEEN

    def last_words(self, guest):
        return self.words

    def derailed(self):
        return self.lost


def scenario_of(*, neighbour=None, disturbance=None, count=1, **traffic):
    scenario = make_scenario(rates=(600, 40_000))
    wanted = replace(scenario.traffic, neighbour=neighbour, **traffic)
    guest = GuestSpec(count=count)
    return replace(scenario, traffic=wanted, disturbance=disturbance, guest=guest)


def _fall_silent(host, lost):
    host.guest, host.lost = None, lost
    return UNSEEN


def _restart(host, words="(nothing)"):
    host.guest = replace(host.guest, boot=host.guest.boot + 1)
    host.words = words
    return UNSEEN


@pytest.fixture
def run(monkeypatch):
    """Run a sweep of a scenario; return its points, and what the host was asked."""
    monkeypatch.setattr(module, "thread_wait_ns", lambda pid, thread: 0)
    monkeypatch.setattr(module, "ledgers", lambda *_: (None, None))
    monkeypatch.setattr(module, "void_reason", lambda point, rule: None)

    monkeypatch.setattr(module, "_SETTLE_LIMIT_S", 0.0)

    def sweep(scenario, meanwhile=None, *, emulated=True):
        kvm = Kvm(device_opens=True, cpu_virtualises=True, nests=not emulated)
        monkeypatch.setattr(module, "look_at_kvm", lambda: kvm)
        host = FakeHost()
        said: list[str] = []
        generator = FakeGenerator(Host(capacity=FramesPerSecond(10_000)))
        trials = Trials(scenario, host, generator, 1, said.append)
        trials.use("tap")
        if meanwhile is not None:
            monkeypatch.setattr(host, "watched", partial(meanwhile, host))
        return trials, list(trials.sweep(0)), host.asked, said

    return sweep


def test_without_a_disturbance_every_rate_is_run_once(run):
    trials, points, asked, _ = run(scenario_of())
    assert [(p.purpose, p.rate) for p in points] == [("sweep", 600), ("sweep", 40_000)]
    assert [point.disturbance for point in points] == [None, None]
    assert asked == ["use tap", *["watch all but none"] * 2]
    (after,) = trials.recovery(points)
    assert (after.purpose, after.rate, after.disturbance) == ("recovery", 5000, None)


def test_the_highest_rate_is_disturbed_once_it_is_watched(run):
    trials, points, asked, said = run(scenario_of(disturbance=KILL, count=2))
    assert [point.disturbance is not None for point in points] == [False, True]
    assert asked[-2:] == ["watch all but nfv1", "kill guest 1"]
    assert said[-1].endswith("kill 1 of 1 times in 20.5 s")
    assert trials.recovery(points)[0].disturbance is None


def test_a_guest_that_can_answer_is_watched_while_it_is_disturbed(run):
    reattach = DisturbanceSpec(action=Action.REATTACH)
    _, _, asked, _ = run(scenario_of(disturbance=reattach))
    assert asked[-2:] == ["watch all but none", "reattach guest 0"]


def test_neighbours_are_measured_alone_first_and_recovery_is_left_out(run):
    trials, points, _, _ = run(scenario_of(neighbour=FramesPerSecond(300), count=2))
    assert [(p.purpose, p.rate) for p in points] == [
        ("solo", 0), ("sweep", 600), ("sweep", 40_000),
    ]  # fmt: skip
    solo, _, flood = (point.trial.a_to_b for point in points)
    assert [guest.offered_fps for guest in solo.guests] == [0, 300]
    assert [guest.offered_fps for guest in flood.guests] == [40_000, 300]
    assert trials.recovery(points) == []


def test_where_instructions_count_nobody_looks_on_and_no_load_comes_first(run):
    scenario = scenario_of()
    lab = replace(scenario.lab, icount=True)
    _, points, asked, _ = run(replace(scenario, lab=lab))
    assert [(p.purpose, p.rate) for p in points] == [
        ("idle", 0), ("sweep", 600), ("sweep", 40_000),
    ]  # fmt: skip
    assert asked == ["use tap", *["tally"] * 9]
    executed = Instructions(elapsed=1000, busy=500, reading=500)
    assert [point.instructions for point in points] == [executed] * 3


def test_a_guest_that_the_flood_has_silenced_is_measured(run):
    _, points, _, _ = run(scenario_of(), partial(_fall_silent, lost=()))
    assert len(points) == 2


def test_a_guest_that_the_emulator_has_lost_says_nothing_of_the_host(run):
    with pytest.raises(
        LostGuestError, match="emulator below the lab has lost guest nfv0"
    ):
        run(scenario_of(), partial(_fall_silent, lost=("nfv0",)))


def test_a_guest_that_restarts_under_an_emulator_says_nothing_of_the_host(run):
    with pytest.raises(LostGuestError, match="guest nfv0 has restarted by itself"):
        run(scenario_of(), _restart)


def test_a_guest_whose_kernel_gave_up_is_an_error_that_says_why(run):
    panic = "Kernel panic - not syncing: corrupted list"
    with pytest.raises(GuestError, match=f"last on its console: {panic}"):
        run(scenario_of(), partial(_restart, words=panic))


def test_a_guest_that_restarts_under_hardware_virtualisation_is_an_error(run):
    with pytest.raises(GuestError, match="guest nfv0 has restarted by itself"):
        run(scenario_of(), _restart, emulated=False)


def test_a_guest_that_is_restarted_on_purpose_is_measured(run):
    kill = replace(KILL, guest=0)
    scenario = scenario_of(disturbance=kill)
    one_load = replace(scenario.traffic, rates=(FramesPerSecond(40_000),))
    _, points, _, _ = run(replace(scenario, traffic=one_load), _restart)
    assert [point.disturbance is not None for point in points] == [True]


def test_one_load_is_spread_over_all_guests_without_a_neighbour():
    spec = trial_spec(scenario_of(count=3), FramesPerSecond(600))
    (load,) = spec.a_to_b
    assert (load.rate, load.guests) == (600, (0, 1, 2))
    assert spec.b_to_a == spec.a_to_b


def test_neighbours_share_a_steady_load_beside_the_disturbed_guest():
    scenario = scenario_of(
        neighbour=FramesPerSecond(300), disturbance=KILL, count=3, flood=Seconds(9.0)
    )
    flooded, steady = trial_spec(scenario, FramesPerSecond(40_000)).a_to_b
    assert (flooded.rate, flooded.guests) == (40_000, (1,))
    assert (steady.rate, steady.guests) == (600, (0, 2))


def test_a_direction_that_is_not_driven_has_no_load_of_anybody():
    scenario = scenario_of(
        neighbour=FramesPerSecond(300), count=2, directions=Directions.B_TO_A
    )
    spec = trial_spec(scenario, FramesPerSecond(600))
    assert [load.rate for load in spec.a_to_b] == [0, 0]
    assert [load.rate for load in spec.b_to_a] == [600, 300]
