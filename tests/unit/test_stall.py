# SPDX-License-Identifier: Apache-2.0
"""A virtual CPU stands still for as long as it is told, and its neighbours do not."""

import subprocess
import sys
from pathlib import Path

import pytest

from vhostaccel.errors import GuestError
from vhostaccel.guests.stall import stalled, vcpu_threads

# One thread named like a virtual CPU's, one like a vhost worker's.
PROGRAM = """
import threading, time
from pathlib import Path
def live(name):
    Path("/proc/thread-self/comm").write_text(name)
    print("ready", flush=True)
    while True:
        time.sleep(0.001)
threads = [threading.Thread(target=live, args=(n,)) for n in ("CPU 0/KVM", "vhost-7")]
for thread in threads:
    thread.start()
"""


@pytest.fixture
def process():
    argv = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        for _ in range(2):
            started.stdout.readline()
        yield started
        started.kill()


def state(pid, thread):
    stat = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
    return stat.rpartition(")")[2].split()[0]


def test_only_virtual_cpus_stop_and_they_go_on(process):
    (vcpu,) = vcpu_threads(process.pid)
    others = [
        int(task.name)
        for task in Path(f"/proc/{process.pid}/task").iterdir()
        if int(task.name) != vcpu
    ]
    with stalled(process.pid):
        assert state(process.pid, vcpu) == "t"
        assert all(state(process.pid, other) in "RS" for other in others)
    assert state(process.pid, vcpu) in "RS"
    with stalled(process.pid):
        assert state(process.pid, vcpu) == "t"


def test_a_process_without_virtual_cpus_is_an_error():
    with subprocess.Popen(["sleep", "60"]) as other:
        with pytest.raises(GuestError, match="has no thread named CPU"):
            stalled(other.pid).__enter__()
        other.kill()
