# SPDX-License-Identifier: Apache-2.0
"""Selftests that netdev's robots would send back are found, and good ones are not."""

import pytest

from tests.kernel_part import write_files
from vhostaccel.kmod.selftest_form import selftest_files, selftest_findings

GOOD = {
    "Makefile": "TEST_PROGS := \\\n\tflood.py \\\n\tunplug.py \\\n# end of TEST_PROGS\n\n"
    "TEST_GEN_FILES := \\\n\tguest \\\n# end of TEST_GEN_FILES\n",
    ".gitignore": "# SPDX-License-Identifier: GPL-2.0\nguest\n",
    "config": "CONFIG_NAI=m\nCONFIG_TUN=m\n",
    "flood.py": "#!/usr/bin/env python3\nprint(1)\n",
    "unplug.py": "#!/usr/bin/env python3\nprint(2)\n",
    "guest.c": "int main(void) { return 0; }\n",
}


def found(tmp_path, **changes):
    folder = tmp_path / "selftests"
    write_files(folder, {**GOOD, **changes})
    for script in folder.glob("*.py"):
        script.chmod(0o755)
    findings = selftest_findings(selftest_files(tmp_path), folder)
    return [f"{one.place}:{one.line}: {one.message}" for one in findings]


def test_the_form_is_not_complained_of(tmp_path):
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("Makefile", GOOD["Makefile"].replace("flood", "zero"), "is not in order"),
        (
            "Makefile",
            GOOD["Makefile"].replace("# end of TEST_GEN_FILES\n", ""),
            "comment",
        ),
        ("Makefile", GOOD["Makefile"].replace("guest", "a guest"), "two names"),
        ("config", "CONFIG_TUN=m\nCONFIG_NAI=m\n", "not in order: CONFIG_NAI=m"),
        ("config", "NAI=m\n", "no option: NAI=m"),
        (".gitignore", "", "git does not ignore"),
        ("extra.sh", "true\n", "the Makefile does not name it"),
        ("more.c", "int more;\n", "the Makefile does not name it"),
        ("flood.py", "#!/usr/bin/env python3\nimport os\n", "F401"),
    ],
)
def test_what_is_not_in_the_form_is_found(tmp_path, name, text, told):
    (finding, *_) = found(tmp_path, **{name: text})
    assert told in finding
    assert finding.startswith(f"selftests/{name}:") or name == ".gitignore"


def test_a_program_that_cannot_be_run_is_found(tmp_path):
    folder = tmp_path / "selftests"
    write_files(folder, GOOD)
    findings = selftest_findings(selftest_files(tmp_path), folder)
    assert {one.message.partition(" ")[0] for one in findings} == {"EXE001"}


def test_without_selftests_there_is_nothing_to_find(tmp_path):
    assert selftest_findings(selftest_files(tmp_path), tmp_path / "selftests") == ()
