# SPDX-License-Identifier: Apache-2.0
"""The patches to be mailed: which, in which order, and what a letter says."""

import pytest

from tests.kernel_part import SERIES_TOML, make_kmod, make_source
from vhostaccel.errors import SetupError
from vhostaccel.kmod.answers import Answer, Finding, read_answers, unanswered, unneeded
from vhostaccel.kmod.mail import Author, Repository, cover_body, write_series
from vhostaccel.kmod.series import read_series

FINDING = Finding(
    tool="checkpatch", place="net/nai/a.c", line=3, kind="MACRO", message="a macro"
)
ANSWER = Answer(kind="MACRO", place="net/nai/*", answer="It generates a function.")


def test_the_series_keeps_the_order_of_its_file(tmp_path):
    series = read_series(make_kmod(tmp_path), tmp_path)
    assert [change.title for change in series.changes] == [
        "net: nai: add the core",
        "vhost_net: add a hook",
    ]
    assert set(series.changes[0].own) == {"net/nai/nai_core.c", "include/net/nai.h"}
    assert series.changes[1].hunks is not None
    assert (series.cover_title, series.cover_body) == ("net: nai: a title", "Why.")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("nai/*", "nai/nai_core.c"), None),
        (('"include/*"', '"include/x.h"'), "include/x.h"),
        ((', "include/*"', ""), "include/net/nai.h"),
        (('"vhost/*"', '"vhost/*", "nai/*"'), "net/nai/nai_core.c"),
        (("0001-hook.patch", "0009-gone.patch"), "0009-gone.patch"),
        (('body = "', 'text = "'), "text"),
    ],
    ids=["by name", "no such file", "in none", "in two", "no such patch", "wrong key"],
)
def test_each_file_and_patch_is_in_exactly_one_patch(tmp_path, change, named):
    part = make_kmod(tmp_path, **{"series.toml": SERIES_TOML.replace(*change)})
    if named is None:
        read_series(part, tmp_path)
        return
    with pytest.raises(SetupError) as caught:
        read_series(part, tmp_path)
    assert named in caught.value.what


def test_a_patch_that_no_entry_names_is_told(tmp_path):
    more = {"patches/6.12/0002-more.patch": (make_kmod(tmp_path).patches[0].text)}
    with pytest.raises(SetupError, match=r"0002-more\.patch"):
        read_series(make_kmod(tmp_path, **more), tmp_path)


def test_the_letter_ends_with_the_answers_to_findings(tmp_path):
    series = read_series(make_kmod(tmp_path), tmp_path)
    assert cover_body(series, ()) == "Why."
    assert "- MACRO (net/nai/*): It generates a function." in cover_body(
        series, (ANSWER,)
    )


def test_the_written_series_is_what_git_am_takes(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    part, source = make_kmod(tmp_path / "kmod"), make_source(tmp_path / "source")
    author = Author(name="A. Uthor", email="author@example.org")
    made, second = tmp_path / "made", tmp_path / "second"
    for folder, paths in ((made, part.changed), (second, None)):
        folder.mkdir()
        Repository(folder, author).start(source, paths)
    output = tmp_path / "out"
    output.mkdir()
    (output / "0009-of-an-earlier-series.patch").write_text("old")
    series = read_series(part, tmp_path / "kmod")
    written = write_series(series, (), Repository(made, author), output)
    assert sorted(output.iterdir()) == sorted(written)
    assert [path.name[:4] for path in written] == ["0000", "0001", "0002"]
    assert "[PATCH 0/2] net: nai: a title" in written[0].read_text()
    text = written[2].read_text()
    assert "Signed-off-by: A. Uthor <author@example.org>" in text
    checkout = Repository(second, author)
    checkout.git("am", "--quiet", *(str(path) for path in written[1:]))
    assert "int hook;" in (second / "drivers/vhost/net.c").read_text()
    tracked = checkout.git("ls-files").split()
    other = {"drivers/net/tun.c", "drivers/net/ethernet/intel/igb/igb_main.c"}
    assert {*part.own, *part.changed} == {*tracked} - other
    for path in {*tracked} - other:
        assert (made / path).read_text() == (second / path).read_text()


def test_only_findings_of_that_kind_and_place_are_answered():
    other = Finding(
        tool="checkpatch", place="drivers/vhost/net.c", line=3, kind="MACRO", message=""
    )
    assert unanswered((FINDING, other), (ANSWER,)) == (other,)
    assert unneeded((FINDING,), (ANSWER,)) == ()
    assert unneeded((other,), (ANSWER,)) == (ANSWER,)


def test_an_answer_without_a_reason_is_refused(tmp_path):
    path = tmp_path / "checkpatch-answers.toml"
    path.write_text('[[answer]]\nkind = "MACRO"\nplace = "*"\n')
    with pytest.raises(SetupError, match="answer"):
        read_answers(tmp_path)
