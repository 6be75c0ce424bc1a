# SPDX-License-Identifier: Apache-2.0
"""The page stands alone, shows every run, and trusts no text of a record."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.factories import PLATEAU, make_point, make_run, make_sweeps
from vhostaccel.report.page import render_page
from vhostaccel.report.run import ModeResult

VOID_ELEMENTS = {"meta", "br"}


class Reader(HTMLParser):
    """Collects ids and checks that elements nest."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def two_modes():
    copy = make_sweeps(PLATEAU, mode="copy", lost_in={"nic": 1.0})
    return make_run(
        (
            *make_run().modes,
            ModeResult(mode="copy", points=copy, verdicts=()),
        )
    )


def test_page_is_one_well_formed_document_without_script_or_network():
    page = render_page([make_run(), two_modes()])
    reader = read(page)
    assert "script" not in reader.tags
    assert not {"img", "link", "iframe", "object"} & reader.tags
    assert re.findall(r'(?:src|href)="(?!#)', page) == []
    assert "url(http" not in page
    assert "@import" not in page


def test_ids_of_the_figures_do_not_collide():
    ids = read(render_page([make_run()])).ids
    assert len(ids) == len(set(ids))


def test_the_same_runs_give_the_same_page():
    assert render_page([two_modes()]) == render_page([two_modes()])


def test_figures_take_every_colour_from_the_page():
    page = render_page([make_run()])
    figures = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--hue-0)" in figures
    assert re.findall(r"#[0-9a-f]{6}\b", figures) == []
    for role in set(re.findall(r"var\(--([a-z0-9-]+)\)", page)):
        assert len(re.findall(rf"--{role}: #", page)) == 2, role


def test_each_run_gets_its_column_its_curve_and_its_command():
    runs = [make_run(), replace(two_modes(), command="vhostaccel run other.toml")]
    page = render_page(runs)
    for label in ("1: tap", "2: tap", "2: copy"):
        assert f"<th>{label}</th>" in page
        assert f">{label}</text>" in page
    for run in runs:
        assert f"<pre>{run.command}</pre>" in page


def test_text_of_a_record_is_escaped_everywhere():
    evil = "<b>&$x$</b>"
    run = make_run(
        (ModeResult(mode=evil, points=make_sweeps(), verdicts=()),),
    )
    run = replace(run, environment={evil: evil}, command=evil, why=evil, complete=False)
    page = render_page([run])
    read(page)
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;$x$&lt;/b&gt;" in page


@pytest.mark.parametrize(
    ("points", "rows"),
    [
        ((), []),
        ((make_point(600, void="starved"),), [("600", "every trial is void")]),
        ((make_point(40_000, 0),), [("40 k", "100.0%: tap 100.0%")]),
        (
            (make_point(600, 500, residual=-40, one_way=True),),
            [("600", "16.7%: tap 17.5%, unexplained -0.8%")],
        ),
    ],
    ids=["no point", "only void", "nothing forwarded", "more out than in"],
)
def test_a_page_is_made_of_any_run(points, rows):
    run = make_run((ModeResult(mode="tap", points=points, verdicts=()),))
    page = render_page([run])
    read(page)
    assert page.count("<figure><svg") == 4
    assert rates(page) == rows


def rates(page: str) -> list[tuple[str, str]]:
    """Return each load of the table of rates, and what is said was lost there."""
    section = page.split("<h2>Egress against offered load</h2>")[1].split("<h2>")[0]
    found = re.findall(r'<th scope="row" class="n">(.*?)</th>(.*)</tr>', section)
    return [
        (load, re.findall(r"<td(?! class=.n)[^>]*>(.*?)</td>", cells)[0])
        for load, cells in found
    ]


def test_modes_of_one_run_stand_side_by_side_with_those_left_out_and_why():
    run = replace(two_modes(), left_out={"poll": "not in this version"})
    page = render_page([run])
    read(page)
    assert "<h2>Modes side by side</h2>" in page
    # Peak, over that of tap, in the flood, over that of tap: means of three sweeps.
    assert '<th scope="row">copy</th><td class="n">4896</td>' in page
    assert '<td class="n">4.32</td>' in page
    assert "left out: not in this version" in page
    assert "Modes side by side" not in render_page([make_run()])


def test_what_was_set_is_shown_mode_by_mode_and_with_every_value_seen():
    points = [make_point(600), make_point(1200), make_point(2400)]
    seen = ("0", "0", "1")
    tap = [
        replace(point, settings={"eth0 threaded": value})
        for point, value in zip(points, seen, strict=True)
    ]
    modes = (ModeResult(mode="tap", points=tuple(tap), verdicts=()),)
    page = render_page([make_run(modes)])
    assert '<th scope="row">eth0 threaded</th><td>0 | 1</td>' in page
    assert "What was set" not in render_page([make_run()])
