# SPDX-License-Identifier: Apache-2.0
"""Calls to the lab's agent, over a real socket with the real agent behind it."""

import os
import socket
import threading
from contextlib import suppress

import pytest

from vhostaccel.errors import GuestError, LabError
from vhostaccel.lab.agent import Agent
from vhostaccel.lab.channel import Channel


class PortAgent(Agent):
    """The agent on a socket, with a host that only fails."""

    def _do(self, call, says):
        if call["call"] == "fail":
            raise GuestError("guest nfv0 is gone", hint="virsh list")
        if call["call"] == "stumble":
            raise ZeroDivisionError
        if call["call"] == "linger":
            threading.Event().wait(3)
        return super()._do(call, says)


@pytest.fixture
def channel(tmp_path):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))
        server.listen()
        made = Channel(path, lambda: None)
        port, _ = server.accept()

        def serve():
            with suppress(OSError):
                PortAgent(port.fileno()).serve()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield made
        made.close()
        port.close()


def test_a_call_returns_its_result(channel):
    assert channel.call("ping") == "pong"


def test_exec_says_what_is_printed_and_returns_the_status(channel):
    said: list[str] = []
    argv = ["sh", "-c", "echo one; echo two; exit 3"]
    assert channel.call("exec", argv=argv, says=said.append) == 3
    assert said == ["one\n", "two\n"]


def test_an_unknown_program_is_status_127(channel):
    assert channel.call("exec", argv=["no-such-program"]) == 127


def test_an_error_in_the_lab_arrives_with_its_class_and_hint(channel):
    with pytest.raises(GuestError, match="nfv0 is gone") as caught:
        channel.call("fail")
    assert caught.value.hint == "virsh list"


def test_a_bug_in_the_lab_is_told_as_ours(channel):
    with pytest.raises(Exception, match="stumble failed in the lab"):
        channel.call("stumble")


def test_an_overdue_answer_is_an_error(channel):
    with pytest.raises(LabError, match=r"within 0\.1 s"):
        channel.call("linger", timeout_s=0.1)


def test_a_socket_without_a_lab_is_an_error(tmp_path):
    with pytest.raises(LabError, match="cannot reach"):
        Channel(tmp_path / "nobody.sock", lambda: None)
