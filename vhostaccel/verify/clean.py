# SPDX-License-Identifier: Apache-2.0
"""clean: the kernel had nothing to complain about, and nothing was left behind."""

from vhostaccel.verify.case import Case, Rule
from vhostaccel.verify.verdict import Verdict

RULE = Rule(name="clean", limit="0")


def judge(case: Case) -> Verdict:
    """Count warnings in the host's console and what is still there after detach."""
    warnings, left = case.evidence.console_warnings, case.evidence.leftovers
    found = (*warnings, *left)
    why = (
        f"{len(warnings)} kernel warnings in the console and {len(left)} things left "
        f"after detach"
    )
    if found:
        why += f", the first: {found[0].strip()}"
    if notes := case.evidence.console_notes:
        why += f"; besides {len(notes)} data races of others"
    return RULE.judged(not found, len(found), why)
