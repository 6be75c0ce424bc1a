# SPDX-License-Identifier: Apache-2.0
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from vhostaccel.command import run
from vhostaccel.guests.vfwd import VfwdPage
from vhostaccel.lab.provision import SOURCES, compile_argv

MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
STATIONS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
# What vfwd does on SIGUSR1, in another program: beat_answered = beat_asked.
ANSWERER = """
import mmap, os, signal, struct, sys
page = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 4096)
def answer(*_):
    page[16:24] = page[8:16]
signal.signal(signal.SIGUSR1, answer)
print("READY", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture(scope="module")
def vfwd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tmp_path_factory.mktemp("vfwd") / "vfwd"
    hint = "gcc and the C library's static archive are missing"
    run(compile_argv(SOURCES["vfwd"], binary), hint=hint)
    return binary


def test_counters_come_in_the_order_of_the_guests_init() -> None:
    page = VfwdPage()
    try:
        with Path(page.path).open("r+b") as file:
            file.seek(24)
            file.write(struct.pack("10Q", *range(1, 11)))
        assert page.counters() == (1, 2, 0, 0, 3, 4, 0, 5, 6, 0, 0, 7, 8, 0, 9, 10)
    finally:
        page.close()
    assert not Path(page.path).exists()


def test_a_heartbeat_needs_the_process_to_run() -> None:
    page = VfwdPage()
    argv = [sys.executable, "-c", ANSWERER, page.path]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "READY\n"
            took_ns = page.beat(process.pid, 10.0)
            assert took_ns is not None
            assert 0 < took_ns < 10e9
            os.kill(process.pid, signal.SIGSTOP)
            assert page.beat(process.pid, 0.1) is None
            # The late answer to that one must not pass for the next.
            os.kill(process.pid, signal.SIGCONT)
            assert page.beat(process.pid, 10.0) is not None
        finally:
            process.kill()
    assert page.beat(process.pid, 0.1) is None
    page.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("t0", "t1"), "usage"),
        (("t0", "t1", MACS[0], "zz", *STATIONS, "PAGE"), "zz is no MAC address"),
        (("t0", "t1", *MACS, *STATIONS, "/nowhere"), "/nowhere: No such file"),
        (("t" * 16, "t1", *MACS, *STATIONS, "PAGE"), "at most 15 characters"),
    ],
)
def test_vfwd_says_what_is_wrong_with_its_arguments(
    vfwd: Path, arguments: tuple[str, ...], says: str
) -> None:
    page = VfwdPage()
    argv = [page.path if word == "PAGE" else word for word in arguments]
    done = run([str(vfwd), *argv], hint="none", check=False, timeout_s=10.0)
    page.close()
    assert done.status != 0
    assert says in done.output
