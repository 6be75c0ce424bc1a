# SPDX-License-Identifier: Apache-2.0
"""Every sentence that the kernel part refuses with has a way out beside it."""

import errno
import re
from pathlib import Path

import pytest

from vhostaccel.nai.refusals import hint_for, is_known

KMOD = Path(__file__).resolve().parents[2] / "kmod"
SOURCES = [
    *KMOD.glob("nai/*.c"),
    *KMOD.glob("vhost/*.c"),
    *KMOD.glob("igb/*.c"),
    *KMOD.glob("patches/*/*.patch"),
]
CALL = re.compile(r'(?:NL|GENL)_SET_ERR_MSG\w*\([^";]*?((?:"[^"]*"\s*)+)')


def sentences():
    """Return each sentence of the sources; a patch has a sign before each line."""
    found = set()
    for path in SOURCES:
        text = path.read_text()
        if path.suffix == ".patch":
            text = re.sub(r"^\+", "", text, flags=re.MULTILINE)
        for literals in CALL.findall(text):
            found.add("".join(re.findall(r'"([^"]*)"', literals)))
    return sorted(found - {"%s"})


@pytest.mark.skipif(not sentences(), reason="the kernel part is not there")
@pytest.mark.parametrize("sentence", sentences())
def test_the_kernels_sentence_has_a_hint_of_its_own(sentence):
    assert is_known(sentence), f"add a rule to nai/refusals.py for: {sentence}"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("tap vnet0 has qdisc htb", "--force"),
        ("all 7 frame queues of port eth0 are on lease", "detach another guest"),
        ("MAC 52:54:00:00:00:01 is already leased to vnet1", "two guests"),
        ("MAC 52:54:00:00:00:01 is port eth0's own", "virsh domiflist"),
        ("MTU 9000 is above the 1500 of port eth0's queues", "mtu 1500"),
        ("no driver lends frame queues of this port here", "vhostaccel list"),
        ("the tap's queue has a lease already", "vhostaccel detach"),
        ("bridge br-a learns no addresses", "without `--tx`"),
        ("bridge br-a drops untagged frames on the way to tap vnet0", "bridge vlan"),
        ("ebtables or br_netfilter filters bridged frames", "nwfilter"),
    ],
)
def test_a_refusal_shows_the_way_out(said, hint):
    assert hint in hint_for(errno.EINVAL, said)


def test_without_a_sentence_the_number_decides():
    assert "sudo" in hint_for(errno.EPERM, "Operation not permitted")
    assert "dmesg" in hint_for(errno.EIO, "Input/output error")
