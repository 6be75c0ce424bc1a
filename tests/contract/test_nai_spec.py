# SPDX-License-Identifier: Apache-2.0
"""The Python side numbers commands, attributes and enumerations as nai.yaml does."""

import re
from pathlib import Path

import pytest

from vhostaccel.nai import family

KMOD = Path(__file__).resolve().parents[2] / "kmod"
SPEC = KMOD / "spec" / "nai.yaml"
HEADER = KMOD / "include" / "uapi" / "linux" / "nai.h"
SETS = {
    "fq": family.FQ,
    "stats": family.STATS,
    "port": family.PORT,
    "client": family.CLIENT,
}
ENUMS = {
    "mode": family.Mode,
    "seed-bar": family.SeedBar,
    "fq-state": family.FqState,
    "congestion": family.Congestion,
    "detach-reason": family.DetachReason,
}


def section(name):
    """Return the lines of a top-level key of the file."""
    after = SPEC.read_text().split(f"\n{name}:\n", 1)[1]
    return re.split(r"\n\S", after, maxsplit=1)[0]


def named(text, indent):
    """Return what stands after ``name:`` at this depth, with its own lines."""
    parts = re.split(rf"^ {{{indent}}}name: (\S+)$", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def attributes(body):
    types = re.compile(r"^ {8}type: (\S+)", re.MULTILINE)
    return tuple((name, types.findall(rest)[0]) for name, rest in named(body, 8))


def test_commands_have_the_order_of_the_spec():
    assert tuple(name for name, _ in named(section("operations"), 6)) == family.COMMANDS


def test_attributes_have_the_order_and_the_types_of_the_spec():
    found = {
        name: attributes(body) for name, body in named(section("attribute-sets"), 4)
    }
    assert found == SETS


def test_enumerations_have_the_order_of_the_spec():
    found = {
        name: [entry for entry, _ in named(body, 8)]
        for name, body in named(section("definitions"), 4)
    }
    for name, enum in ENUMS.items():
        assert found[name] == [entry.value for entry in enum]
    drops = [name.removeprefix("rx-drop-") for name, _ in family.STATS]
    assert [name for name in drops if name in found["drop-reason"]] == found[
        "drop-reason"
    ]


def test_the_group_of_events_has_the_name_of_the_spec():
    assert [name for name, _ in named(section("mcast-groups"), 6)] == [family.EVENTS]


def enumerators(text):
    """Return the value of every enumerator of a header, as C counts them."""
    values: dict[str, int] = {}
    for body in re.findall(r"enum[^{;]*\{(.*?)\}", text, re.DOTALL):
        value = -1
        for entry in re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL).split(","):
            name, _, given = (word.strip() for word in entry.partition("="))
            if re.fullmatch(r"\w+", name):
                value = int(given, 0) if re.fullmatch(r"\w+", given) else value + 1
                values.setdefault(name, value)
    return values


@pytest.mark.skipif(not HEADER.exists(), reason="the header is not generated yet")
def test_the_generated_header_has_the_same_numbers():
    values = enumerators(HEADER.read_text())
    for name in family.COMMANDS:
        assert values[f"NAI_CMD_{macro(name)}"] == family.command_number(name)
    for prefix, listed in SETS.items():
        for number, (name, _) in enumerate(listed, start=1):
            assert values[f"NAI_A_{macro(prefix)}_{macro(name)}"] == number
    for name, enum in ENUMS.items():
        for entry in enum:
            assert values[f"NAI_{macro(name)}_{macro(entry.value)}"] == entry.number


def macro(name):
    return name.upper().replace("-", "_")
