# SPDX-License-Identifier: Apache-2.0
"""What the selftests printed, and whether it was good enough."""

import json
from pathlib import Path

from vhostaccel.codec import to_plain
from vhostaccel.kmod.ktap import read_ktap
from vhostaccel.kmod.selftest import Outcome, Wishes
from vhostaccel.kmod.selftest_tree import programs

PRINTED = """\
# KSFT_FUZZ_SEED=7 repeats this run
KTAP version 1
1..4
ok 1 data.layouts
# Check| At data.py, line 7, in counters:
# Check failed 3 != 4
not ok 2 data.counters
ok 3 data.checksums # SKIP needs a port that can be told to fail
ok 4 data.tx_poll
# Totals: pass:2 fail:1 xfail:0 xpass:0 skip:1 error:0
"""


def outcomes(text):
    return [(one.name, one.outcome) for one in read_ktap("data.py", text)]


def outcome(text, *, splats=(), leaks=""):
    return Outcome(
        kernel="6.12",
        results=read_ktap("data.py", text),
        splats=splats,
        leaks=leaks,
        seconds=1.0,
        folder=Path("/nowhere"),
    )


def test_each_result_has_its_name_and_what_was_printed_before_it():
    results = read_ktap("data.py", PRINTED)
    assert outcomes(PRINTED) == [
        ("data.layouts", "passed"),
        ("data.counters", "failed"),
        ("data.checksums", "skipped"),
        ("data.tx_poll", "passed"),
    ]
    assert results[1].told == (
        "Check| At data.py, line 7, in counters:",
        "Check failed 3 != 4",
    )
    assert results[2].told == ("needs a port that can be told to fail",)


def test_tests_that_were_planned_and_not_told_of_are_missing():
    cut = PRINTED[: PRINTED.index("ok 3")]
    assert outcomes(cut)[2:] == [("data.py", "missing"), ("data.py", "missing")]


def test_a_program_that_died_at_once_is_missing_with_its_last_words():
    (result,) = read_ktap("data.py", "ImportError: no module named lib\n")
    assert result.outcome == "missing"
    assert result.told == ("ImportError: no module named lib",)


def test_a_run_is_good_only_with_tests_and_without_any_complaint():
    good = "1..1\nok 1 data.layouts\n"
    assert outcome(good).is_good
    assert not outcome(PRINTED).is_good
    assert not outcome("").is_good
    assert not outcome("1..0\n").is_good
    assert not outcome("1..1\nok 1 data.fault # SKIP none\n").is_good
    assert not outcome(good, splats=("BUG: KASAN: ...",)).is_good
    assert not outcome(good, leaks="unreferenced object 0x1").is_good


def test_the_makefile_tells_which_programs_there_are():
    folder = Path(__file__).parents[2] / "kmod" / "selftests"
    found = programs(folder)
    assert "attach.py" in found
    assert all((folder / name).is_file() for name in found)
    scripts = {path.name for path in folder.glob("*.py")}
    assert scripts - set(found) == {"nai_env.py", "nai_seeds.py"}


def test_an_outcome_goes_into_json():
    assert json.loads(json.dumps(to_plain(outcome(PRINTED))))["folder"] == "/nowhere"


def test_a_machine_may_be_silent_for_as_long_as_a_fuzzer_runs():
    usual = Wishes().silence_s
    assert Wishes(settings=("KSFT_FUZZ_SECONDS=1200",)).silence_s == usual + 1200
