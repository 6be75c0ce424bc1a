# SPDX-License-Identifier: Apache-2.0
"""Scenario files read and checked: every mistake named with its line and its cure."""

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vhostaccel.errors import ScenarioError
from vhostaccel.scenario import fields
from vhostaccel.scenario.fields import FieldReader, nearest, shown
from vhostaccel.scenario.lines import line_of
from vhostaccel.scenario.model import (
    Claim,
    DisturbanceSpec,
    GuestKind,
    GuestSpec,
    LabSpec,
    Placement,
    Scenario,
    TrafficSpec,
    VoidRule,
)

_HINT = "docs/scenarios.md describes every table, key and unit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The names a scenario may use that later stages define."""

    modes: Collection[str]
    """Modes this version can run."""
    verdicts: Collection[str]
    """Verdicts this version can judge."""
    planned_modes: Collection[str] = ()
    """Modes a scenario may already name; a run of one ends as skip."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A file while it is read, and what is wrong with it so far."""

    path: Path
    written: str
    problems: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, say: str, table: str = "", key: str = "", index: int = 0) -> None:
        self.problems.append((line_of(self.written, table, key, index), say))

    def refuse_all(self) -> None:
        """Raise what was refused, if anything was, in the order of the file."""
        if self.problems:
            lines = [
                f"{self.path}:{line}: {say}" for line, say in sorted(self.problems)
            ]
            raise ScenarioError("\n".join(lines), hint=_HINT)


def read_scenario(path: Path, vocabulary: Vocabulary) -> Scenario:
    """Read one scenario file.

    Raises:
        ScenarioError: If it cannot be read or says something that cannot be run; names
            every mistake found, each with file, line and what to write instead.
    """
    draft = _Draft(path, _read_text(path))
    tables = _parse(draft)
    _refuse_unknown_names(draft, tables)
    top = _read_table(
        draft, {key: tables[key] for key in fields.TOP if key in tables}, fields.TOP,
        needed=("about", "modes"),
    )  # fmt: skip
    lab = _read_table(draft, tables.get("lab", {}), fields.LAB, "lab")
    guest = _read_table(draft, tables.get("guest", {}), fields.GUEST, "guest")
    traffic = _read_table(
        draft, tables.get("traffic", {}), fields.TRAFFIC, "traffic", needed=("rates",)
    )
    void = _read_table(draft, tables.get("void", {}), fields.VOID, "void")
    disturbance = _read_disturbance(draft, tables.get("disturbance"))
    claims = _read_claims(draft, tables.get("claim", []))
    draft.refuse_all()
    scenario = Scenario(
        name=scenario_name(path),
        about=top["about"],
        modes=top["modes"],
        lab=LabSpec(**lab),
        guest=GuestSpec(**guest),
        traffic=TrafficSpec(**traffic),
        void=VoidRule(**void),
        claims=claims,
        disturbance=DisturbanceSpec(**disturbance) if disturbance else None,
    )
    _refuse_contradictions(draft, scenario)
    _refuse_missing_guests(draft, scenario)
    _refuse_unknown_words(draft, scenario, vocabulary)
    draft.refuse_all()
    return scenario


def scenario_name(path: Path) -> str:
    """Return ``area/claim``: the path below the last ``scenarios`` folder, no suffix."""
    parts = path.resolve().with_suffix("").parts
    if "scenarios" in parts[:-1]:
        last = len(parts) - 1 - parts[::-1].index("scenarios", 1)
        return "/".join(parts[last + 1 :])
    return "/".join(parts[-2:]).lstrip("/")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(
            f"cannot read the scenario {path}: {error.strerror}",
            hint="check the path and its permissions",
        ) from None
    except UnicodeDecodeError as error:
        raise ScenarioError(
            f"cannot read the scenario {path}: byte {error.start} is not UTF-8",
            hint="a scenario is a TOML text in UTF-8",
        ) from None


def _parse(draft: _Draft) -> dict[str, Any]:
    try:
        return tomllib.loads(draft.written)
    except tomllib.TOMLDecodeError as error:
        # "Invalid value (at line 3, column 9)", or "(at end of document)"
        place = re.search(r" \(at line (\d+), column (\d+)\)", str(error))
        line = int(place[1]) if place else len(draft.written.splitlines()) or 1
        raise ScenarioError(
            f"{draft.path}:{line}: this is no TOML: {error}",
            hint="texts and quantities need quotes: flood = \"8 s\"; https://toml.io",
        ) from None  # fmt: skip


def _refuse_unknown_names(draft: _Draft, tables: dict[str, Any]) -> None:
    for name, value in tables.items():
        if name in fields.TOP:
            continue
        if name not in fields.NAMES:
            what = "table" if isinstance(value, dict | list) else "key"
            draft.refuse(
                f"there is no {what} {name!r}; {fields.cure(name, fields.NAMES)}",
                *((name, "") if isinstance(value, dict | list) else ("", name)),
            )
        elif name != "claim" and not isinstance(value, dict):
            draft.refuse(f"{name!r} must be a table; write [{name}]", "", name)
            tables[name] = {}
        # A wrong `claim` is told by _read_claims.


def _read_table(
    draft: _Draft,
    values: dict[str, Any],
    readers: dict[str, FieldReader],
    table: str = "",
    index: int = 0,
    needed: tuple[str, ...] = (),
) -> dict[str, Any]:
    where = f"[{table}] " if table else ""
    read = {}
    for key, value in values.items():
        if key not in readers:
            say = f"{where}has no key {key!r}; {fields.cure(key, readers)}"
            draft.refuse(say, table, key, index)
            continue
        try:
            read[key] = readers[key](value)
        except ValueError as error:
            draft.refuse(f"{where}{key}: {error}", table, key, index)
    for key in needed:
        if key not in values:
            draft.refuse(f"{where}{key} is missing", table, "", index)
    return read


def _read_disturbance(
    draft: _Draft, values: dict[str, Any] | None
) -> dict[str, Any] | None:
    if values is None:
        return None
    return _read_table(
        draft, values, fields.DISTURBANCE, "disturbance", needed=("action",)
    )


def _read_claims(draft: _Draft, claims: object) -> tuple[Claim, ...]:
    if not isinstance(claims, list) or not all(isinstance(c, dict) for c in claims):
        draft.refuse("claims are written [[claim]], each its own table", "claim")
        return ()
    if not claims:
        draft.refuse("no [[claim]]: say what must come of it")
    read = [
        _read_table(draft, claim, fields.CLAIM, "claim", n, needed=("verdict", "mode"))
        for n, claim in enumerate(claims)
    ]
    whole = [claim for claim in read if {"verdict", "mode"} <= claim.keys()]
    return tuple(Claim(**claim) for claim in whole)


def _refuse_contradictions(draft: _Draft, scenario: Scenario) -> None:
    traffic = scenario.traffic
    if traffic.window >= traffic.flood:
        draft.refuse(
            f"[traffic] window of {traffic.window:g} s must be shorter than the flood "
            f"of {traffic.flood:g} s, whose first part is left for queues to fill",
            "traffic",
            "window",
        )
    if scenario.guest.count * traffic.flows > fields.MOST_PAIRS:
        draft.refuse(
            f"[traffic] flows = {traffic.flows} to each of {scenario.guest.count} guests "
            f"are too many; at most {fields.MOST_PAIRS} go in a direction",
            "traffic",
            "flows",
        )
    if scenario.lab.icount and scenario.guest.kind is GuestKind.VM:
        draft.refuse(
            "[lab] icount = true cannot run a VM guest, whose nested time stands still; "
            'write kind = "vfwd" in [guest]',
            "lab",
            "icount",
        )
    if scenario.lab.placement is Placement.TWO_CPU and scenario.lab.cpus < 2:
        say = '[lab] placement = "two-cpu" needs a second CPU; write cpus = 2'
        draft.refuse(say, "lab", "placement")
    if len(set(scenario.modes)) != len(scenario.modes):
        draft.refuse("modes: names a mode twice", "", "modes")


def _refuse_missing_guests(draft: _Draft, scenario: Scenario) -> None:
    count, disturbance = scenario.guest.count, scenario.disturbance
    if scenario.traffic.neighbour is not None and count < 2:
        say = "[traffic] neighbour needs a second guest; write count = 2 in [guest]"
        draft.refuse(say, "traffic", "neighbour")
    if disturbance is None:
        return
    if disturbance.guest >= count:
        draft.refuse(
            f"[disturbance] guest {disturbance.guest} is not there: with count = {count} "
            f"in [guest] the last is {count - 1}",
            "disturbance",
            "guest",
        )
    if scenario.guest.kind is not GuestKind.VM:
        say = '[disturbance] needs a guest that is a VM; write kind = "vm" in [guest]'
        draft.refuse(say, "disturbance")


def _refuse_unknown_words(
    draft: _Draft, scenario: Scenario, vocabulary: Vocabulary
) -> None:
    known = (*vocabulary.modes, *vocabulary.planned_modes)
    for mode in scenario.modes:
        if mode not in known:
            say = f"modes: there is no mode {shown(mode)}; {nearest(mode, known)}"
            draft.refuse(say, "", "modes")
    for n, claim in enumerate(scenario.claims):
        if claim.verdict not in vocabulary.verdicts:
            near = nearest(claim.verdict, vocabulary.verdicts)
            say = f"[[claim]] there is no verdict {shown(claim.verdict)}; {near}"
            draft.refuse(say, "claim", "verdict", n)
        if claim.mode not in scenario.modes:
            near = nearest(claim.mode, scenario.modes)
            say = f"[[claim]] mode {shown(claim.mode)} is not among this scenario's modes; {near}"
            draft.refuse(say, "claim", "mode", n)
