# SPDX-License-Identifier: Apache-2.0
"""The scenarios that ship, the model, the readers and the manual agree."""

from dataclasses import fields as dataclass_fields
from pathlib import Path

import pytest

from vhostaccel.scenario import fields
from vhostaccel.scenario.finder import find_scenarios
from vhostaccel.scenario.model import (
    Claim,
    DisturbanceSpec,
    GuestSpec,
    LabSpec,
    TrafficSpec,
    VoidRule,
)
from vhostaccel.scenario.reader import Vocabulary, read_scenario
from vhostaccel.verify.judge import VERDICTS

ROOT = Path(__file__).parents[2]
WORDS = Vocabulary(
    modes=("tap",), verdicts=VERDICTS, planned_modes=("xdp", "poll", "copy", "seed")
)


@pytest.mark.parametrize(
    "path", find_scenarios([ROOT / "scenarios"]), ids=lambda path: path.stem
)
def test_every_scenario_that_ships_is_accepted(path):
    scenario = read_scenario(path, WORDS)
    assert scenario.name == f"{path.parent.name}/{path.stem}"
    # `tap` may stand beside another mode as its control, with no claim of its own.
    assert set(scenario.modes) - {claim.mode for claim in scenario.claims} <= {"tap"}
    assert scenario.claims


@pytest.mark.parametrize(
    ("readers", "model"),
    [
        (fields.LAB, LabSpec),
        (fields.GUEST, GuestSpec),
        (fields.TRAFFIC, TrafficSpec),
        (fields.DISTURBANCE, DisturbanceSpec),
        (fields.VOID, VoidRule),
        (fields.CLAIM, Claim),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_field_of_the_model_can_be_written_in_a_file(readers, model):
    assert list(readers) == [field.name for field in dataclass_fields(model)]


def test_the_manual_names_every_key():
    manual = (ROOT / "docs/scenarios.md").read_text()
    tables = {"": fields.TOP, **fields.TABLES}
    keys = {key for readers in tables.values() for key in readers}
    assert sorted(key for key in keys if f"`{key}`" not in manual) == []
    assert sorted(name for name in VERDICTS if f"`{name}`" not in manual) == []
