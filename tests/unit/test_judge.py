# SPDX-License-Identifier: Apache-2.0
"""Claims hold by what the verdicts came to."""

import pytest

from tests.factories import CLEAN, make_scenario, make_sweeps, make_verdict
from vhostaccel.scenario.model import Claim
from vhostaccel.verify.judge import judge, overall, settle
from vhostaccel.verify.verdict import Status

PASS, FAIL, SKIP, VOID = Status.PASS, Status.FAIL, Status.SKIP, Status.VOID


@pytest.mark.parametrize(
    ("expect", "status", "value", "settled"),
    [
        ("pass", PASS, 0.95, PASS),
        ("pass", FAIL, 0.01, FAIL),
        ("fail", FAIL, 0.01, PASS),
        ("fail", PASS, 0.95, FAIL),
        ("< 0.25", FAIL, 0.01, PASS),
        ("< 0.25", FAIL, 0.25, FAIL),
        (">= 0.25", FAIL, 0.25, PASS),
        ("< 0.25", FAIL, None, FAIL),
        ("fail", SKIP, None, SKIP),
        ("< 0.25", VOID, None, VOID),
    ],
)
def test_a_claim_is_settled_by_status_or_value(expect, status, value, settled):
    claim = Claim(verdict="livelock", mode="tap", expect=expect)
    verdict = make_verdict(status=status, value=value)
    (result,) = settle([claim], {"tap": [verdict]})
    assert (result.status, result.why) == (settled, verdict.why)


def test_a_claim_of_a_mode_that_was_not_run_is_skipped():
    (result,) = settle([Claim(verdict="livelock", mode="copy")], {"tap": []})
    assert (result.status, result.why) == (SKIP, "the mode copy was not run")


def test_a_claim_of_a_mode_that_could_not_be_run_says_why():
    claim = Claim(verdict="livelock", mode="copy")
    (result,) = settle([claim], {"tap": []}, {"copy": "the module nai is not loaded"})
    assert result.status == SKIP
    assert result.why == "the mode copy was not run: the module nai is not loaded"


@pytest.mark.parametrize(
    ("found", "together"),
    [
        ([PASS, PASS], PASS),
        ([PASS, SKIP], SKIP),
        ([SKIP, VOID, PASS], VOID),
        ([VOID, FAIL, PASS], FAIL),
        ([], SKIP),
    ],
)
def test_only_claims_that_all_hold_pass(found, together):
    claims = [Claim(verdict=f"v{n}", mode="tap") for n in range(len(found))]
    verdicts = [make_verdict(f"v{n}", status) for n, status in enumerate(found)]
    assert overall(settle(claims, {"tap": verdicts})) is together


def test_stock_vhost_net_is_judged_by_every_verdict_in_order():
    verdicts = judge("tap", {"tap": make_sweeps()}, CLEAN, make_scenario())
    assert [(v.name, v.status) for v in verdicts] == [
        ("livelock", FAIL),
        ("over-tap", SKIP),
        ("both-ways", PASS),
        ("where-dropped", FAIL),
        ("tap-spared", FAIL),
        ("conservation", PASS),
        ("alive", PASS),
        ("tap-share", SKIP),
        ("idle-latency", SKIP),
        ("recovery", SKIP),
        ("disturbance", SKIP),
        ("neighbour", SKIP),
        ("frame-cost", SKIP),
        ("drop-cost", SKIP),
        ("clean", PASS),
    ]
