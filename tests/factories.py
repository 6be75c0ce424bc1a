# SPDX-License-Identifier: Apache-2.0
"""Small functions that build the project's data for tests, consistent in itself."""

from dataclasses import replace

from vhostaccel.nai.family import Congestion, FqState, Mode
from vhostaccel.nai.model import Lease
from vhostaccel.nai.stats import Stats
from vhostaccel.observe.point import CpuShares, DisturbanceResult, Hop, Ledger, Point
from vhostaccel.observe.sample import Heartbeats, Liveness
from vhostaccel.report.run import ModeResult, Run
from vhostaccel.scenario.model import (
    Action,
    Claim,
    GuestSpec,
    LabSpec,
    Scenario,
    TrafficSpec,
    VoidRule,
)
from vhostaccel.traffic.trial import (
    DirectionResult,
    FlowCount,
    GuestResult,
    Latency,
    TrialResult,
)
from vhostaccel.units import FramesPerSecond
from vhostaccel.verify.verdict import ClaimResult, Evidence, Status, Verdict

FLOOD_S = 8
CLEAN = Evidence(console_warnings=(), leftovers=())


def make_direction(
    rate: int = 600,
    egress: float | None = None,
    *,
    offered: float | None = None,
    latency: Latency | None = None,
) -> DirectionResult:
    """A direction flooded for FLOOD_S whose rates hold from start to end."""
    offered = float(rate) if offered is None else offered
    egress = offered if egress is None else egress
    sent, collected = round(offered * FLOOD_S), round(egress * FLOOD_S)
    flow = FlowCount(
        guest=0,
        flow=0,
        sent=sent,
        collected=collected,
        lost=sent - collected,
        duplicated=0,
        reordered=0,
    )
    return DirectionResult(
        intended_fps=rate,
        offered_fps=offered,
        egress_fps=egress,
        intended_count=rate * FLOOD_S,
        sent_count=sent,
        shed_count=rate * FLOOD_S - sent,
        collected_count=collected,
        lost_count=sent - collected,
        duplicated_count=0,
        reordered_count=0,
        other_count=0,
        latency=latency
        or (
            Latency(p50=2_000_000, p99=9_000_000, worst=12_000_000) if egress else None
        ),
        flows=(flow,) if rate else (),
        guests=(make_guest(offered=offered, egress=egress),),
    )


def make_guest(
    number: int = 0,
    *,
    offered: float = 600.0,
    egress: float = 600.0,
    p99_ns: int = 9_000_000,
) -> GuestResult:
    """What one direction did for one guest."""
    latency = Latency(p50=2_000_000, p99=p99_ns, worst=max(p99_ns, 12_000_000))
    return GuestResult(
        guest=number,
        offered_fps=offered,
        egress_fps=egress,
        latency=latency if egress else None,
    )


def make_lease(number: int = 1, state: FqState = FqState.RUNNING) -> Lease:
    """A lease that has done nothing yet."""
    return Lease(
        id=number,
        port_ifindex=2,
        port_queue=number,
        tap_ifindex=9,
        tap_queue=0,
        mode=Mode.COPY,
        mac="52:54:00:00:00:01",
        state=state,
        congestion=Congestion.NORMAL,
        depth=256,
        posted=256,
        low=32,
        high=128,
        stats=Stats(**dict.fromkeys(Stats.__dataclass_fields__, 0)),
    )


def make_disturbance(*failures: str, done: int = 1) -> DisturbanceResult:
    """What came of a kill."""
    return DisturbanceResult(
        action=Action.KILL, asked=1, done=done, took_s=20.5, failures=failures
    )


def make_ledger(
    result: DirectionResult,
    *,
    lost_in: dict[str, float] | None = None,
    nic_share: float | None = None,
    residual: int = 0,
) -> Ledger:
    """The ledger of a direction: what was lost, split by place; the rest by `tap`."""
    lost = result.sent_count - result.collected_count - residual
    dropped = {place: round(lost * part) for place, part in (lost_in or {}).items()}
    dropped["tap"] = dropped.get("tap", 0) + lost - sum(dropped.values())
    received = result.sent_count - dropped.get("nic", 0)
    if nic_share is not None:
        received = round(result.sent_count * nic_share)
    return Ledger(
        hops=(
            Hop(name="wire sent", frames=result.sent_count, dropped=0, source="generator"),
            Hop(name="nic received", frames=received, dropped=dropped.get("nic", 0), source="ens1 rx_packets, rx_missed"),
            Hop(name="tap delivered", frames=received - dropped["tap"], dropped=dropped["tap"], source="nfv0-0 tx_packets, tx_dropped"),
            Hop(name="wire collected", frames=result.collected_count, dropped=0, source="collector"),
        ),
        offered=result.sent_count,
        delivered=result.collected_count,
        dropped=dropped,
        residual=residual,
    )  # fmt: skip


def make_point(
    rate: int = 600,
    egress: float | None = None,
    *,
    back: float | None = None,
    offered: float | None = None,
    one_way: bool = False,
    mode: str = "tap",
    sweep: int = 0,
    purpose: str = "sweep",
    lost_in: dict[str, float] | None = None,
    nic_share: float | None = None,
    residual: int = 0,
    answered: bool = True,
    timer_late_ns: int = 4_000_000,
    drain_s: float = 0.2,
    void: str | None = None,
    disturbance: DisturbanceResult | None = None,
) -> Point:
    """A point; `egress` both ways unless `back` says otherwise for b_to_a."""
    forth_result = make_direction(rate, egress, offered=offered)
    back_result = (
        make_direction(0)
        if one_way
        else make_direction(rate, egress if back is None else back, offered=offered)
    )
    load = min(1.0, rate / 40_000)
    return Point(
        mode=mode,
        sweep=sweep,
        purpose=purpose,
        rate=rate,
        started=f"2025-01-02T03:0{sweep}:05+00:00",
        trial=TrialResult(
            a_to_b=forth_result,
            b_to_a=back_result,
            flood_s=float(FLOOD_S),
            window_s=6.0,
            drain_s=drain_s,
            drained=True,
        ),
        a_to_b=make_ledger(
            forth_result, lost_in=lost_in, nic_share=nic_share, residual=residual
        ),
        b_to_a=make_ledger(back_result, lost_in=lost_in, nic_share=nic_share),
        cpu=CpuShares(
            idle=0.2 * (1 - load),
            softirq=0.1 + 0.8 * load,
            owners={"vhost": 0.3 - 0.2 * load, "vcpu": 0.5, "ksoftirqd": 0.4 * load},
            threads={"nfv0 vcpu 0": 0.5, "nfv0:0 vhost": 0.15 - 0.1 * load},
        ),
        interrupts_per_s={"ens1-rx-0": 1200.0},
        kvm_exits_per_s=2400.0,
        liveness=Liveness(
            heartbeats={
                "nfv0": Heartbeats(
                    asked=8,
                    answered=8 if answered else 2,
                    worst_ns=40_000_000 if answered else 6_000_000_000,
                )
            },
            timer_late_worst_ns=timer_late_ns,
        ),
        generator_run_delay=0.01,
        void=void,
        disturbance=disturbance,
    )


LIVELOCK = {600: 600.0, 1200: 1180.0, 2400: 900.0, 12_000: 60.0, 40_000: 2.0}
"""Egress by offered load, as stock vhost-net shows it on one CPU."""
PLATEAU = {600: 600.0, 1200: 1200.0, 2400: 2400.0, 12_000: 5100.0, 40_000: 5000.0}
"""Egress by offered load, without the collapse."""


def make_sweeps(
    curve: dict[int, float] = LIVELOCK,
    *,
    mode: str = "tap",
    sweeps: int = 3,
    lost_in: dict[str, float] | None = None,
) -> tuple[Point, ...]:
    """Every load of a curve once per sweep; sweeps scatter by a few per cent."""
    return tuple(
        make_point(rate, egress * (1 - 0.04 * sweep), mode=mode, sweep=sweep, lost_in=lost_in)
        for sweep in range(sweeps)
        for rate, egress in curve.items()
    )  # fmt: skip


def make_scenario(
    *claims: Claim,
    rates: tuple[int, ...] = tuple(LIVELOCK),
    modes: tuple[str, ...] = ("tap",),
    name: str = "baseline/stock-vhost-net-livelocks-on-one-cpu",
) -> Scenario:
    """A scenario of the given loads and claims."""
    return Scenario(
        name=name,
        about="Stock vhost-net stops forwarding under a flood.",
        modes=modes,
        lab=LabSpec(),
        guest=GuestSpec(),
        traffic=TrafficSpec(rates=tuple(FramesPerSecond(rate) for rate in rates)),
        void=VoidRule(),
        claims=claims,
    )


def make_verdict(
    name: str = "livelock",
    status: Status = Status.PASS,
    value: float | None = 0.95,
    why: str = "egress at 40 k is 0.95 of the peak",
) -> Verdict:
    """A verdict."""
    return Verdict(name=name, status=status, value=value, limit=">= 0.9", why=why)


def make_run(
    modes: tuple[ModeResult, ...] | None = None,
    *,
    claims: tuple[ClaimResult, ...] | None = None,
    status: Status = Status.PASS,
) -> Run:
    """A run of stock vhost-net that livelocked, as the baseline claims."""
    if modes is None:
        livelock = make_verdict(
            status=Status.FAIL, value=0.002, why="egress at 40 k is 0.002 of the peak"
        )
        modes = (ModeResult(mode="tap", points=make_sweeps(), verdicts=(livelock,)),)
    if claims is None:
        claims = (
            ClaimResult(
                verdict="livelock",
                mode="tap",
                expect="< 0.25",
                status=Status.PASS,
                why="0.002 < 0.25: egress at 40 k is 0.002 of the peak",
            ),
        )
    return Run(
        scenario=replace(
            make_scenario(Claim(verdict="livelock", mode="tap", expect="< 0.25")),
            modes=tuple(result.mode for result in modes),
        ),
        environment={"kernel": "6.12.43", "QEMU": "10.0.2", "placement": "one-cpu"},
        command="vhostaccel run scenarios/baseline/stock-vhost-net-livelocks-on-one-cpu.toml",
        started="2025-01-02T03:00:00+00:00",
        duration_s=312.0,
        modes=modes,
        claims=claims,
        status=status,
        complete=True,
        why="",
    )
