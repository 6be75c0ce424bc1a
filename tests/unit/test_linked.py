# SPDX-License-Identifier: Apache-2.0
"""Modes that want the guests joined to the host otherwise say so, and what they need."""

import pytest

from vhostaccel.errors import SetupError, SkipError
from vhostaccel.guests.plan import Link
from vhostaccel.modes import linked, mode
from vhostaccel.modes.linked import Macvtap
from vhostaccel.modes.table import MODES


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    """Note the modules that are asked for, and load none."""
    asked: list[str] = []

    def modprobe(argv, *, hint):
        asked.append(argv[1])

    monkeypatch.setattr(mode, "run", modprobe)
    monkeypatch.setattr(linked, "run", modprobe)
    return asked


def test_macvtap_needs_its_module(loaded):
    Macvtap().prepare()
    assert loaded == ["vhost_net", "macvtap"]


def test_a_kernel_without_macvtap_skips_the_mode(monkeypatch):
    def missing(argv, *, hint):
        raise SetupError("modprobe macvtap: not found", hint=hint)

    monkeypatch.setattr(linked, "run", missing)
    with pytest.raises(SkipError, match="not found"):
        Macvtap().prepare()


def test_only_the_modes_that_say_so_want_the_guests_joined_otherwise():
    otherwise = {name for name, one in MODES.items() if one.link is not Link.TAP}
    assert otherwise == {"tap-busypoll", "macvtap"}
