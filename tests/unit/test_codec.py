# SPDX-License-Identifier: Apache-2.0
"""The codec loses nothing, and names the place of what does not fit."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.factories import make_point
from vhostaccel.codec import CodecError, from_plain, to_plain
from vhostaccel.observe.point import Point
from vhostaccel.scenario.model import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    size: int
    pair: tuple[str, float] = ("", 0.0)
    where: Placement | None = None
    kept: Path | None = None


def test_a_point_comes_back_equal_through_json_text():
    point = make_point(40_000, 2.0, void="generator offered 0.4 of the intended load")
    again = from_plain(Point, json.loads(json.dumps(to_plain(point))))
    assert again == point
    assert type(again.a_to_b.hops) is tuple


@pytest.mark.parametrize(
    "box",
    [
        Box(size=1),
        Box(size=1, where=Placement.SPREAD),
        Box(size=1, kept=Path("/var/tmp/box")),
    ],
)
def test_none_enum_and_path_come_back_as_themselves(box):
    assert from_plain(Box, json.loads(json.dumps(to_plain(box)))) == box


def test_a_missing_key_with_a_default_takes_the_default():
    assert from_plain(Box, {"size": 3}) == Box(size=3)


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        ({}, "Box: no key 'size'"),
        ({"size": 1, "sise": 2}, "Box: unknown key 'sise'"),
        ({"size": "1"}, "Box.size: a str where a int belongs"),
        ({"size": True}, "Box.size: a bool where a int belongs"),
        ({"size": 1, "pair": ["a"]}, "Box.pair: 1 items where 2 belong"),
        ({"size": 1, "where": "moon"}, "Box.where: 'moon' is none of"),
        ({"size": 1, "kept": 3}, "Box.kept: a int where a str belongs"),
        ([], "Box: a list where a dict belongs"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(plain, says):
    with pytest.raises(CodecError, match="^" + says):
        from_plain(Box, plain)


def test_what_json_cannot_carry_is_refused_by_its_place():
    point = replace(make_point(), kvm_exits_per_s=float("nan"))
    with pytest.raises(CodecError, match="kvm_exits_per_s: JSON cannot carry nan"):
        to_plain(point)
