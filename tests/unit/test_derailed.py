# SPDX-License-Identifier: Apache-2.0
"""Unit tests of vhostaccel.guests.derailed."""

import pytest

from vhostaccel.guests.derailed import is_derailed
from vhostaccel.units import Bytes

# As QEMU said it of a guest of 256 MiB: the last line is the host's, stack and all.
REGISTERS = """\
CPU#0
RAX={rax} RBX=00000000000d3a40 RCX=00000000000006e0 RDX=0000000000000046
GDT=     fffffe288bf03000 0000007f
IDT=     fffffe0000000000 00000fff
CR0=80050033 CR2=ffffffffc05dbc50 CR3={cr3} CR4=00751ef0
"""


@pytest.mark.parametrize(
    ("cr3", "memory", "wrong"),
    [
        ("0000000100bcc000", 256 << 20, True),
        ("000000000ffff000", 256 << 20, False),
        ("000000000ffff005", 256 << 20, False),
        ("0000000010000000", 256 << 20, True),
        # Memory behind the devices' addresses.
        ("0000000100bcc000", 4 << 30, False),
        ("0000000180000000", 4 << 30, True),
        ("0000000000000000", 256 << 20, False),
    ],
)
def test_page_tables_that_no_memory_holds_are_the_hosts(cr3, memory, wrong):
    said = REGISTERS.format(rax="0000000102955000", cr3=cr3)

    assert is_derailed(said, Bytes(memory)) is wrong


def test_an_answer_without_registers_tells_nothing():
    assert not is_derailed("unknown command: 'info registers'\n", Bytes(1 << 28))
