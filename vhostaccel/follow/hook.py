# SPDX-License-Identifier: Apache-2.0
"""What libvirt's hook starts: a guest's follower, or the end of one.

``python -m vhostaccel.follow.hook TIME GUEST STEP ...`` with the domain's XML on standard
input: ``hook.sh`` adds the time to what libvirt calls its hooks with. libvirt does not
wait for it. It must not talk to libvirt.
"""

import contextlib
import logging
import logging.handlers
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from vhostaccel.follow.follower import Follower
from vhostaccel.follow.seat import Seats
from vhostaccel.guard.client import Guard
from vhostaccel.nai.client import KernelNai
from vhostaccel.nai.domain import read_domain
from vhostaccel.nai.netdevs import Netdevs

_LOG = Path("/var/log/vhostaccel/libvirt.log")
_SYSLOG = Path("/dev/log")
_END_TIMEOUT_S = 8.0
"""A signal that comes just before the follower waits is seen when it has waited."""
_BEGIN = ("started", "now")
"""Steps that put a new follower in the place of an old one."""
_AGAIN = ("reconnect",)
"""libvirt itself was started anew: the follower may well be there."""
_END = ("stopped", "release")


def start(guest: str, xml: str) -> None:
    """Follow a running guest from now on, in a process of its own."""
    now = f"{boot_time():.2f}"
    argv = (sys.executable, "-I", "-m", "vhostaccel.follow.hook", now, guest, "now")
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(xml)
    process.stdin.close()
    process.returncode = 0  # it is to outlive us; nobody waits for it


def boot_time() -> float:
    """Return the time on the clock that orders steps [s], that of /proc/uptime."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def handle(
    step: str, step_s: float, xml: str, seats: Seats, log: logging.Logger
) -> None:
    """Do what a step of a guest's life asks for.

    Args:
        step: libvirt's name of it.
        step_s: when it was [s, boot time].
        xml: the domain's XML.
        seats: the places of followers.
        log: gets a line for each change.
    """
    domain = read_domain(xml)
    if step in _END:
        seats.end(domain.uuid, step_s=step_s, timeout_s=_END_TIMEOUT_S)
        return
    if step not in _BEGIN + _AGAIN:
        return
    if domain.wish_error is not None:
        log.error("%s: %s", domain.name, domain.wish_error)
    if not domain.wished():
        return
    seat = seats.take(
        domain.uuid,
        step_s=step_s,
        replace=step in _BEGIN,
        timeout_s=_END_TIMEOUT_S,
    )
    if seat is None:
        return
    try:
        Follower(
            domain,
            pid=os.getpid(),
            connect=KernelNai,
            netdevs=Netdevs(),
            guard=Guard(),
            was_left=seat.was_left,
            say=seat.say,
            log=log.info,
            insist=step == "now",
        ).run()
    finally:
        seat.leave()


def main(arguments: list[str]) -> None:
    """Entry point; whatever happens, libvirt is not told."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log = _logger()
    when, guest, step = arguments[:3]
    with contextlib.suppress(PermissionError):  # raised where we lead a session already
        os.setsid()
    try:
        handle(step, float(when), sys.stdin.read(), Seats(), log)
    except Exception:
        log.exception("%s %s", guest, step)


def _logger() -> logging.Logger:
    log = logging.getLogger("vhostaccel")
    log.setLevel(logging.INFO)
    if _SYSLOG.exists():
        syslog = logging.handlers.SysLogHandler(str(_SYSLOG))
        syslog.setFormatter(logging.Formatter("vhostaccel[%(process)d]: %(message)s"))
        log.addHandler(syslog)
    try:
        _LOG.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(_LOG)
    except OSError:
        return log
    file.setFormatter(logging.Formatter("%(asctime)s [%(process)d] %(message)s"))
    log.addHandler(file)
    return log


if __name__ == "__main__":
    main(sys.argv[1:])
