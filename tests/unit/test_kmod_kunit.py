# SPDX-License-Identifier: Apache-2.0
"""What counts as a good run of the KUnit suites, and what must not."""

from pathlib import Path

import pytest

from vhostaccel.kmod.kunit import judge
from vhostaccel.kmod.kunit_results import read_results, splats

GOOD = """\
[18:57:35] Starting KUnit Kernel (1/1)...
KTAP version 1
1..2
    KTAP version 1
    # Subtest: nai-congestion
    # module: nai_test
    1..2
        KTAP version 1
        # Subtest: nai_congestion_marks
        ok 1 defaults
        ok 2 crossed
    # nai_congestion_marks: pass:2 fail:0 skip:0 total:2
    ok 1 nai_congestion_marks
    ok 2 nai_congestion_gap
# nai-congestion: pass:2 fail:0 skip:0 total:2
# Totals: pass:3 fail:0 skip:0 total:3
ok 1 nai-congestion
    KTAP version 1
    # Subtest: nai-lease
    # module: nai_test
    1..1
    ok 1 nai_lease_undone # SKIP no DMA operations of a device's own here
# nai-lease: pass:0 fail:0 skip:1 total:1
ok 2 nai-lease # SKIP no DMA operations of a device's own here
"""

FAILED = GOOD.replace(
    "        ok 2 crossed\n",
    "    # nai_congestion_marks: EXPECTATION FAILED at congestion_test.c:46\n"
    "    Expected low == given->low_then, but\n"
    "        low == 3 (0x3)\n"
    "        not ok 2 crossed\n",
).replace("ok 1 nai_congestion_marks", "not ok 1 nai_congestion_marks")


def _good(output: str, log: str = "", folder: Path = Path("/nowhere")) -> bool:
    path = folder / "test.log"
    if log:
        path.write_text(log)
    return judge("6.12", output, path, build_s=1.0, run_s=1.0).is_good


def test_cases_are_counted_and_not_what_holds_them() -> None:
    results = read_results(GOOD)
    assert results.passed == (
        "nai-congestion/nai_congestion_marks/defaults",
        "nai-congestion/nai_congestion_marks/crossed",
        "nai-congestion/nai_congestion_gap",
    )
    assert results.skipped == (
        "nai-lease/nai_lease_undone: no DMA operations of a device's own here",
    )
    assert results.is_good
    assert _good(GOOD)


def test_a_failed_case_is_named_with_what_it_said() -> None:
    results = read_results(FAILED)
    assert [failure.name for failure in results.failed] == [
        "nai-congestion/nai_congestion_marks/crossed"
    ]
    assert "low == 3 (0x3)" in results.failed[0].said
    assert results.count == 3
    assert not results.is_good


def test_a_suite_that_fails_for_itself_is_a_failure() -> None:
    output = GOOD.replace("\nok 1 nai-congestion", "\nnot ok 1 nai-congestion")
    assert [failure.name for failure in read_results(output).failed] == [
        "nai-congestion"
    ]


@pytest.mark.parametrize(
    "output",
    [
        "",
        "Kernel panic - not syncing: VFS: Unable to mount root fs\n",
        "KTAP version 1\n1..0\n",
        "KTAP version 1\n1..1\nok 1 list # SKIP disabled\n",
    ],
)
def test_nothing_run_is_not_passed(output: str) -> None:
    results = read_results(output)
    assert results.count == 0
    assert "no test has run" in results.problems
    assert not results.is_good


@pytest.mark.parametrize("lines", range(4, len(GOOD.splitlines())))
def test_a_kernel_that_dies_on_the_way_has_not_passed(lines: int) -> None:
    cut = "\n".join(GOOD.splitlines()[:lines])
    assert not read_results(cut).is_good


def test_a_case_that_was_announced_must_end() -> None:
    results = read_results(GOOD.replace("    ok 2 nai_congestion_gap\n", ""))
    assert "nai-congestion: 2 announced, 1 ended" in results.problems


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: CPU: 0 PID: 12 at net/nai/nai_fq.c:100 nai_fq_release+0x1/0x2",
        "WARNING: possible circular locking dependency detected",
        "BUG: sleeping function called from invalid context at mm/slab.c:1",
        "INFO: task kunit_try_catch:30 blocked for more than 122 seconds.",
        "INFO: suspicious RCU usage",
        "unregister_netdevice: waiting for naitesttap to become free. Usage count = 2",
    ],
)
def test_a_complaint_of_the_kernel_spoils_a_run(tmp_path: Path, line: str) -> None:
    assert splats(f"KTAP version 1\n[    1.0] {line}\n{line}\n") == (line,)
    assert not _good(GOOD, f"booting\nKTAP version 1\n{line}\n", tmp_path)
    assert _good(GOOD, f"{line}\nKTAP version 1\n", tmp_path)
