# SPDX-License-Identifier: Apache-2.0
"""A scenario file is read as written, or refused with line and cure."""

from pathlib import Path

import pytest

from vhostaccel.errors import EXIT_USAGE, ScenarioError, UsageError
from vhostaccel.scenario.finder import find_scenarios
from vhostaccel.scenario.model import (
    Action,
    Claim,
    Directions,
    DisturbanceSpec,
    GuestKind,
    Placement,
)
from vhostaccel.scenario.reader import Vocabulary, read_scenario, scenario_name

WORDS = Vocabulary(
    modes=("tap",), verdicts=("livelock", "clean"), planned_modes=("copy",)
)
GOOD = """\
about = "Stock vhost-net livelocks."
modes = ["tap"]
[lab]
placement = "one-cpu"
memory = "2 GiB"
[guest]
kind = "vm"
[traffic]
rates = ["600 frames/s", "40 kframes/s"]
directions = "a-to-b"
flood = "8 s"
window = "6 s"
[[claim]]
verdict = "livelock"
mode = "tap"
expect = "< 0.25"
"""


def write(folder: Path, written: str, *changes: tuple[str, str]) -> Path:
    for old, new in changes:
        assert old in written
        written = written.replace(old, new, 1)
    path = folder / "scenarios" / "baseline" / "a-claim.toml"
    path.parent.mkdir(parents=True)
    path.write_text(written)
    return path


def test_what_is_written_is_what_is_read(tmp_path):
    scenario = read_scenario(write(tmp_path, GOOD), WORDS)
    assert scenario.name == "baseline/a-claim"
    assert scenario.traffic.rates == (600, 40_000)
    assert scenario.traffic.directions is Directions.A_TO_B
    assert scenario.lab.memory == 2 << 30
    assert scenario.lab.placement is Placement.ONE_CPU
    assert scenario.guest.kind is GuestKind.VM
    assert scenario.claims == (Claim(verdict="livelock", mode="tap", expect="< 0.25"),)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("placement", "placment", ":4: [lab] has no key 'placment'; did you mean 'placement'?"),
        ("[lab]", "[labb]", ":3: there is no table 'labb'; did you mean 'lab'?"),
        ("[lab]", "sweeps = 3\n[lab]", ":3: there is no key 'sweeps'; it belongs in [traffic]"),
        ("2 GiB", "2 GB", ":5: [lab] memory: '2 GB' has the unit 'GB'"),
        ('"8 s"', "8", ":11: [traffic] flood: must be a text with number and unit, not 8"),
        ('"8 s"', '"8"', ":11: [traffic] flood: '8' has no unit"),
        ('"8 s"', '"0 s"', ":11: [traffic] flood: must be more than nothing"),
        ("one-cpu", "one-cup", ":4: [lab] placement: cannot be 'one-cup'; did you mean 'one-cpu'?"),
        ('"6 s"', '"8 s"', ":12: [traffic] window of 8 s must be shorter than the flood of 8 s"),
        ("600 frames/s", "60 kframes/s", ":9: [traffic] rates: must name each rate once, lowest first"),
        ('["600 frames/s", "40 kframes/s"]', "[]", ":9: [traffic] rates: must be a list with at least one item"),
        ('rates = ["600 frames/s", "40 kframes/s"]', "", ":8: [traffic] rates is missing"),
        ('"a-to-b"', '"a-to-b"\nflows = 257', ":11: [traffic] flows: must be a whole number from 1 to 256, not 257"),
        ('kind = "vm"\n[traffic]', 'kind = "vm"\ncount = 100\n[traffic]\nflows = 41', ":10: [traffic] flows = 41 to each of 100 guests are too many"),
        ('kind = "vm"', 'kind = "vm"\ncount = true', ":8: [guest] count: must be a whole number from 1 to 100, not true"),
        ('placement = "one-cpu"', 'cpus = 1\nplacement = "two-cpu"', ":5: [lab] placement = \"two-cpu\" needs a second CPU"),
        ("[lab]", "[lab]\nicount = true", ":4: [lab] icount = true cannot run a VM guest"),
        ('"livelock"', '"lifelock"', ":14: [[claim]] there is no verdict 'lifelock'; did you mean 'livelock'?"),
        ('mode = "tap"', 'mode = "copy"', ":15: [[claim]] mode 'copy' is not among this scenario's modes"),
        ("< 0.25", "below 0.25", ":16: [claim] expect: 'below 0.25' is no expectation"),
        ('["tap"]', '["tapp"]', ":2: modes: there is no mode 'tapp'; did you mean 'tap'?"),
        ('"8 s"', "8 s", ":11: this is no TOML"),
        (GOOD[GOOD.index("[[claim]]"):], "", ":1: no [[claim]]"),
        ("[[claim]]", "[claim]", ":13: claims are written [[claim]]"),
        ('[lab]\nplacement = "one-cpu"\nmemory = "2 GiB"', "lab = 3", ":3: 'lab' must be a table"),
    ],
    ids=lambda value: value[:24],
)  # fmt: skip
def test_a_mistake_is_refused_with_line_and_cure(tmp_path, old, new, says):
    path = write(tmp_path, GOOD, (old, new))
    with pytest.raises(ScenarioError) as caught:
        read_scenario(path, WORDS)
    assert f"{path}{says}" in caught.value.what
    assert caught.value.exit_code == EXIT_USAGE


DISTURBED = GOOD.replace(
    "[[claim]]", '[disturbance]\naction = "kill"\ncount = 3\nguest = 1\n[[claim]]'
).replace('kind = "vm"', 'kind = "vm"\ncount = 2')


def test_a_disturbance_is_read_with_its_defaults(tmp_path):
    scenario = read_scenario(write(tmp_path, DISTURBED), WORDS)
    assert scenario.disturbance == DisturbanceSpec(action=Action.KILL, count=3, guest=1)
    assert scenario.flooded_guest == 1


def test_a_scenario_without_the_table_disturbs_nothing(tmp_path):
    scenario = read_scenario(write(tmp_path, GOOD), WORDS)
    assert (scenario.disturbance, scenario.flooded_guest) == (None, 0)
    assert scenario.traffic.neighbour is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"kill"', '"kil"', ":15: [disturbance] action: cannot be 'kil'; did you mean 'kill'?"),
        ('action = "kill"', "", ":14: [disturbance] action is missing"),
        ("count = 3", "cuont = 3", ":16: [disturbance] has no key 'cuont'; did you mean 'count'?"),
        ("count = 3", "count = 0", ":16: [disturbance] count: must be a whole number from 1"),
        ("count = 3", "hold = 3", ":16: [disturbance] hold: must be a text with number and unit"),
        ("guest = 1", "guest = 2", ":17: [disturbance] guest 2 is not there"),
        ('kind = "vm"', 'kind = "vfwd"', ":14: [disturbance] needs a guest that is a VM"),
        ("[disturbance]", "[distrubance]", "there is no table 'distrubance'; did you mean 'disturbance'?"),
    ],
    ids=lambda value: value[:24],
)  # fmt: skip
def test_a_wrong_disturbance_is_refused_with_line_and_cure(tmp_path, old, new, says):
    path = write(tmp_path, DISTURBED, (old, new))
    with pytest.raises(ScenarioError) as caught:
        read_scenario(path, WORDS)
    assert says in caught.value.what


def test_a_neighbour_needs_a_second_guest(tmp_path):
    steady = 'directions = "a-to-b"\nneighbour = "300 frames/s"'
    path = write(tmp_path, GOOD, ('directions = "a-to-b"', steady))
    with pytest.raises(ScenarioError, match="neighbour needs a second guest"):
        read_scenario(path, WORDS)
    two = DISTURBED.replace('directions = "a-to-b"', steady)
    path.write_text(two)
    assert read_scenario(path, WORDS).traffic.neighbour == 300


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order(tmp_path):
    path = write(tmp_path, GOOD, ('"6 s"', '"6 m"'), ("memory", "memroy"))
    with pytest.raises(ScenarioError) as caught:
        read_scenario(path, WORDS)
    first, second = caught.value.what.splitlines()
    assert first.startswith(f"{path}:5: ")
    assert second.startswith(f"{path}:12: ")


def test_a_planned_mode_is_accepted_although_it_cannot_run_yet(tmp_path):
    path = write(tmp_path, GOOD, ('["tap"]', '["tap", "copy"]'))
    assert read_scenario(path, WORDS).modes == ("tap", "copy")


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.write_bytes(b"\xff")])
def test_what_cannot_be_read_is_a_scenario_error(tmp_path, make):
    path = tmp_path / "x.toml"
    make(path)
    with pytest.raises(ScenarioError, match="cannot read the scenario"):
        read_scenario(path, WORDS)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/p/scenarios/overload/a.toml", "overload/a"),
        ("/scenarios/old/scenarios/x/y/a.v2.toml", "x/y/a.v2"),
        ("/elsewhere/mine/a.toml", "mine/a"),
        ("/p/scenarios.toml", "p/scenarios"),
    ],
)
def test_name_is_area_and_claim(path, name):
    assert scenario_name(Path(path)) == name


def test_files_and_folders_are_found_once_and_sorted(tmp_path):
    for name in ("b/two.toml", "a/one.toml", "a/notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    one, two = tmp_path / "a/one.toml", tmp_path / "b/two.toml"
    assert find_scenarios([two, tmp_path, one]) == [one, two]


def test_a_path_that_does_not_exist_names_the_nearest_that_does(tmp_path, monkeypatch):
    (tmp_path / "baseline").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        find_scenarios([Path("baselin/x.toml")])
    assert caught.value.hint == "did you mean baseline?"
