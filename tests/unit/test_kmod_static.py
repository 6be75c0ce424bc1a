# SPDX-License-Identifier: Apache-2.0
"""What the static checkers print is read whole; silence is not taken for success."""

from pathlib import Path

import pytest

from tests.kernel_part import make_kmod, write_files
from vhostaccel.command import Finished
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.answers import Answer, Finding
from vhostaccel.kmod.cocci import cocci_scripts, read_cocci
from vhostaccel.kmod.control import MISTAKES, overlooked, require_seen
from vhostaccel.kmod.report import Check, Report, timed
from vhostaccel.kmod.treebuild import (
    GCC,
    I386,
    build_findings,
    build_targets,
    kernel_sources,
)

COCCI = """
Please check for false positives in the output before submitting a patch.

/usr/bin/spatch -D report --very-quiet --cocci-file /t/scripts/coccinelle/locks/a.cocci --jobs 2
/t/files/net/nai/x.c:59:3-9: preceding lock on line 57
/usr/bin/spatch -D report --very-quiet --cocci-file /t/scripts/coccinelle/free/b.cocci --jobs 2
/t/files/net/nai/x.c:77:9-15: ERROR: reference preceded by free on line 76
/t/files/net/nai/x.c:77:9-15: ERROR: reference preceded by free on line 76
"""
BOTH = ("locks/a.cocci", "free/b.cocci")


def finding(message: str, place: str = "planted.c") -> Finding:
    return Finding(tool="gcc", place=place, line=1, kind="x", message=message)


def test_semantic_patches_are_told_apart_and_findings_counted_once():
    first, second = read_cocci(COCCI, Path("/t/files"), BOTH)
    assert (first.place, first.line, first.kind) == ("net/nai/x.c", 59, "a")
    assert (second.kind, second.line) == ("b", 77)


@pytest.mark.parametrize(
    "output",
    ["", COCCI.replace("free/b", "free/c"), COCCI + "coccicheck failed\n"],
    ids=["nothing", "one was not run", "one failed"],
)
def test_a_semantic_patch_that_was_not_run_is_an_error(output):
    with pytest.raises(ProvideError, match="coccicheck did not run"):
        read_cocci(output, Path("/t/files"), BOTH)


def test_a_semantic_patch_for_a_newer_coccinelle_may_be_skipped():
    skipped = "Skipping coccinelle SmPL patch: /t/scripts/coccinelle/api/new.cocci\n"
    assert len(read_cocci(COCCI + skipped, Path("/t/files"), (*BOTH, "api/new.cocci")))


def test_semantic_patches_that_take_an_ocaml_compiler_are_left_out(tmp_path):
    root = tmp_path / "scripts" / "coccinelle"
    texts = {
        "locks/a.cocci": "@r@",
        "null/o.cocci": "@script:ocaml@",
        "api/x.cocci": "",
    }
    write_files(root, texts)
    assert cocci_scripts(tmp_path) == ["api/x.cocci", "locks/a.cocci"]
    assert cocci_scripts(tmp_path, ("locks", "null")) == ["locks/a.cocci"]


def test_folders_are_built_whole_but_for_those_with_much_else():
    sources = ("drivers/net/tun.c", "net/nai/a.c", "net/nai/tests/b.c", "net/planted.c")
    assert build_targets(sources) == ("net/nai/", "drivers/net/tun.o", "net/planted.o")


def test_selftests_are_not_compiled_into_a_kernel():
    places = ("net/nai/a.c", "net/nai/a.h", "tools/testing/selftests/x.c")
    assert kernel_sources(places) == ("net/nai/a.c",)


def test_the_planted_mistakes_have_to_be_found_in_the_planted_file():
    told = [finding(f"x {message} y") for message in MISTAKES["W=1"]]
    require_seen("gcc", ("W=1",), told, "planted.c")
    assert overlooked(("W=1",), told[1:]) == (MISTAKES["W=1"][0],)
    with pytest.raises(ProvideError, match="overlooks mistakes"):
        require_seen("gcc", ("W=1",), told[1:], "planted.c")
    elsewhere = [finding(one.message, place="net/nai/a.c") for one in told]
    with pytest.raises(ProvideError, match="overlooks mistakes"):
        require_seen("gcc", ("W=1",), elsewhere, "planted.c")


def test_curly_quotes_of_a_compiler_are_quotes():
    quoted = "\N{LEFT SINGLE QUOTATION MARK}%lu\N{RIGHT SINGLE QUOTATION MARK}"
    told = finding(f"format {quoted} expects argument of type x")
    assert overlooked(("i386",), [told]) == ("divides 64 bits by __udivdi3",)


class FakeBuild:
    """Stands for make and nm: compiles what it was told to, and prints a line."""

    def __init__(self, out: Path, compiles: tuple[str, ...], says: str = "") -> None:
        self._out, self._compiles, self._says = out, compiles, says

    def run(self, argv: list[str], **options: object) -> Finished:
        output = "         U __udivdi3\n" if argv[0] == "nm" else ""
        if "W=1" in argv:
            write_files(self._out, dict.fromkeys(self._compiles, "object"))
            output = self._says
        return Finished(argv=tuple(argv), status=0, output=output)


def test_a_source_that_was_left_out_without_a_word_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("vhostaccel.command.run", FakeBuild(tmp_path, ()).run)
    with pytest.raises(ProvideError, match=r"not compiled: net/nai/a\.c"):
        build_findings(GCC, Path("/tree"), tmp_path, ("net/nai/a.c",))


def test_objects_of_an_earlier_build_do_not_hide_warnings(tmp_path, monkeypatch):
    write_files(tmp_path, {"net/nai/a.o": "old", "net/nai/deep/b.o": "old"})
    fake = FakeBuild(
        tmp_path, ("net/nai/a.o",), "/tree/net/nai/a.c:3:1: warning: new [-Wnew]\n"
    )
    monkeypatch.setattr("vhostaccel.command.run", fake.run)
    (found,) = build_findings(GCC, Path("/tree"), tmp_path, ("net/nai/a.c",))
    assert (found.place, found.kind) == ("net/nai/a.c", "new")
    assert not (tmp_path / "net/nai/deep/b.o").exists()


def test_a_division_that_32_bits_cannot_link_is_a_finding(tmp_path, monkeypatch):
    fake = FakeBuild(tmp_path, ("net/nai/a.o",))
    monkeypatch.setattr("vhostaccel.command.run", fake.run)
    (found,) = build_findings(I386, Path("/tree"), tmp_path, ("net/nai/a.c",))
    assert (found.place, found.kind) == ("net/nai/a.c", "division")
    assert build_findings(GCC, Path("/tree"), tmp_path, ("net/nai/a.c",)) == ()


def test_a_check_notes_its_time_and_what_of_it_is_answered():
    check = Check(tool="t", looked_at="x", findings=(finding("a"), finding("b")))
    assert timed(lambda: check).seconds >= 0.0
    answer = Answer(kind="x", place="planted.*", answer="so")
    report = Report(checks=(check,), answers=(answer,), notes=())
    assert report.answered(check) == 2
    assert report.is_clean


def test_an_answer_to_a_check_that_was_not_made_is_not_unneeded():
    check = Check(tool="quick", looked_at="x", findings=())
    answers = tuple(
        Answer(kind="x", place="*", answer="so", check=name)
        for name in (None, "quick", "long")
    )
    report = Report(checks=(check,), answers=answers, notes=())
    assert [answer.check for answer in report.unneeded] == [None, "quick"]


def test_the_planted_file_is_no_part_of_the_kernel_part(tmp_path):
    part = make_kmod(tmp_path, **{"planted/planted.c": "int bug;\n"})
    assert not [place for place in part.own if "planted" in place]
