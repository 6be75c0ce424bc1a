# SPDX-License-Identifier: Apache-2.0
"""Wishes in libvirt's domains: written, shown, and taken back without a trace."""

import xml.etree.ElementTree as ET

import pytest

from tests.nai_factories import UUID, domain_xml
from vhostaccel.errors import UsageError
from vhostaccel.follow.hook_file import hook_installed
from vhostaccel.follow.seat import Followed, FollowedNic, FollowerState, Seats
from vhostaccel.follow.wishes import await_follower, disable, enable, wishes
from vhostaccel.guests.hypervisor import DomainState
from vhostaccel.nai.domain import Wish, WishMode, read_domain

AUTO = Wish(mode=WishMode.AUTO, interfaces=None)


class FakeLibvirt:
    """Domains whose metadata can be changed as libvirt changes it."""

    def __init__(self, *names, running=True):
        self.running = running
        self.elements = dict.fromkeys(names, "")

    def domain(self, name):
        if name not in self.elements:
            raise UsageError(f"libvirt does not find domain {name}", hint="look")
        xml = domain_xml(name=name, wish=self.elements[name])
        return DomainState(xml=xml, running=self.running, persistent=True)

    def all(self):
        return tuple(map(self.domain, self.elements))

    def set_metadata(self, name, *, uri, prefix, element):
        self.elements[name] = ""
        if element is not None:
            written = ET.fromstring(element)
            written.tag = f"{{{uri}}}{written.tag}"
            ET.register_namespace(prefix, uri)
            self.elements[name] = ET.tostring(written, encoding="unicode")


class SaidSeats(Seats):
    """Seats where a follower has said something, or nothing."""

    def __init__(self, folder, *said):
        super().__init__(folder)
        self.said = list(said)

    def state(self, guest_uuid):
        assert guest_uuid == UUID
        return self.said.pop(0) if len(self.said) > 1 else next(iter(self.said), None)


def said(*states):
    nics = tuple(
        FollowedNic(index=number, tap=f"vnet{number}", state=state, detail="why")
        for number, state in enumerate(states)
    )
    return FollowerState(guest="nfv0", pid=7, nics=nics)


def test_a_wish_is_written_and_the_hook_comes_with_it(tmp_path):
    libvirt = FakeLibvirt("nfv0")
    before, restart = enable(libvirt, "nfv0", AUTO, tmp_path)
    assert before.running
    assert restart
    assert read_domain(libvirt.domain("nfv0").xml).wish == AUTO
    assert hook_installed(tmp_path)


def test_an_interface_that_is_not_there_changes_nothing(tmp_path):
    libvirt = FakeLibvirt("nfv0")
    wish = Wish(mode=WishMode.COPY, interfaces=(0, 2))
    with pytest.raises(UsageError, match="no interface 2; it has 2"):
        enable(libvirt, "nfv0", wish, tmp_path)
    assert libvirt.elements == {"nfv0": ""}
    assert not hook_installed(tmp_path)


def test_a_second_wish_replaces_the_first(tmp_path):
    libvirt = FakeLibvirt("nfv0")
    enable(libvirt, "nfv0", AUTO, tmp_path)
    wish = Wish(mode=WishMode.COPY, interfaces=(1,))
    _, restart = enable(libvirt, "nfv0", wish, tmp_path)
    assert not restart
    assert read_domain(libvirt.domain("nfv0").xml).wish == wish


def test_the_hook_goes_with_the_last_wish(tmp_path):
    libvirt, hooks = FakeLibvirt("nfv0", "nfv1"), tmp_path / "hooks"
    seats = Seats(tmp_path / "run")
    enable(libvirt, "nfv0", AUTO, hooks)
    enable(libvirt, "nfv1", AUTO, hooks)
    _, last = disable(libvirt, "nfv0", seats, hooks)
    assert (last, hook_installed(hooks)) == (False, True)
    _, last = disable(libvirt, "nfv1", seats, hooks)
    assert (last, hook_installed(hooks)) == (True, False)
    assert libvirt.elements == {"nfv0": "", "nfv1": ""}


def test_a_wish_that_is_not_there_cannot_be_taken_back(tmp_path):
    with pytest.raises(UsageError, match="has no wish"):
        disable(FakeLibvirt("nfv0"), "nfv0", Seats(tmp_path), tmp_path)


def test_a_wish_that_cannot_be_read_can_be_taken_back(tmp_path):
    libvirt = FakeLibvirt("nfv0")
    libvirt.set_metadata(
        "nfv0", uri="urn:vhostaccel:nai:1", prefix="v", element='<nai mode="warp"/>'
    )
    (state,) = wishes(libvirt, Seats(tmp_path))
    assert "warp" in (state.problem or "")
    disable(libvirt, "nfv0", Seats(tmp_path), tmp_path)
    assert libvirt.elements == {"nfv0": ""}


def test_only_domains_with_a_wish_are_shown_with_what_their_follower_says(tmp_path):
    libvirt = FakeLibvirt("nfv1", "nfv0")
    enable(libvirt, "nfv0", AUTO, tmp_path)
    seats = SaidSeats(tmp_path, said(Followed.ATTACHED, Followed.REFUSED))
    (state,) = wishes(libvirt, seats)
    assert (state.guest, state.follower, state.problem) == ("nfv0", 7, None)
    assert [nic.state for nic in state.nics] == [Followed.ATTACHED, Followed.REFUSED]


def test_a_running_domain_that_nobody_follows_is_told(tmp_path):
    libvirt = FakeLibvirt("nfv0")
    enable(libvirt, "nfv0", AUTO, tmp_path)
    (state,) = wishes(libvirt, SaidSeats(tmp_path))
    assert "nothing follows it" in (state.problem or "")
    libvirt.running = False
    (state,) = wishes(libvirt, SaidSeats(tmp_path))
    assert state.problem is None


def test_enable_now_waits_until_nothing_is_open(tmp_path):
    domain = read_domain(domain_xml())
    waiting = said(Followed.WAITING, Followed.ATTACHED)
    settled = said(Followed.REFUSED, Followed.ATTACHED)
    seats = SaidSeats(tmp_path, waiting, waiting, settled)
    assert await_follower(seats, domain, 5.0) == settled
    assert await_follower(SaidSeats(tmp_path, waiting), domain, 0.1) == waiting
    with pytest.raises(UsageError, match="nothing follows nfv0"):
        await_follower(SaidSeats(tmp_path), domain, 0.1)
