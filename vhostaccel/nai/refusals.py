# SPDX-License-Identifier: Apache-2.0
"""What to do about each refusal of the kernel.

The kernel says why in a sentence; this file adds the way out. The first rule whose words
are in that sentence gives it; a contract test holds that every sentence has one.
"""

import errno
import os
import re

from pyroute2.netlink.exceptions import NetlinkError

from vhostaccel.errors import NaiError

_LIST = "`vhostaccel list` shows all leases"


def _bypassed(what: str, instead: str) -> str:
    return (
        f"{instead}; `--force` attaches it, and {what} then misses the guest's frames"
    )


_RULES: tuple[tuple[str, str], ...] = (
    (
        r"cannot write to the guest's own buffers|DMA does not reach",
        "`--mode copy` works with this port",
    ),
    # Host policy, which an attach would bypass: only these yield to --force.
    (
        r"has qdisc",
        _bypassed(
            "that qdisc",
            "a <bandwidth> of the guest's interface is one: `virsh domiftune`",
        ),
    ),
    (r"has tc (in|e)gress filters", _bypassed("the filter", "`tc filter show` has it")),
    (r"has an XDP program", _bypassed("the program", "`ip link` shows it")),
    (
        r"has netfilter (in|e)gress rules",
        _bypassed("the rules", "`nft list ruleset` has them"),
    ),
    (
        r"filters bridged frames",
        _bypassed(
            "that filter",
            "nwfilter, ebtables, nft's family bridge and br_netfilter (Docker loads "
            "it) do that",
        ),
    ),
    (
        r"filters VLAN|drops untagged frames",
        _bypassed("the bridge's VLAN filter", "`bridge vlan` shows both ports"),
    ),
    (
        r"floods no unicast to port|floods to \S+ and does not learn|learns no addresses",
        "without `--tx` the guest sends through the bridge; with it nobody could tell "
        "who is on the wire: `bridge -d link`, `ip -d link`; `--force` sends nevertheless",
    ),
    (
        r"frame queues of this port do not send",
        "without `--tx` the guest sends through the bridge",
    ),
    (
        r"isolated from each other|locked bridge port",
        _bypassed("that setting", "`bridge -d link` shows it"),
    ),
    (
        r"(bridge|tap) \S+ is down|does not forward from port",
        _bypassed(
            "whoever shut it",
            "the guest's tap path is shut, by `ip link`, `bridge link` or STP",
        ),
    ),
    (
        r"not ports of the same bridge",
        _bypassed("whatever is between them", "choose a port beside it: `bridge link`"),
    ),
    (
        r"MAC \S+ is behind",
        "the address is another machine's, or the guest's traffic has come in by a "
        "loop: `bridge fdb`; `--force` takes its frames nevertheless",
    ),
    (
        r"MTU \d+ is above|MTU %u is above",
        "longer frames would not reach the guest: `ip link set TAP mtu 1500`; "
        "`--force` attaches it, and the hardware drops them",
    ),
    # Addresses.
    (
        r"not a unicast address",
        "a lease is for one guest's own address; groups stay on the tap",
    ),
    (
        r"MAC \S+ is (port|bridge) |port itself\b.*has this MAC",
        "`--mac` is the guest's own address: `virsh domiflist GUEST`",
    ),
    (
        r"already leased",
        f"two guests with one address cannot both have a lease; {_LIST}",
    ),
    (r"cannot match the MAC|MAC filters are all in use", f"free one; {_LIST}"),
    # Queues and ports.
    (
        r"frame queues .*on lease|no queue to lend",
        f"detach another guest, or use another port; {_LIST}",
    ),
    (
        r"no driver lends",
        "`vhostaccel list` names the ports that do; the NIC needs the project's driver: "
        "`vhostaccel kmod build`",
    ),
    (
        r"virtual functions exclude",
        "`echo 0 > /sys/class/net/PORT/device/sriov_numvfs` ends them",
    ),
    (r"MTU above 1500", "`ip link set PORT mtu 1500`"),
    (r"rx-all", "`ethtool -K PORT rx-all off`"),
    (
        r"suspended or in error|does not resume|could not start|cannot get interrupts|"
        r"by DMA|driver is being unloaded",
        "`dmesg` has more about the port; `ip link set PORT down`, then `up`",
    ),
    (r"network namespace", "a lease connects devices of one name space: `ip netns`"),
    (r"not: low", "the marks of the stock are wrong"),
    # The guest.
    (
        r"lease already|attach of this tap is under way",
        f"one lease a queue: `vhostaccel detach` it first to move it; {_LIST}",
    ),
    (r"has no lease", f"its frames come through the tap; {_LIST}"),
    (
        r"negotiated features",
        "its driver uses what frame queues cannot serve, such as a vIOMMU; it stays "
        "on its tap",
    ),
    (
        r"not answer in time|does not let go",
        "the guest is stopped or stalled: `virsh domstate`; a suspended guest goes on "
        "with `virsh resume`",
    ),
    (
        r"went away|gone away|not this tap as its backend",
        f"it changed meanwhile: try again; {_LIST}",
    ),
    (
        r"backend|vhost|virtqueue",
        "the guest's driver must be up, and its interface a tap on vhost-net "
        "(<driver name='vhost'/>) of the project's modules",
    ),
)
_BY_CODE = {
    errno.EPERM: "run it as root, with sudo",
    errno.EACCES: "run it as root, with sudo",
    errno.ENOMEM: "the host is out of memory: `free -m`",
}
_ELSE = "see `dmesg`, and docs/operating.md, 'What is refused, and why'"


def refused(what: str, error: NetlinkError) -> NaiError:
    """Return the kernel's refusal as an error with a hint.

    Args:
        what: what was asked for: ``attach``.
        error: as netlink brought it; its text is the kernel's sentence if it sent one.
    """
    said = str(error.args[1])
    name = errno.errorcode.get(error.code, str(error.code))
    own = "" if said == os.strerror(error.code) else f" ({name})"
    return NaiError(
        f"the kernel refused to {what}: {said}{own}",
        hint=hint_for(error.code, said),
        code=error.code,
    )


def hint_for(code: int, said: str) -> str:
    """Return what the reader can do about a refusal.

    Args:
        code: the kernel's error number.
        said: its sentence, or the usual words of that number.
    """
    for words, hint in _RULES:
        if re.search(words, said, re.IGNORECASE):
            return hint
    return _BY_CODE.get(code, _ELSE)


def is_known(said: str) -> bool:
    """Say whether a sentence of the kernel has a hint of its own."""
    return hint_for(0, said) is not _ELSE
