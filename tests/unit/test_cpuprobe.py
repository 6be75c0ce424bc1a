# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vhostaccel.command import run
from vhostaccel.errors import LabError
from vhostaccel.lab.provision import SOURCES, compile_argv
from vhostaccel.observe.cpuprobe import CpuProbe

HINT = "gcc and the C library's static archive are missing"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tmp_path_factory.mktemp("cpuprobe") / "cpuprobe"
    run(compile_argv(SOURCES["cpuprobe"], binary), hint=HINT)
    return binary


@pytest.fixture
def cpu() -> int:
    return max(os.sched_getaffinity(0))


@pytest.fixture
def probe(program: Path, cpu: int) -> Iterator[CpuProbe]:
    started = CpuProbe(program, cpu)
    yield started
    started.stop()


def idle_share(probe: CpuProbe, seconds: float) -> float:
    idle_ns, at_ns = probe.idle_ns(), time.monotonic_ns()
    time.sleep(seconds)
    return (probe.idle_ns() - idle_ns) / (time.monotonic_ns() - at_ns)


def test_a_busy_cpu_has_less_idle_time_than_before(probe: CpuProbe, cpu: int) -> None:
    spin = f"import os\nos.sched_setaffinity(0, {{{cpu}}})\nwhile True: pass"
    # Others may keep the CPU busy too: the best of some looks is the fair one.
    before = max(idle_share(probe, 0.3) for _ in range(5))
    with subprocess.Popen([sys.executable, "-c", spin]) as busy:
        try:
            time.sleep(0.3)
            during = idle_share(probe, 1.0)
        finally:
            busy.kill()
    assert 0.0 <= during < before / 2
    assert before <= 1.01


def test_lateness_is_told_while_it_lasts_and_once_after(probe: CpuProbe) -> None:
    timer = probe._process.pid
    probe.take_late_worst_ns()
    os.kill(timer, signal.SIGSTOP)
    time.sleep(0.5)
    # A timer that has not run yet is late already.
    assert probe.take_late_worst_ns() > 300_000_000
    os.kill(timer, signal.SIGCONT)
    time.sleep(0.2)
    # It has run: what it wrote then is still told, and after that no more.
    assert probe.take_late_worst_ns() > 300_000_000
    assert probe.take_late_worst_ns() < 300_000_000


def test_both_processes_end_together(program: Path, cpu: int) -> None:
    probe = CpuProbe(program, cpu)
    children = Path(f"/proc/{probe._process.pid}/task/{probe._process.pid}/children")
    (counter,) = map(int, children.read_text().split())
    os.kill(counter, signal.SIGKILL)
    assert probe._process.wait(timeout=10) != 0
    assert not probe.is_running()


def test_a_cpu_that_does_not_exist_is_an_error(program: Path) -> None:
    with pytest.raises(LabError, match="CPU 999"):
        CpuProbe(program, 999)
