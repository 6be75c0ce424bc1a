# SPDX-License-Identifier: Apache-2.0
"""A host tells which of the modes it cannot have, and refuses when it can have none."""

import pytest

from vhostaccel.errors import SkipError
from vhostaccel.guests.plan import Link
from vhostaccel.modes.mode import Tap, prepare_modes
from vhostaccel.scenario.model import GuestKind


class Had(Tap):
    """A mode that any host can have."""

    def prepare(self):
        pass


class Lacked(Tap):
    """A mode that no host can have."""

    name = "lacked"

    def prepare(self):
        raise SkipError("the module nai is not loaded", hint="modprobe nai")


class Direct(Had):
    """A mode for guests that libvirt joins to the host otherwise."""

    name = "direct"
    link = Link.MACVTAP


def test_a_host_says_which_modes_it_cannot_have_and_why():
    lacks = prepare_modes([Lacked(), Had()], GuestKind.VM)
    assert lacks == {"lacked": "the module nai is not loaded"}
    assert prepare_modes([Had()], GuestKind.VM) == {}


def test_a_host_that_can_have_none_of_the_modes_skips():
    with pytest.raises(SkipError, match="not loaded"):
        prepare_modes([Lacked(), Lacked()], GuestKind.VM)


def test_who_has_no_libvirt_cannot_be_joined_otherwise():
    assert prepare_modes([Had(), Direct()], GuestKind.VM) == {}
    lacks = prepare_modes([Had(), Direct()], GuestKind.VFWD)
    assert "needs a guest that libvirt starts" in lacks["direct"]
