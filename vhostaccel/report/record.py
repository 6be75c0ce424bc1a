# SPDX-License-Identifier: Apache-2.0
"""``record.json``: all that is known of a run, written once and read again.

``docs/record.md`` describes the format. A point's headline figures stand where a
reader looks for them; ``_MOVES`` says from where in the model they come, so that
each figure is written once and a record reads back as the same run.
"""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vhostaccel.codec import CodecError, from_plain, to_plain
from vhostaccel.errors import UsageError
from vhostaccel.lab.storage import write_atomic
from vhostaccel.observe.point import Point
from vhostaccel.report.run import ModeResult, Run
from vhostaccel.verify.curve import peak_fps

SCHEMA = "vhostaccel-record/1"
FILE_NAME = "record.json"

_WAYS = ("a_to_b", "b_to_a")
_MOVES: dict[tuple[str, str], tuple[str, ...]] = {
    **{("egress_fps", way): ("trial", way, "egress_fps") for way in _WAYS},
    **{("hops", way): (way, "hops") for way in _WAYS},
    **{("latency_ns", way): ("trial", way, "latency") for way in _WAYS},
}
_RUN_FIRST = ("environment", "scenario", "command", "started", "duration_s")
_RUN_LAST = ("left_out", "claims", "status", "complete", "why")


def to_record(run: Run) -> dict[str, Any]:
    """Return the run as ``record.json`` holds it."""
    plain = to_plain(run)
    return {
        "schema": SCHEMA,
        **{key: plain[key] for key in _RUN_FIRST},
        "modes": [_mode_record(result) for result in run.modes],
        **{key: plain[key] for key in _RUN_LAST},
    }


def from_record(record: dict[str, Any]) -> Run:
    """Return the run that ``to_record`` made the record of.

    Raises:
        CodecError: If the record is not of this schema, or damaged.
    """
    found = record.get("schema")
    if found != SCHEMA:
        raise CodecError(f"its schema is {found!r}; this version reads {SCHEMA!r}")
    plain = {key: value for key, value in record.items() if key != "schema"}
    try:
        plain["modes"] = [_plain_mode(mode) for mode in plain["modes"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise CodecError(f"its modes are damaged at {error}") from None
    return from_plain(Run, plain)


def write_record(run: Run, folder: Path) -> Path:
    """Write the run's record into its folder; it is either whole or not there.

    Raises:
        StorageError: If it cannot be written.
    """
    path = folder / FILE_NAME
    # One level of points per line would be thousands of lines; indent 1 keeps diffs
    # readable at a few hundred kB.
    text = json.dumps(to_record(run), indent=1, allow_nan=False) + "\n"
    write_atomic(path, text.encode())
    return path


def read_record(path: Path) -> Run:
    """Read a run from its record, or from the folder that holds it.

    Raises:
        UsageError: If there is no record, or it cannot be understood.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise CodecError("it is no JSON object")
        return from_record(record)
    except OSError as error:
        raise UsageError(
            f"cannot read the record {file}: {error.strerror}", hint=_nearest(path)
        ) from None
    except (CodecError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} is no record of a run: {error}",
            hint="give the folder of a run, or run the scenario again",
        ) from None


def _nearest(path: Path) -> str:
    folder = path.parent
    there = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    close = get_close_matches(path.name, there, n=1)
    if close and close[0] != path.name:
        return f"did you mean {folder / close[0]}?"
    return f"`ls {folder}` shows what is there; runs are kept under runs/"


def _mode_record(result: ModeResult) -> dict[str, Any]:
    return {
        "mode": result.mode,
        "peak_fps": peak_fps(result.points),
        "verdicts": to_plain(result.verdicts),
        "idle_rtts_ns": to_plain(result.idle_rtts_ns),
        "points": [_point_record(point) for point in result.points],
    }


def _point_record(point: Point) -> dict[str, Any]:
    plain = to_plain(point)
    first: dict[str, Any] = {
        "rate": plain.pop("rate"),
        "offered_fps": point.offered_fps,
    }
    for (figure, way), (*outer, key) in _MOVES.items():
        first.setdefault(figure, {})[way] = _inside(plain, outer).pop(key)
    return {**first, "cpu": plain.pop("cpu"), **plain}


def _plain_mode(mode: dict[str, Any]) -> dict[str, Any]:
    return {
        "mode": mode["mode"],
        "points": [_plain_point(point) for point in mode["points"]],
        "verdicts": mode["verdicts"],
        "idle_rtts_ns": mode.get("idle_rtts_ns", []),
    }


def _plain_point(record: dict[str, Any]) -> dict[str, Any]:
    derived = {"offered_fps", *(figure for figure, _ in _MOVES)}
    # Copied as deep as it is changed: the caller's record stays as it was.
    plain = {key: value for key, value in record.items() if key not in derived}
    for way in _WAYS:
        plain[way] = dict(plain[way])
    plain["trial"] = {
        key: dict(value) if isinstance(value, dict) else value
        for key, value in plain["trial"].items()
    }
    for (figure, way), (*outer, key) in _MOVES.items():
        _inside(plain, outer)[key] = record[figure][way]
    return plain


def _inside(plain: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    for key in keys:
        plain = plain[key]
    return plain
