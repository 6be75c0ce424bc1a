# SPDX-License-Identifier: Apache-2.0
"""Metadata as a real libvirt keeps it: its test driver, which needs no daemon."""

import pytest

from vhostaccel.errors import UsageError
from vhostaccel.guests.hypervisor import Hypervisor
from vhostaccel.nai.domain import (
    NAMESPACE,
    PREFIX,
    Wish,
    WishMode,
    read_domain,
    wish_xml,
)


@pytest.fixture
def hypervisor():
    hypervisor = Hypervisor("test:///default")
    yield hypervisor
    hypervisor.close()


def write(hypervisor, element):
    hypervisor.set_metadata("test", uri=NAMESPACE, prefix=PREFIX, element=element)


@pytest.mark.parametrize("interfaces", [None, (0, 2)])
def test_a_wish_comes_back_as_it_was_written(hypervisor, interfaces):
    wish = Wish(mode=WishMode.COPY, interfaces=interfaces)
    write(hypervisor, wish_xml(wish))
    xml = hypervisor.domain("test").xml
    assert f'xmlns:{PREFIX}="{NAMESPACE}"' in xml
    assert read_domain(xml).wish == wish
    assert [read_domain(running).wish for running in hypervisor.running()] == [wish]


def test_a_wish_is_replaced_and_taken_out_and_twice_is_no_error(hypervisor):
    write(hypervisor, wish_xml(Wish(mode=WishMode.COPY, interfaces=None)))
    write(hypervisor, wish_xml(Wish(mode=WishMode.AUTO, interfaces=None)))
    (state,) = hypervisor.all()
    assert (state.running, state.persistent) == (True, True)
    wish = read_domain(state.xml).wish
    assert wish is not None
    assert wish.mode is WishMode.AUTO
    write(hypervisor, None)
    write(hypervisor, None)
    assert NAMESPACE not in hypervisor.domain("test").xml


def test_a_domain_that_is_not_there_is_told_in_libvirts_words(hypervisor):
    with pytest.raises(
        UsageError, match="does not find domain nosuch: Domain not found"
    ):
        hypervisor.domain("nosuch")
