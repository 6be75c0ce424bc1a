# SPDX-License-Identifier: Apache-2.0
"""JUnit XML says of every claim what became of it."""

from dataclasses import replace
from xml.etree import ElementTree as ET

from tests.factories import make_run
from vhostaccel.report.junit import junit_xml
from vhostaccel.verify.verdict import ClaimResult, Status


def claim(status: Status, why: str = "why") -> ClaimResult:
    return ClaimResult(
        verdict="livelock", mode="tap", expect="pass", status=status, why=why
    )


def test_every_status_has_its_element_and_is_counted():
    run = make_run(claims=tuple(claim(status) for status in Status))
    (suite,) = ET.fromstring(junit_xml([run]))
    elements = [[child.tag for child in case] for case in suite]
    assert elements == [["system-out"], ["failure"], ["skipped"], ["error"]]
    counts = [suite.get(key) for key in ("tests", "failures", "skipped", "errors")]
    assert counts == ["4", "1", "1", "1"]
    assert suite[0].get("classname") == "baseline.stock-vhost-net-livelocks-on-one-cpu"


def test_what_did_not_run_to_its_end_is_an_error():
    cut = replace(make_run(), complete=False, why="the lab died")
    suites = ET.fromstring(junit_xml([cut], {"a/b": "no kernel"}))
    errors = [error.get("message") for error in suites.iter("error")]
    assert errors == ["the lab died", "no kernel"]


def test_a_console_line_with_control_characters_stays_xml():
    run = make_run(claims=(claim(Status.FAIL, "\x1b[31mBUG\x00 <&>"),))
    (failure,) = ET.fromstring(junit_xml([run])).iter("failure")
    assert failure.get("message") == "\ufffd[31mBUG\ufffd <&>"
