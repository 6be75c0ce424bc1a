# SPDX-License-Identifier: GPL-2.0
"""A port that lends frame queues, its bridge, and guests without virtual machines.

By default the port is one of naisim; with NETIF and the other variables of
drivers/net/README.rst it is a NIC's, and frames are sent by the remote end.
"""

import json
import os
import random
import select
import subprocess
import time
from pathlib import Path

from lib.py import (
    KsftSkipEx,
    KsftXfailEx,
    NetDrvEpEnv,
    NlError,
    YnlFamily,
    cmd,
    defer,
    ip,
    ksft_eq,
    ksft_true,
)

# Known to the folder above once lib.py is there.
from net.lib.py.ynl import SPEC_PATH  # isort: skip

HERE = Path(__file__).resolve().parent
DEBUGFS = Path("/sys/kernel/debug/naisim")

# Under a kernel with detectors, or an emulated CPU, everything takes longer.
SLOW = float(os.environ.get("KSFT_SLOW", "1"))

FAULTS = ("bad_head", "double_head", "lost_head", "bad_len", "bad_header",
          "canary", "corrupt", "twice", "unlogged", "stale")


def number(name, default):
    """A size of a test that the environment may set."""
    return int(os.environ.get(name, default))


def wait_for(cond, deadline=5, sleep=0.01):
    """Return what @cond says in the end, true or not."""
    end = time.monotonic() + deadline * SLOW
    while True:
        found = cond()
        if found or time.monotonic() > end:
            return found
        time.sleep(sleep)


def refused(ask, error, sentence=""):
    """A request fails with this error and in these words. Return whether it failed."""
    try:
        ask()
    except NlError as e:
        said = (e.nl_msg.extack or {}).get("msg", "")
        ksft_eq(e.nl_msg.error, -error, e.nl_msg.extack)
        ksft_true(sentence in said, f"'{sentence}' is not in '{said}'")
        return True
    ksft_true(False, f"it was not refused: {sentence or os.strerror(error)}")
    return False


class Guest:
    """nai_guest: tap, vhost-net and both rings in one process."""

    count = 0

    def __init__(self, cfg, *options, ring=256, port=False):
        Guest.count += 1
        self.cfg = cfg
        self.name = f"naitap{Guest.count}"
        self.mac = f"02:00:5e:00:{Guest.count >> 8:02x}:{Guest.count & 255:02x}"
        args = [HERE / "nai_guest", "--tap", self.name, "--mac", self.mac,
                "--ring", ring, "--seed", random.randrange(1 << 30), *options]
        if port:
            args += ["--port", cfg.ifindex]
        self.proc = subprocess.Popen([str(arg) for arg in args],
                                     stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.cleanup = defer(self.end)
        self.read(10)
        # Else what the host says of its address there would wake the worker too. A
        # request of its own: in one with "up" it would come after that.
        ip(f"link set dev {self.name} addrgenmode none")
        ip(f"link set dev {self.name} master {cfg.bridge} up")
        self.ifindex = ip(f"link show dev {self.name}", json=True)[0]["ifindex"]
        # Else the bridge floods frames to it, and does not know where it is.
        cmd(f"bridge fdb add {self.mac} dev {self.name} master static")

    def read(self, timeout):
        """Return the next answer; of what a guest that died said, nothing is lost."""
        if not select.select([self.proc.stdout], [], [], timeout * SLOW)[0]:
            raise TimeoutError(f"guest {self.name} does not answer")
        line = self.proc.stdout.readline()
        if not line:
            raise ChildProcessError(f"guest {self.name} ended with {self.proc.wait()}")
        return json.loads(line)

    def tell(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()

    def do(self, line, timeout=10):
        """Have it do something, and return all its accounts."""
        self.tell(line)
        return self.read(timeout)

    def stats(self):
        return self.do("stats")

    def check(self, comment=""):
        """Nothing was lost, doubled, mixed up or written where it must not be."""
        stats = self.stats()
        ksft_eq({key: stats[key] for key in FAULTS if stats[key]}, {}, comment)
        return stats

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def end(self):
        if self.proc.poll() is None:
            self.proc.stdin.close()
            try:
                self.proc.wait(5 * SLOW)
            except subprocess.TimeoutExpired:
                self.kill()
        self.proc.stdout.close()


class Flood:
    """nai_flood, on the far end of the cable."""

    count = 0

    def __init__(self, cfg, guest, *options, stream=0, **limits):
        words = [cfg.flood_path, "-i", cfg.wire, "-d", guest.mac, "-s", stream,
                 "-o", Flood.count << 20, "-S", random.randrange(1 << 30), *options]
        Flood.count += 1	# no number is used twice
        words += [word for key, value in limits.items() for word in (f"-{key}", value)]
        self.proc = cfg.far(" ".join(str(word) for word in words))
        self.told = None
        if self.proc.stdout.readline() != b"ready\n":
            raise ChildProcessError(f"nai_flood: {self.proc.stderr.read()}")
        self.cleanup = defer(self.stop)

    def stop(self):
        if self.told is None:
            self.proc.terminate()
        return self.wait()

    def wait(self, timeout=60):
        """Return what it has sent."""
        if self.told is None:
            # Not communicate(): what was read with the first line would be lost.
            if self.proc.wait(timeout * SLOW):
                raise ChildProcessError(f"nai_flood: {self.proc.stderr.read()}")
            self.told = json.loads(self.proc.stdout.read())
        return self.told


class NaiEnv:
    """Port and bridge. Each test has its own, and finds nothing of another's."""

    def __init__(self, src_path):
        self.src_path = src_path
        self.sim = None
        try:
            self.ep = NetDrvEpEnv(src_path, nsim_test=False)
        except KsftXfailEx:
            self.ep = None
        self.nl = YnlFamily((SPEC_PATH / "nai.yaml").as_posix(), schema="")
        self.flood_path = str(HERE / "nai_flood")
        if self.ep:
            self.wire = self._remote_ifname()
            self.flood_path = self.ep.remote.deploy("nai_flood")

    def _remote_ifname(self):
        addr = self.ep.remote_v4 or self.ep.remote_v6
        shown = cmd(f"ip -j addr show to {addr}", host=self.ep.remote).stdout
        return json.loads(shown)[0]["ifname"]

    def far(self, comm):
        """Start a program on the far end of the cable."""
        if self.ep:
            return self.ep.remote.cmd("exec " + comm)
        return subprocess.Popen(comm.split(), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    # Ports

    def plug(self, queues=4):
        """Make a port of naisim."""
        if not DEBUGFS.exists():
            cmd("modprobe naisim")
        self.sim = random.randrange(1, 10000)
        (DEBUGFS / "new_device").write_text(f"{self.sim} {queues}")
        self.ifname, self.wire = f"naisim{self.sim}", f"naisim{self.sim}w"

    def unplug(self):
        if self.sim is not None:
            (DEBUGFS / "del_device").write_text(str(self.sim))
        self.sim = None

    @staticmethod
    def up_silent(name):
        """What the host says of its address there would wake workers."""
        # A request of its own: in one with "up" it would come after that.
        ip(f"link set dev {name} addrgenmode none")
        ip(f"link set dev {name} up")

    def setup(self, queues=4):
        """What every test begins with; undone when it ends."""
        if self.ep:
            self.ifname = self.ep.ifname
        else:
            self.plug(queues)
            defer(self.unplug)
            self.up_silent(self.wire)
        self.bridge = f"naibr{random.randrange(10000)}"
        ip(f"link add {self.bridge} type bridge mcast_snooping 0")
        # A test may have done so itself.
        defer(cmd, f"ip link del {self.bridge}", fail=False)
        self.up_silent(self.bridge)
        ip(f"link set dev {self.ifname} master {self.bridge} up")
        self.ifindex = ip(f"link show dev {self.ifname}", json=True)[0]["ifindex"]
        self.events = YnlFamily((SPEC_PATH / "nai.yaml").as_posix(), schema="")
        self.events.ntf_subscribe("events")
        self.await_link()
        return self

    def await_link(self):
        """A NIC takes a moment until it has its link again, as after its first lease."""
        carrier = Path(f"/sys/class/net/{self.ifname}/carrier")
        if self.ep:
            ksft_true(wait_for(lambda: carrier.read_text() == "1\n"), "link")

    def far_mtu(self, mtu):
        """Let the far end send longer frames."""
        host = self.ep.remote if self.ep else None
        comm = f"ip link set dev {self.wire} mtu"
        cmd(f"{comm} {mtu}", host=host)
        defer(cmd, f"{comm} 1500", host=host)
        carrier = f"cat /sys/class/net/{self.wire}/carrier"
        ksft_true(wait_for(lambda: cmd(carrier, host=host).stdout == "1\n"), "link")

    def need_sim(self):
        if self.ep:
            raise KsftSkipEx("needs a port that can be told to fail")

    def knob(self, name, value=1):
        self.need_sim()
        (DEBUGFS / str(self.sim) / name).write_text(str(value))

    def left(self, name):
        return int((DEBUGFS / str(self.sim) / name).read_text())

    def counter(self, name):
        """A counter of naisim."""
        text = (DEBUGFS / str(self.sim) / "counters").read_text()
        return int(dict(line.split() for line in text.splitlines())[name])

    def reset(self):
        if self.ep:
            # For another MTU a driver resets it, and no program is needed.
            ip(f"link set dev {self.ifname} mtu 1499")
            ip(f"link set dev {self.ifname} mtu 1500")
            self.await_link()
        else:
            self.knob("reset")

    # Leases

    def attach(self, guest, **terms):
        mac = bytes(int(part, 16) for part in guest.mac.split(":"))
        request = {"tap-ifindex": guest.ifindex, "port-ifindex": self.ifindex,
                   "mac": mac.hex(), **terms}
        told = self.nl.attach(request)
        self.await_link()
        return told

    def detach(self, guest):
        self.nl.detach({"tap-ifindex": guest.ifindex})

    def fq(self, guest):
        """The lease of a guest, or None."""
        found = [fq for fq in self.nl.fq_get({}, dump=True)
                 if fq["tap-ifindex"] == guest.ifindex]
        return found[0] if found else None

    def await_end(self, guest, comment="lease ended"):
        """Wait until nothing of a guest's lease is left."""
        ksft_true(wait_for(lambda: not self.nl_leases(guest)), comment)

    def nl_leases(self, guest):
        """How many leases a tap has, also one that is not there any more."""
        return sum(fq["tap-ifindex"] == guest.ifindex
                   for fq in self.nl.fq_get({}, dump=True))

    def leased(self):
        """How many queues of the port are on lease, or linger."""
        return next(port["leased"] for port in self.nl.port_get({}, dump=True)
                    if port["ifindex"] == self.ifindex)

    def stat(self, guest, name):
        return self.fq(guest)["stats"][name]

    def client(self, guest):
        found = [client for client in self.nl.client_get({}, dump=True)
                 if client["tap-ifindex"] == guest.ifindex]
        return found[0] if found else None

    def event(self, name, deadline=5, **wanted):
        """Wait for an event and return it; those before it are forgotten."""
        def look():
            self.events.check_ntf()
            while self.events.async_msg_queue:
                ntf = self.events.async_msg_queue.pop(0)
                if ntf["name"] == name and wanted.items() <= ntf["msg"].items():
                    return ntf["msg"]
            return None

        found = wait_for(look, deadline)
        ksft_true(found, f"event {name} {wanted}")
        return found or {}

    def refuse(self, guest, error, sentence, **terms):
        """An attach is refused, in these words."""
        if refused(lambda: self.attach(guest, **terms), error, sentence):
            ksft_eq(self.fq(guest), None)
        else:
            self.detach(guest)

    def settle(self, guest):
        """Wait until the bridge forwards again."""
        ksft_true(wait_for(lambda: Flood(self, guest, n=1, w=200).wait()["answered"]),
                  "the bridge forwards")

    def ping(self, guest, count=20, wait_ms=2000, **limits):
        """Each frame is answered, whichever way it takes."""
        flood = Flood(self, guest, n=count, w=int(wait_ms * SLOW), l=100, **limits)
        told = flood.wait(60 + count * wait_ms / 1000)
        ksft_eq(told["answered"], count, "answered")
        return told
