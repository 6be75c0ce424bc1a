# SPDX-License-Identifier: Apache-2.0
"""JUnit XML of the claims of some runs, for a CI system to show."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from vhostaccel.lab.storage import write_atomic
from vhostaccel.report.run import Run
from vhostaccel.verify.verdict import ClaimResult, Status

# Void is an error to JUnit: the host is not to blame, but nothing was shown either.
_ELEMENT = {
    Status.FAIL: "failure",
    Status.SKIP: "skipped",
    Status.VOID: "error",
}
# XML 1.0 cannot carry these at all, escaped or not; a console line may hold them.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(runs: Iterable[Run], not_run: Mapping[str, str] | None = None) -> str:
    """Return one suite per scenario and one case per claim.

    Args:
        runs: the runs.
        not_run: scenarios that gave no run, by name, with the reason.
    """
    top = ET.Element("testsuites", name="vhostaccel")
    for run in runs:
        _add_suite(top, run)
    for name, why in (not_run or {}).items():
        suite = ET.SubElement(top, "testsuite", name=_clean(name))
        _add_case(suite, name, "can be run", "error", "not run", why)
        _count(suite)
    ET.indent(top)
    return ET.tostring(top, encoding="unicode", xml_declaration=True) + "\n"


def write_junit(
    runs: Iterable[Run], path: Path, not_run: Mapping[str, str] | None = None
) -> None:
    """Write ``junit_xml`` to a file.

    Raises:
        StorageError: If it cannot be written.
    """
    write_atomic(path, junit_xml(runs, not_run).encode())


def claim_sentence(claim: ClaimResult) -> str:
    """Return a claim as a short sentence: ``livelock of tap: < 0.25``."""
    return f"{claim.verdict} of {claim.mode}: {claim.expect}"


def _add_suite(top: ET.Element, run: Run) -> None:
    name = run.scenario.name
    suite = ET.SubElement(
        top, "testsuite", name=_clean(name), timestamp=run.started,
        time=f"{run.duration_s:.3f}",
    )  # fmt: skip
    for claim in run.claims:
        kind = _ELEMENT.get(claim.status)
        _add_case(suite, name, claim_sentence(claim), kind, claim.status, claim.why)
    if not run.complete:
        _add_case(suite, name, "runs to its end", "error", "cut short", run.why)
    _count(suite)


def _add_case(
    suite: ET.Element, scenario: str, claim: str, kind: str | None, what: str, why: str
) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=_clean(scenario.replace("/", ".")), name=_clean(claim)
    )  # fmt: skip
    if kind is None:
        ET.SubElement(case, "system-out").text = _clean(why)
    else:
        ET.SubElement(case, kind, message=_clean(why), type=what)


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite)))
    for attribute, element in (
        ("failures", "failure"), ("errors", "error"), ("skipped", "skipped"),
    ):  # fmt: skip
        suite.set(attribute, str(len(suite.findall(f"testcase/{element}"))))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
