# SPDX-License-Identifier: Apache-2.0
"""The choice ``auto``: what it takes, what it says, and what it leaves as it was."""

import errno

import pytest

from tests.nai_factories import ETH0, MAC0, MAC1, TAP0, TAP1, usual_host, usual_kernel
from tests.near_guard import NearGuard
from vhostaccel.errors import GuardError, NaiError, SetupError, UsageError
from vhostaccel.guard.model import Wish
from vhostaccel.modes.auto import Asked, choose
from vhostaccel.nai.address import Target

NO_MODULE = SetupError("the module nai is not loaded", hint="load it")
BARE = Target(tap="vnet0", ifindex=TAP0, mac=None, guest=None, interface=None)
TARGET = Target(tap="vnet0", ifindex=TAP0, mac=MAC0, guest="nfv0", interface=0)


class Scene:
    """A host, its kernel's frame queues, and its guard."""

    def __init__(self, folder):
        self.net = usual_host(folder / "net")
        self.nai = usual_kernel()
        self.guard = NearGuard(self.net.netdevs)

    def choose(self, nai=None, target=TARGET, **asked):
        return choose(
            Asked(target=target, **asked), nai or self.nai, self.guard, self.net.netdevs
        )

    @property
    def is_untouched(self):
        return not self.nai.leases() and self.guard.standing() is None


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_a_lease_is_best_and_needs_no_guard(scene):
    choice = scene.choose()
    assert choice.lease[0] == "eth0"
    assert (choice.guarded, choice.passed_over) == (None, ())
    assert [lease.mac for lease in scene.nai.leases()] == [MAC0]
    assert scene.guard.standing() is None


@pytest.mark.parametrize("lack", ["module", "port", "refusal", "driver"])
def test_without_a_lease_the_guard_is_next_and_keeps_the_reason(scene, lack):
    if lack == "port":
        scene.nai.all_ports = ()
    elif lack == "refusal":
        scene.nai.refusal = (errno.EOPNOTSUPP, "tap vnet0 has qdisc tbf")
    elif lack == "driver":
        scene.nai.drop_backend(TAP0)
    words = {
        "module": "copy: the module nai is not loaded",
        "port": "copy: no port of br-a",
        "refusal": "has qdisc tbf",
        "driver": "no vhost backend",
    }[lack]
    choice = scene.choose(NO_MODULE if lack == "module" else None)
    assert choice.lease is None
    (passed,) = choice.passed_over
    assert words in str(passed)
    assert passed.hint
    assert choice.guarded.wish.why == str(passed)
    (guarded,) = scene.guard.standing().guests
    assert guarded.wish == choice.guarded.wish
    assert scene.nai.leases() == ()


def test_where_neither_can_be_had_both_reasons_are_told_and_nothing_is_changed(scene):
    scene.guard.datapath.refusal = GuardError("no XDP here", hint="look")
    choice = scene.choose(NO_MODULE)
    assert (choice.lease, choice.guarded) == (None, None)
    assert list(map(str, choice.passed_over)) == [
        "copy: the module nai is not loaded",
        "xdp: no XDP here",
    ]
    assert scene.is_untouched
    assert scene.guard.datapath.ports == set()


def test_a_port_that_cannot_be_guessed_is_a_reason(scene):
    scene.nai.all_ports = ()
    scene.net.add("eth1", 30, master="br-a")
    choice = scene.choose()
    assert "not one port" in choice.passed_over[1].why
    assert "--port" in choice.passed_over[1].hint
    assert scene.is_untouched
    assert scene.choose(NO_MODULE, port="eth1").guarded.wish.port == "eth1"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        pytest.param({"target": BARE}, "no address", id="address"),
        pytest.param({"port": "eth9"}, "no network device eth9", id="port"),
    ],
)
def test_what_is_missing_on_the_command_line_is_no_reason_but_an_error(
    scene, asked, words
):
    with pytest.raises(UsageError, match=words):
        scene.choose(**asked)
    assert scene.is_untouched


def test_what_has_a_mode_keeps_it(scene):
    scene.choose()
    with pytest.raises(NaiError, match="has a lease already"):
        scene.choose()
    assert scene.guard.standing() is None
    scene.nai.detach(tap_ifindex=TAP0, tap_queue=0)
    scene.choose(NO_MODULE)
    with pytest.raises(GuardError, match="is guarded already") as raised:
        scene.choose()
    assert "detach vnet0" in raised.value.hint
    assert scene.nai.leases() == ()


def test_the_guard_is_not_put_where_others_have_leases(scene):
    scene.nai.attach(tap_ifindex=TAP1, tap_queue=0, port_ifindex=ETH0, mac=MAC1)
    scene.nai.refusal = (errno.ENOSPC, "all frame queues are on lease")
    choice = scene.choose()
    assert "leases of other guests there: 1 " in choice.passed_over[1].why
    assert scene.guard.standing() is None
    assert len(scene.nai.leases()) == 1


def test_the_guard_is_not_put_where_it_would_never_drop(scene):
    (scene.net.folder / "eth0" / "threaded").write_text("1\n")
    choice = scene.choose(NO_MODULE)
    assert "threaded NAPI" in choice.passed_over[1].why
    assert scene.is_untouched
    (scene.net.folder / "eth0" / "threaded").write_text("0\n")
    assert scene.choose(NO_MODULE).guarded is not None


def test_with_always_threads_are_no_obstacle(scene):
    (scene.net.folder / "eth0" / "threaded").write_text("1\n")
    assert scene.choose(NO_MODULE, always=True).guarded.wish.always


def test_an_interrupt_undoes_the_lease(scene, monkeypatch):
    attach = scene.nai.attach

    def interrupted(**asked):
        attach(**asked)
        raise KeyboardInterrupt

    monkeypatch.setattr(scene.nai, "attach", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scene.choose()
    assert scene.is_untouched


def test_an_interrupt_undoes_the_guard(scene):
    scene.guard.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        scene.choose(NO_MODULE)
    assert scene.is_untouched


def test_another_guests_guard_stays(scene):
    other = Wish(
        tap="vnet1", tap_ifindex=TAP1, mac=MAC1, port="eth0", port_ifindex=ETH0
    )
    scene.guard.attach(other)
    scene.guard.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        scene.choose(NO_MODULE)
    assert [seen.wish for seen in scene.guard.standing().guests] == [other]
