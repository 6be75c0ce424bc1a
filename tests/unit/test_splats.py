# SPDX-License-Identifier: Apache-2.0
"""Whole reports of a kernel's detectors, taken from its console."""

import pytest

from vhostaccel.lab.splats import find_splats

KASAN = """\
[   41.100001] ==================================================================
[   41.100102] BUG: KASAN: slab-use-after-free in nai_fq_put+0x1c/0x60 [nai]
[   41.100204] Read of size 4 at addr ffff888012345678 by task vhost-245/250
[   41.100301] Call Trace:
[   41.100350]  <TASK>
[   41.100400]  kasan_report+0xda/0x110
[   41.100450]  nai_fq_put+0x1c/0x60 [nai]
[   41.100500]  </TASK>
[   41.100600] Allocated by task 245:
[   41.100650]  nai_fq_create+0x50/0x1a0 [nai]
[   41.100700] ==================================================================
"""
LOCKDEP = """\
[   50.000001] ======================================================
[   50.000010] WARNING: possible circular locking dependency detected
[   50.000020] 6.12.117-nai-kasan #1 Not tainted
[   50.000030] ------------------------------------------------------
[   50.000040] insmod/300 is trying to acquire lock:
[   50.000050]  *** DEADLOCK ***
[   50.000060] stack backtrace:
[   50.000070] Call Trace:
[   50.000080]  <TASK>
[   50.000090]  control_lock_order+0x50/0xa0 [vhostaccel_control]
[   50.000100]  </TASK>
"""
DMA = """\
[   60.000001] ------------[ cut here ]------------
[   60.000010] DMA-API: igb 0000:01:00.0: device driver frees DMA memory with different size
[   60.000020] WARNING: CPU: 0 PID: 301 at kernel/dma/debug.c:1001 check_unmap+0x1/0x2
[   60.000030] Call Trace:
[   60.000040]  <TASK>
[   60.000050]  igb_nai_fq_stop+0x1/0x2 [igb]
[   60.000060]  </TASK>
[   60.000070] ---[ end trace 0000000000000000 ]---
"""
LEAK = """\
[   70.000001] unreferenced object 0xffff888011111111 (size 96):
[   70.000010]   comm "insmod", pid 300, jiffies 4294900000
[   70.000020]   backtrace (crc 0):
[   70.000030]     [<00000000deadbeef>] control_leak+0x1c/0x60 [vhostaccel_control]
[   70.000040] unreferenced object 0xffff888022222222 (size 64):
[   70.000050]   comm "modprobe", pid 301, jiffies 4294900001
"""


def race(function: str) -> str:
    return f"""\
[   80.000001] ==================================================================
[   80.000010] BUG: KCSAN: data-race in {function} / {function}
[   80.000020] write to 0xffffffffc0000000 of 8 bytes by task 400 on cpu 1:
[   80.000030]  {function}+0x1c/0x60
[   80.000040] Reported by Kernel Concurrency Sanitizer on:
[   80.000050] ==================================================================
"""


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (KASAN, ["KASAN"]),
        (LOCKDEP, ["lockdep"]),
        (DMA, ["DMA-API"]),
        (LEAK, ["kmemleak", "kmemleak"]),
        (race("nai_rx_peek"), ["KCSAN"]),
        (
            KASAN + LOCKDEP + DMA + LEAK,
            ["KASAN", "lockdep", "DMA-API", *["kmemleak"] * 2],
        ),
    ],
)
def test_a_report_is_one_and_named_after_its_detector(text, kinds):
    assert [splat.kind for splat in find_splats(text)] == kinds


def test_a_report_holds_all_its_lines_and_no_others():
    (splat,) = find_splats(f"[ 1.0] before\n{KASAN}[ 42.0] quiet\n")

    assert splat.report.startswith("BUG: KASAN")
    assert "Allocated by task 245" in splat.report
    assert "quiet" not in splat.report


@pytest.mark.parametrize(
    ("function", "counts"),
    [
        ("nai_rx_peek", True),
        ("vhost_nai_rx", True),
        ("igb_nai_fq_stop", True),
        ("control_count [vhostaccel_control]", True),
        ("try_to_wake_up", False),
        ("do_nanosleep", False),
        ("igb_update_stats [igb]", False),
    ],
)
def test_a_data_race_counts_when_a_function_of_ours_has_part_in_it(function, counts):
    name, _, module = function.partition(" ")
    text = race("x").replace("x+0x1c/0x60", f"{name}+0x1c/0x60 {module}")
    (splat,) = find_splats(text)

    assert splat.counts is counts


def test_other_reports_count_whosever_they_are():
    (splat,) = find_splats(
        "[ 9.0] BUG: sleeping function called from invalid context\n"
    )

    assert splat.counts


def test_a_data_race_of_others_hides_no_failure_that_follows_it():
    cut_short = "\n".join(race("try_to_wake_up").splitlines()[:3])
    text = f"{cut_short}\n[ 80.1] BUG: kernel NULL pointer dereference\n"

    assert [splat.kind for splat in find_splats(text)] == ["KCSAN", "oops"]


def test_after_a_pause_another_report_begins():
    text = (
        "[   10.0] unregister_netdevice: waiting for nfv0-0 to become free\n"
        "[   19.0] BUG: kernel NULL pointer dereference\n"
    )

    assert [splat.kind for splat in find_splats(text)] == ["references", "oops"]


def test_what_is_said_again_is_one_report():
    assert len(find_splats(DMA + DMA.replace("   60.", "   90."))) == 1


def test_a_control_that_was_not_made_is_not_found():
    assert find_splats("[ 1.0] DMA-API: preallocated 65536 debug entries\n") == ()
