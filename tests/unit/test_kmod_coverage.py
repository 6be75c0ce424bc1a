# SPDX-License-Identifier: Apache-2.0
"""What counts as executed, and what make is told so that it is counted."""

import json
from pathlib import Path

import pytest

from tests.kernel_part import make_kmod
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.coverage import (
    NOTHING,
    Taken,
    as_rows,
    covered_files,
    keep_notes,
    kernel_options,
    kunit_options,
    of_kunit,
    parse_taken,
)
from vhostaccel.kmod.layout import read_kernel_part

GCOV = """#!/bin/sh
cat <<'END'
%s
END
"""


def _line(number: int, count: int, *branches: int) -> dict[str, object]:
    return {
        "line_number": number,
        "count": count,
        "branches": [{"count": taken, "throw": False} for taken in branches],
    }


def _said(*lines: dict[str, object], file: str = "/x/net/nai/nai_fq.c") -> str:
    header = {"file": "/x/include/linux/list.h", "lines": [_line(7, 9, 9, 9)]}
    return json.dumps({"files": [{"file": file, "lines": list(lines)}, header]})


def _taken(lines: dict[int, bool]) -> Taken:
    return Taken(lines=lines, branches=0, branches_taken=0)


def test_lines_and_branches_of_the_file_alone_are_counted() -> None:
    said = _said(_line(3, 1, 1, 0), _line(4, 0), _line(9, 2, 2, 3))
    taken = parse_taken(said, "net/nai/nai_fq.c")
    assert taken.lines == {3: True, 4: False, 9: True}
    assert (taken.lines_taken, taken.branches_taken, taken.branches) == (2, 3, 4)


def test_a_line_of_two_functions_has_run_if_either_has() -> None:
    taken = parse_taken(_said(_line(3, 1), _line(3, 0)), "net/nai/nai_fq.c")
    assert taken.lines == {3: True}


def test_a_file_that_only_ends_alike_is_another() -> None:
    said = _said(_line(3, 1), file="/x/more_net/nai/nai_fq.c")
    assert parse_taken(said, "net/nai/nai_fq.c") == NOTHING


def test_lines_of_both_are_those_that_ran_in_either() -> None:
    kunit = {"a.c": _taken({1: True, 2: False, 3: False}), "b.c": NOTHING}
    selftests = {"a.c": _taken({2: True, 3: False, 4: True})}
    (row,) = as_rows(kunit, selftests)
    assert row.place == "a.c"
    assert row.lines == {1: True, 2: True, 3: False, 4: True}


def test_what_is_measured_are_core_and_client_without_their_tests() -> None:
    files = covered_files(read_kernel_part())
    assert "net/nai/nai_fq.c" in files
    assert "drivers/vhost/net_nai.c" in files
    assert not [file for file in files if "test" in file or "igb" in file]


def test_make_is_told_of_every_file() -> None:
    part = read_kernel_part()
    assert "GCOV_PROFILE_net_nai.o=y" in kernel_options(part)
    options = kunit_options(part)
    assert "CFLAGS_nai_fq.o=--coverage" in options
    assert "CFLAGS_net_nai.o=--coverage" not in options


def _make_build(tmp_path: Path, said: str) -> tuple[Path, str]:
    build = tmp_path / "build"
    (build / "net/nai").mkdir(parents=True)
    (build / "net/nai/nai_fq.gcno").write_text("notes")
    gcov = tmp_path / "bin" / "gcov-12"
    gcov.parent.mkdir()
    gcov.write_text(GCOV % said)
    gcov.chmod(0o755)
    return build, str(tmp_path / "bin" / "gcc-12")


def test_a_run_is_read_by_the_gcov_of_its_compiler(tmp_path: Path) -> None:
    part = make_kmod(tmp_path, **{"nai/nai_fq.c": ""})
    build, compiler = _make_build(tmp_path, _said(_line(3, 1)))
    assert of_kunit(part, build, compiler)["net/nai/nai_fq.c"].lines == {3: True}


@pytest.mark.parametrize(
    "said", [_said(_line(3, 0)), "nai_fq.gcda: stamp mismatch with notes file", ""]
)
def test_a_run_that_left_nothing_is_an_error_and_not_zero(
    tmp_path: Path, said: str
) -> None:
    part = make_kmod(tmp_path, **{"nai/nai_fq.c": ""})
    build, compiler = _make_build(tmp_path, said)
    with pytest.raises(ProvideError):
        of_kunit(part, build, compiler)


def test_notes_are_kept_with_what_was_built(tmp_path: Path) -> None:
    part = make_kmod(tmp_path, **{"nai/nai_fq.c": "", "nai/nai_nl_gen.c": ""})
    build, _ = _make_build(tmp_path, "")
    keep_notes(part, build, tmp_path / "result")
    kept = [path.name for path in (tmp_path / "result").rglob("*.gcno")]
    assert kept == ["nai_fq.gcno"]
