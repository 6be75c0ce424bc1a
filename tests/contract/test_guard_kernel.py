# SPDX-License-Identifier: Apache-2.0
"""The guard in the running kernel, on veth and taps in name spaces of its own.

Skipped where BPF programs cannot be loaded, with the reason.
"""

import subprocess
from pathlib import Path

import pytest

from tests import guard_scenes as scenes
from vhostaccel.errors import VhostAccelError
from vhostaccel.guard.build import find_object, provide_object
from vhostaccel.guard.datapath import KernelDatapath, can_cast
from vhostaccel.guard.stage import on_stage

PROJECT = Path(__file__).resolve().parents[2]
_PLAY = (
    "import sys; from tests import guard_scenes as scenes; "
    "getattr(scenes, sys.argv[1])(*sys.argv[2:])"
)
DATAPATH = (
    scenes.full_ring_is_left_alone,
    scenes.reader_has_a_quarter_left_before_frames_come_again,
    scenes.nothing_is_dropped_unless_engaged,
    scenes.engagement_expires,
    scenes.paused_guest_is_probed_and_goes_on_at_once,
    scenes.killed_guest_leaves_no_trace,
    scenes.reopened_tap_gets_frames_within_the_bound,
    scenes.resized_ring_has_marks_of_its_own,
    scenes.neighbour_gets_every_frame,
    scenes.queue_with_room_keeps_its_flow,
    scenes.tagged_frames_are_guarded,
    scenes.broadcast_storm_is_policed,
    scenes.second_program_is_refused,
)
PROBED = (
    scenes.full_ring_is_left_alone,
    scenes.killed_guest_leaves_no_trace,
    scenes.reopened_tap_gets_frames_within_the_bound,
    scenes.queue_with_room_keeps_its_flow,
)
"""Where it matters how a ring is read."""
KEEPER = (
    scenes.keeper_keeps_tells_and_ends,
    scenes.keeper_drops_a_guest_that_is_gone,
    scenes.killed_keeper_leaves_the_wire_open,
    scenes.stopped_keeper_lets_all_pass,
    scenes.refusals_name_what_is_wrong,
    scenes.auto_takes_the_guard_where_the_kernel_lets_it,
)


def play(scene, *arguments):
    """Run a scene in name spaces of its own; what it prints is its failure."""
    done = subprocess.run(
        on_stage("-c", _PLAY, scene, *arguments),
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def _loads():
    """Skip where the guard cannot be had, and say why."""
    if why := scenes.can_run():
        pytest.skip(why)
    try:
        provide_object(print)
        KernelDatapath(find_object()).close()
    except VhostAccelError as error:
        pytest.skip(f"the guard cannot be loaded here: {error.what}")
    namespaces = ("unshare", "--net", "--mount", "--pid", "--fork", "true")
    if subprocess.run(namespaces, capture_output=True, check=False).returncode:
        pytest.skip("name spaces cannot be made here")


@pytest.mark.parametrize("scene", DATAPATH, ids=lambda scene: scene.__name__)
def test_datapath(scene):
    play(scene.__name__, "cast" if can_cast() else "probe")


@pytest.mark.parametrize("scene", PROBED, ids=lambda scene: scene.__name__)
def test_datapath_as_on_kernels_before_6_2(scene):
    play(scene.__name__, "probe")


@pytest.mark.parametrize("scene", KEEPER, ids=lambda scene: scene.__name__)
def test_keeper(scene):
    play(scene.__name__, "either")
