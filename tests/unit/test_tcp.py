# SPDX-License-Identifier: Apache-2.0
"""TCP through the guest: the parts that need no lab."""

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.unit.test_ledger import IDLE_GUEST, ZERO, counts, make_sample
from vhostaccel.cli import tcp as command
from vhostaccel.errors import TrafficError, UsageError
from vhostaccel.observe.sample import LeaseCounts
from vhostaccel.tcp import streams
from vhostaccel.tcp.cells import cells_of
from vhostaccel.tcp.model import (
    LinkCounts,
    Received,
    Receiving,
    Sending,
    Sent,
    Stream,
    TcpRun,
    TcpSpec,
    TcpTrial,
    VoidRule,
    Way,
)
from vhostaccel.tcp.pump import Pump, whole_frames
from vhostaccel.tcp.report import markdown, to_record
from vhostaccel.tcp.share import CpuTimes, cpu_times, foreign_share
from vhostaccel.tcp.trial import Seen, made, void_reason
from vhostaccel.traffic.trial import Moments
from vhostaccel.traffic.wire import Wire

TAP_ON, TAP_OFF, COPY = TcpSpec().ways
QUIET = LinkCounts(sent=0, received=0, shed=0)


def framed(*frames):
    return b"".join(struct.pack(">I", len(frame)) + frame for frame in frames)


def make_trial(way=COPY, turn=0, goodput=10.0, count=1, **changes):
    stream = Stream(
        goodput_mbps=goodput / count, retransmits=1, segments=100, rtt_us=9, cwnd=10
    )
    trial = TcpTrial(
        way=way, streams=(stream,) * count, turn=turn, attempt=0, window_s=7.0,
        goodput_mbps=goodput, retransmits=count, segments=100 * count,
        segments_per_frame_in=1.0, segments_per_frame_out=1.0, lost_in_nic=0,
        lost_in_tap=0, sent_frames=1000, shed_frames=0, foreign_share=0.0,
        lab_run_delay=0.0, void=None,
    )  # fmt: skip
    return replace(trial, **changes)


def make_run(*trials, **spec):
    return TcpRun(
        spec=TcpSpec(**spec), environment={"machine": "a machine"}, command="tcp-test",
        started="2026-11-21T00:00:00+00:00", duration_s=1.0, trials=trials,
        left_over=(), warnings=(), complete=True,
    )  # fmt: skip


def test_tap_runs_with_and_without_gro_and_copy_once():
    assert [way.name for way in TcpSpec().ways] == [
        "tap, GRO on",
        "tap, GRO off",
        "copy",
    ]


def test_frames_are_found_up_to_the_one_that_is_cut():
    stream = memoryview(framed(b"one", b"three") + framed(b"cut")[:-1])
    found = [bytes(stream[begins:ends]) for begins, ends in whole_frames(stream)]
    assert found == [b"one", b"three"]


@pytest.fixture
def pump():
    tap, tap_peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    wire, wire_peer = socket.socketpair()
    with tap, tap_peer, wire, wire_peer:
        for end in (tap, tap_peer, wire_peer):
            end.setblocking(False)
        yield Pump(tap.fileno(), Wire("A", wire)), tap_peer, wire_peer


def test_pump_carries_frames_from_the_wire_to_the_tap(pump):
    carrier, tap, wire = pump
    stream = framed(b"a" * 60, b"b" * 1514)
    wire.send(stream[:100])
    carrier.turn(0)
    assert tap.recv(4096) == b"a" * 60
    wire.send(stream[100:])
    carrier.turn(0)
    assert tap.recv(4096) == b"b" * 1514


def test_pump_loses_no_frame_on_a_wire_that_dawdles(pump):
    carrier, tap, wire = pump
    frames = [bytes([number % 256]) * 1514 for number in range(600)]
    came, sent = b"", 0
    deadline = time.monotonic() + 10
    while len(came) < len(framed(*frames)) and time.monotonic() < deadline:
        with suppress(BlockingIOError):
            while sent < len(frames):
                tap.send(frames[sent])
                sent += 1
        carrier.turn(1)
        with suppress(BlockingIOError):
            came += wire.recv(10_000)
    assert came == framed(*frames)


def test_tcp_info_is_read_where_the_kernel_puts_it():
    # Of a real socket: it has sent nothing again, and has a window.
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as end,
    ):
        accepted = server.accept()[0]
        end.send(b"x")
        assert accepted.recv(1) == b"x"
        data = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        accepted.close()
    info = streams.tcp_info(data)
    assert info.retransmits == 0
    assert info.segments == 1
    assert info.cwnd >= 1
    assert 0 < info.rtt_us < 10_000_000


def test_streams_deliver_what_is_counted():
    listening = streams.listen("127.0.0.1", 3)
    made_ = streams.connect("127.0.0.1", listening.getsockname()[1], 3, 5.0)
    with listening:
        accepted = streams.accept(listening, 3, time.monotonic_ns() + 10**9)
    begins = time.monotonic_ns() + 10_000_000
    moments = Moments(
        begins_ns=begins, opens_ns=begins + 100_000_000, closes_ns=begins + 300_000_000
    )
    said = []
    sender = threading.Thread(target=lambda: said.append(streams.send(made_, moments)))
    sender.start()
    received = streams.receive(accepted, moments)
    sender.join()
    assert received.window_ns == pytest.approx(200_000_000, rel=0.5)
    assert {s.port for s in said[0].streams} == {s.port for s in received.streams}
    assert all(stream.octets > 0 for stream in received.streams)


def test_a_stream_too_few_is_said():
    with (
        streams.listen("127.0.0.1", 1) as listening,
        pytest.raises(TrafficError, match="0 of 1"),
    ):
        streams.accept(listening, 1, 0)


def test_others_share_is_what_neither_we_nor_nobody_had(tmp_path):
    (tmp_path / "stat").write_text("cpu  100 10 50 900 5 3 2 7 0 0\n")
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "stat").write_text(
        "42 (a (b) c) S " + " ".join(map(str, range(4, 30)))
    )
    times = cpu_times([42], tmp_path)
    assert times.busy == 172
    assert times.ours == 14 + 15  # utime and stime are the 14th and 15th field
    later = CpuTimes(
        at_ns=times.at_ns + 2_000_000_000,
        busy=times.busy + 300,
        ours=times.ours + 260,
    )
    assert foreign_share(times, later, cpus=2, ticks_per_s=100) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("shed", "foreign", "said"),
    [(1, 0.1, None), (2, 0.0, "dropped 2 of 1000"), (0, 0.11, "others had 11%")],
)
def test_a_trial_is_void_by_the_rule(shed, foreign, said):
    reason = void_reason(VoidRule(), frames=1000, shed=shed, foreign=foreign)
    assert str(said) in str(reason)


def test_a_trial_is_put_together_by_port_and_by_difference():
    guest = replace(
        IDLE_GUEST,
        interfaces=(
            counts(rx_packets=50),
            counts(tx_packets=25),
        ),
    )
    lease = LeaseCounts(rx_packets=60, rx_drops=5, starved=0, irqs=0)
    nothing = LeaseCounts(rx_packets=0, rx_drops=0, starved=0, irqs=0)
    before = replace(
        make_sample(ZERO, {"nfv0": IDLE_GUEST}), leases={"nfv0-0": nothing}
    )
    after = replace(make_sample(ZERO, {"nfv0": guest}), leases={"nfv0-0": lease})
    trial = made(
        COPY, 0, 0,
        Receiving(
            window_ns=2_000_000_000,
            streams=(Received(port=2, octets=500_000), Received(port=1, octets=250_000)),
        ),
        Sending(
            streams=tuple(
                Sent(port=port, retransmits=port, segments=400, rtt_us=1, cwnd=1)
                for port in (1, 2)
            )
        ),
        Seen(sample=before, a=QUIET, b=QUIET),
        Seen(
            sample=after,
            a=LinkCounts(sent=70, received=30, shed=0),
            b=LinkCounts(sent=30, received=50, shed=0),
        ),
        foreign=0.0, delay=0.0, rule=VoidRule(),
    )  # fmt: skip
    assert [stream.goodput_mbps for stream in trial.streams] == [1.0, 2.0]
    assert (trial.goodput_mbps, trial.retransmits) == (3.0, 3)
    assert (trial.segments_per_frame_in, trial.segments_per_frame_out) == (1.0, 2.0)
    assert trial.lost_in_nic == 5
    assert trial.void is None


def test_void_trials_are_left_out_and_ratios_are_by_turn():
    run = make_run(
        make_trial(TAP_ON, 0, 40.0), make_trial(TAP_ON, 1, 20.0),
        make_trial(COPY, 0, 10.0), make_trial(COPY, 1, 99.0, void="shed"),
        make_trial(COPY, 1, 20.0),
    )  # fmt: skip
    on, copy = cells_of(run)
    assert on.ratios == ()
    assert (copy.trials, copy.void) == (2, 1)
    assert copy.goodput_mbps is not None
    assert (copy.goodput_mbps.median, copy.goodput_mbps.greatest) == (15.0, 20.0)
    (ratio,) = copy.ratios
    assert ratio.over == "tap, GRO on"
    assert (ratio.of_medians, ratio.least, ratio.greatest) == (0.5, 0.25, 1.0)


def test_a_cell_of_void_trials_has_no_figures():
    (cell,) = cells_of(make_run(make_trial(void="shed")))
    assert cell.goodput_mbps is None
    assert "| 1 | copy | - | - |" in markdown(make_run(make_trial(void="shed")))


def test_the_record_has_summary_and_trials():
    record = to_record(make_run(make_trial(), make_trial(TAP_OFF)))
    assert record["schema"] == "vhostaccel-tcp/1"
    assert len(record["trials"]) == len(record["summary"]) == 2


@pytest.mark.parametrize("text", ["0", "1,x", "", "65", "1,,8"])
def test_bad_numbers_of_streams_are_refused(text):
    with pytest.raises(UsageError):
        command._counts(text)


def test_a_mode_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="warp"):
        command._modes("tap,warp")


def test_a_way_is_named_for_what_differs():
    assert Way(mode="tap", gro=False).name == "tap, GRO off"
