# SPDX-License-Identifier: Apache-2.0
"""docs/record.md names every key the writer writes, and none besides."""

import re
from dataclasses import replace
from pathlib import Path

from tests.factories import make_disturbance, make_point, make_run, make_verdict
from vhostaccel.observe.point import Instructions
from vhostaccel.observe.sample import Pings
from vhostaccel.report.record import SCHEMA, to_record
from vhostaccel.report.run import ModeResult
from vhostaccel.scenario.model import Action, DisturbanceSpec

MANUAL = Path(__file__).parents[2] / "docs" / "record.md"
FREE = (
    "environment", "dropped", "owners", "threads", "interrupts_per_s", "heartbeats", "pings",
    "settings", "left_out",
)  # fmt: skip
"""Dicts whose keys are names: of devices, threads, guests."""


def paths(value, place=""):
    if isinstance(value, list):
        return set().union(*(paths(item, f"{place}[]") for item in value))
    if not isinstance(value, dict):
        return {place}
    found = set()
    for key, item in value.items():
        name = "<name>" if place.rpartition(".")[2] in FREE else key
        name = "<way>" if name in ("a_to_b", "b_to_a") else name
        found |= paths(item, f"{place}.{name}".lstrip("."))
    return found


def full_run():
    """A run with everything in it that may be left out."""
    point = make_point(40_000, disturbance=make_disturbance("it stayed silent"))
    pings = {"nfv0-0": Pings(asked=1, rtts_ns=(900_000,))}
    point = replace(
        point,
        liveness=replace(point.liveness, pings=pings),
        instructions=Instructions(elapsed=3, busy=2, reading=1),
        settings={"eth0 threaded": "1"},
    )
    mode = ModeResult(
        mode="tap", points=(point,), verdicts=(make_verdict(),), idle_rtts_ns=(1,)
    )
    run = make_run((mode,))
    kill = DisturbanceSpec(action=Action.KILL)
    scenario = replace(run.scenario, disturbance=kill)
    return replace(run, scenario=scenario, left_out={"poll": "not in this version"})


def test_the_manual_names_every_key_of_a_record():
    written = {re.sub(r"\[\]$", "", path) for path in paths(to_record(full_run()))}
    table_rows = re.findall(r"^\| (`.*?`) \|", MANUAL.read_text(), flags=re.MULTILINE)
    described = {
        prefix + name
        for cell in table_rows
        for prefix, names in [_expand(cell)]
        for name in names
    }
    assert described == written


def _expand(cell: str) -> tuple[str, list[str]]:
    """Return a prefix and names of ``a.b.{c,d}`` or ``a.b.c``."""
    match = re.fullmatch(r"`([^{}]*)(?:\{([^}]*)\})?`", cell)
    assert match, cell
    prefix, names = match.groups()
    return prefix, names.split(",") if names else [""]


def test_the_manual_names_the_schema():
    assert f'"{SCHEMA}"' in MANUAL.read_text()
