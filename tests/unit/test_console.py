# SPDX-License-Identifier: Apache-2.0
"""Which lines of a kernel's console report a problem."""

import pytest

from vhostaccel.lab.console import ConsoleLog, problems


@pytest.mark.parametrize(
    "line",
    [
        "[   12.1] BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "[   12.1] WARNING: CPU: 0 PID: 245 at net/core/dev.c:6612 napi_enable+0x2e",
        "[   12.1] Oops: 0002 [#1] PREEMPT SMP NOPTI",
        "[   12.1] BUG: KASAN: slab-use-after-free in vhost_poll_queue+0x10",
        "[   12.1] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "[   12.1] WARNING: possible circular locking dependency detected",
        "[   12.1] unregister_netdevice: waiting for nfv0-0 to become free.",
        "[   12.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [vhost-245:250]",
        "[   12.1] DMA-API: igb: device driver frees DMA memory, not allocated",
    ],
)
def test_a_kernel_problem_is_found(line):
    assert problems(f"[ 1.0] Linux version 6.12\n{line}\n") == (line,)


@pytest.mark.parametrize(
    "line",
    [
        "[    2.1] amd_pstate: the _CPC object is not present in SBIOS",
        "[   28.4] kvm: kvm [246]: vcpu0, guest rIP: 0xffff Unhandled WRMSR(0xc0010007)",
        "[    1.1] mtrr: your CPUs had inconsistent fixed MTRR settings",
    ],
)
def test_a_healthy_boot_reports_nothing(line):
    assert problems(line + "\n") == ()


def test_a_repeated_line_is_reported_once():
    assert len(problems("x BUG: bad\nx BUG: bad\n")) == 1


def test_a_console_that_is_not_there_yet_is_empty(tmp_path):
    assert ConsoleLog(tmp_path / "console.log").tail() == "(the console is empty)"
