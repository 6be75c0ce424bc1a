# SPDX-License-Identifier: Apache-2.0
"""Instructions per frame: delivered, dropped, and what is no frame's work."""

from dataclasses import replace

import pytest
from rich.console import Console

from tests.factories import CLEAN, make_point, make_run, make_scenario
from vhostaccel.observe.cpu import instructions
from vhostaccel.observe.point import Instructions
from vhostaccel.observe.sample import Tally
from vhostaccel.report.cost import cost_table
from vhostaccel.report.run import ModeResult
from vhostaccel.verify import drop_cost, frame_cost
from vhostaccel.verify.case import Case
from vhostaccel.verify.cost import cost_of, work
from vhostaccel.verify.verdict import Status

RATES = (600, 2400, 12_000, 40_000)
READING = 9_000_000
HOUSEKEEPING = 0.002
IDLE = Instructions(
    elapsed=4_000_000_000 + READING,
    busy=round(HOUSEKEEPING * 4_000_000_000) + READING,
    reading=READING,
)
DELIVERED = {600: 600.0, 2400: 2400.0, 12_000: 3000.0, 40_000: 500.0}
"""Egress by offered load of a host that drops at a price."""


def counted(rate, egress, *, delivered, dropped, mode, sweep):
    """A trial whose frames take so many instructions each, and as long as the flood."""
    point = make_point(rate, egress, mode=mode, sweep=sweep)
    ledgers = (point.a_to_b, point.b_to_a)
    done = sum(ledger.delivered for ledger in ledgers)
    lost = sum(ledger.offered for ledger in ledgers) - done
    spent = delivered * done + dropped * lost
    executed = Instructions(
        elapsed=3_000_000_000 + READING,
        busy=round(spent + HOUSEKEEPING * 3_000_000_000) + READING,
        reading=READING,
    )
    return replace(point, instructions=executed)


def sweeps_of(mode="tap", *, delivered=20_000, dropped=4000, sweeps=3):
    idle = replace(make_point(0, 0, mode=mode, purpose="idle"), instructions=IDLE)
    return tuple(
        point
        for sweep in range(sweeps)
        for point in (
            replace(idle, sweep=sweep),
            *(
                counted(
                    rate,
                    DELIVERED[rate],
                    delivered=delivered + sweep,
                    dropped=dropped + sweep,
                    mode=mode,
                    sweep=sweep,
                )
                for rate in RATES
            ),
        )
    )


def sure_cost_of(points):
    cost = cost_of(points, make_scenario(rates=RATES))
    assert cost is not None
    return cost


def case_of(ours, control, mode="copy"):
    scenario = make_scenario(rates=RATES, modes=("tap", "copy"))
    return Case(
        mode=mode, points=ours, control=control, evidence=CLEAN, scenario=scenario
    )


def test_what_reading_and_idling_take_is_no_work():
    first, second, last = (
        Tally(at_ns=at, idle_ns=idle)
        for at, idle in ((0, 0), (100, 20), (1100, 520))
    )  # fmt: skip
    executed = instructions(first, second, last)
    assert executed == Instructions(elapsed=1000, busy=500, reading=80)
    idle = Instructions(elapsed=2000, busy=272, reading=80)
    assert work(executed, idle) == pytest.approx(500 - 80 - 0.1 * 920)


def test_below_saturation_the_work_is_divided_by_the_frames_delivered():
    cost = sure_cost_of(sweeps_of())
    assert list(cost.whole) == [600, 2400]
    assert cost.whole[600] == pytest.approx((20_000, 20_001, 20_002))


def test_in_overload_the_work_is_split_between_delivered_and_dropped():
    cost = sure_cost_of(sweeps_of())
    assert cost.delivered == pytest.approx((20_000, 20_001, 20_002), rel=1e-3)
    assert cost.dropped == pytest.approx((4000, 4001, 4002), rel=1e-3)


def test_a_drop_after_the_nic_is_priced_apart_from_one_in_it():
    def in_nic(point):
        # Half of what was lost was lost in the NIC, which took nothing.
        lost = {
            way: replace(ledger, dropped={"nic": half, "tap": rest})
            for way in ("a_to_b", "b_to_a")
            for ledger in (getattr(point, way),)
            for half in ((ledger.offered - ledger.delivered) // 2,)
            for rest in (ledger.offered - ledger.delivered - half,)
        }
        return replace(point, **lost)

    halved = [in_nic(point) if point.rate == 40_000 else point for point in sweeps_of()]
    cost = sure_cost_of(sweeps_of())
    assert cost.in_software == pytest.approx((4000, 4001, 4002), rel=1e-3)
    cost = sure_cost_of(halved)
    assert cost.dropped == pytest.approx((4000, 4001, 4002), rel=1e-3)
    assert min(cost.in_software) > 7000


def test_loads_that_drop_the_same_share_tell_no_price_of_a_drop():
    one_load = [p for p in sweeps_of() if p.rate != 40_000]
    cost = sure_cost_of(one_load)
    assert (cost.delivered, cost.dropped) == ((), ())


def test_void_trials_and_sweeps_without_an_idle_trial_are_left_out():
    points = sweeps_of(sweeps=2)
    void = [replace(p, void="starved") if p.sweep else p for p in points]
    no_idle = [p for p in points if not (p.sweep and p.purpose == "idle")]
    for there in (void, no_idle):
        cost = sure_cost_of(there)
        assert cost.whole[600] == pytest.approx((20_000,))
        assert len(cost.dropped) == 1


def test_a_lab_that_counts_time_has_no_cost():
    assert cost_of([make_point()], make_scenario()) is None


def test_the_verdicts_compare_with_tap():
    case = case_of(sweeps_of("copy", delivered=15_000, dropped=8), sweeps_of())
    frame, drop = frame_cost.judge(case), drop_cost.judge(case)
    assert (frame.status, drop.status) == (Status.PASS, Status.PASS)
    assert frame.value == pytest.approx(0.75, rel=1e-3)
    assert drop.value == pytest.approx(0.00225, rel=1e-2)
    assert "15,001 instructions, with tap 20,001" in frame.why
    worse = case_of(sweeps_of("copy", delivered=21_000, dropped=900), sweeps_of())
    assert frame_cost.judge(worse).status is Status.FAIL
    assert drop_cost.judge(worse).status is Status.FAIL


def test_the_verdicts_are_skipped_without_instructions_or_on_tap_itself():
    for case in (
        case_of((make_point(mode="copy"),), sweeps_of()),
        case_of(sweeps_of("copy"), ()),
        case_of(sweeps_of(), sweeps_of(), mode="tap"),
    ):
        assert frame_cost.judge(case).status is Status.SKIP
        assert drop_cost.judge(case).status is Status.SKIP


def test_the_verdicts_are_void_where_most_trials_of_a_load_are():
    starved = [
        replace(p, void="starved") if p.rate == 600 and p.sweep else p
        for p in sweeps_of("copy")
    ]
    for verdict in (frame_cost, drop_cost):
        judged = verdict.judge(case_of(tuple(starved), sweeps_of()))
        assert judged.status is Status.VOID
        assert "2 of 3 trials at 600 frames/s" in judged.why


def test_the_table_is_markdown_with_a_column_per_mode_and_the_ratio():
    modes = tuple(
        ModeResult(mode=mode, points=points, verdicts=())
        for mode, points in (
            ("tap", sweeps_of()),
            ("copy", sweeps_of("copy", delivered=15_000, dropped=8)),
        )
    )
    console = Console(width=110, color_system=None)
    with console.capture() as capture:
        console.print(cost_table(make_run(modes)))
    lines = [line.strip() for line in capture.get().splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == ["frame", "tap", "copy", "copy / tap"]
    assert rows[2] == [
        "delivered, 600 frames/s",
        "20,001 (20,000 - 20,002)",
        "15,001 (15,000 - 15,002)",
        "0.750",
    ]
    assert [row[0] for row in rows[-2:]] == [
        "dropped, overload",
        "- of these, after the NIC",
    ]


def test_there_is_no_table_without_instructions():
    assert cost_table(make_run()) is None
