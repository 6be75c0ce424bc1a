# SPDX-License-Identifier: Apache-2.0
"""What is done to a host, what is refused, and that all of it is undone on a failure."""

from pathlib import Path

import pytest

from tests.kernel_part import make_kmod, make_source, write_files
from vhostaccel.command import Finished, shown
from vhostaccel.errors import ProvideError, SetupError
from vhostaccel.kmod.install import dkms_status, install_steps, remove_steps
from vhostaccel.kmod.inuse import module_uses
from vhostaccel.kmod.package import describe_package, dkms_conf
from vhostaccel.kmod.steps import Step, carry_out
from vhostaccel.kmod.target import (
    Target,
    require_installable,
    require_reloadable,
    require_root,
)

KERNEL = "6.12.117+deb12-amd64"
SOURCES = "usr/src/vhostaccel-0.1.0"
FORCED = "usr/share/dkms/modules_to_force_install/vhostaccel"
HOOK = "etc/initramfs-tools/hooks/vhostaccel"


class FakeSystem:
    """Runs nothing; knows what DKMS, initramfs-tools and modprobe would have done."""

    def __init__(self, root: Path, *, fails_at: str = "") -> None:
        self.root = root
        self.ran: list[str] = []
        self.states: dict[str, str] = {}
        self.fails_at = fails_at

    def __call__(self, argv, *, hint, timeout_s=0.0, check=True):
        line = shown(argv)
        if self.fails_at and self.fails_at in line:
            self.fails_at = ""
            if check:
                raise ProvideError(f"`{line}` ended with 1", hint=hint)
            return Finished(argv=tuple(argv), status=1, output="cc: error: broken\n")
        if argv[:2] == ["dkms", "status"]:
            return Finished(argv=tuple(argv), status=0, output=self._status())
        self.ran.append(line)
        if argv[0] == "dkms":
            self._dkms(argv[1])
        if argv[0] == "update-initramfs":
            (self.root / f"boot/initrd.img-{KERNEL}").write_text(line * len(self.ran))
        return Finished(argv=tuple(argv), status=0, output="")

    def _dkms(self, verb: str) -> None:
        if verb == "remove":
            self.states = {}
        else:
            state = {"add": "added", "install": "installed"}.get(verb, "built")
            self.states["0.1.0"] = state

    def _status(self) -> str:
        lines = []
        for version, state in self.states.items():
            where = "" if state == "added" else f", {KERNEL}, x86_64"
            lines.append(f"vhostaccel/{version}{where}: {state}\n")
        return "".join(lines)


def make_host(root: Path, *, user: int = 0, fails_at: str = "") -> Target:
    write_files(
        root,
        {
            "usr/sbin/dkms": "",
            "usr/sbin/update-initramfs": "",
            "etc/initramfs-tools/modules": "",
            f"boot/initrd.img-{KERNEL}": "archive",
            f"lib/modules/{KERNEL}/build/Makefile": "",
        },
    )
    system = FakeSystem(root, fails_at=fails_at)
    return Target(kernel=KERNEL, root=root, run=system, running=KERNEL, user=user)


def load(root: Path, name: str, *, taint: str = "", refcnt: int = 0, **links: str):
    folder = f"sys/module/{name}"
    files = {"initstate": "live\n", "taint": f"{taint}\n", "refcnt": f"{refcnt}\n"}
    write_files(root, {f"{folder}/{file}": text for file, text in files.items()})
    for holder in links:
        write_files(root, {f"{folder}/holders/{holder}": ""})


def install(target: Target, folder: Path, *, reload: bool = False) -> list[str]:
    part, source = make_kmod(folder / "kmod"), make_source(folder / "source")
    package = describe_package(part, "6.12.117-1~deb12u1")
    steps = install_steps(target, package, part, source, reload=reload)
    said: list[str] = []
    carry_out(steps, said.append)
    return said


def system_of(target: Target) -> FakeSystem:
    assert isinstance(target.run, FakeSystem)
    return target.run


def test_an_installation_leaves_sources_and_asks_dkms_for_the_rest(tmp_path):
    target = make_host(tmp_path / "root")
    install(target, tmp_path)
    assert system_of(target).ran == [
        "dkms add vhostaccel/0.1.0",
        f"dkms build vhostaccel/0.1.0 -k {KERNEL}",
        f"dkms install vhostaccel/0.1.0 -k {KERNEL}",
        f"update-initramfs -u -k {KERNEL}",
    ]
    sources = target.root / SOURCES
    assert 'PACKAGE_VERSION="0.1.0"' in (sources / "dkms.conf").read_text()
    assert "int hook;" in (sources / "drivers/vhost/net.c").read_text()
    assert (target.root / FORCED).read_text() == "vhostaccel_version-override\n"
    assert (target.root / HOOK).stat().st_mode & 0o111 == 0o111


def test_installing_again_does_nothing_and_other_sources_are_refused(tmp_path):
    target = make_host(tmp_path / "root")
    install(target, tmp_path)
    assert install(target, tmp_path) == []
    (target.root / SOURCES / "vhostaccel.json").write_text("{}")
    with pytest.raises(SetupError, match="other sources"):
        install(target, tmp_path)


@pytest.mark.parametrize(
    "fails_at", ["dkms add", "dkms build", "dkms install", "update-initramfs"]
)
def test_whatever_fails_the_host_is_as_before(tmp_path, fails_at):
    target = make_host(tmp_path / "root", fails_at=fails_at)
    with pytest.raises(ProvideError):
        install(target, tmp_path)
    assert not (target.root / SOURCES).exists()
    assert not (target.root / FORCED).parent.exists()
    assert not (target.root / HOOK).exists()
    assert dkms_status(target) == {}


def test_a_failed_build_quotes_the_compiler(tmp_path):
    target = make_host(tmp_path / "root", fails_at="dkms build")
    with pytest.raises(ProvideError, match="cc: error: broken"):
        install(target, tmp_path)


def test_an_interrupt_undoes_what_was_begun_last_first():
    done: list[str] = []

    def interrupted() -> None:
        raise KeyboardInterrupt

    steps = [
        Step(what="a", do=lambda: done.append("a"), undo=lambda: done.append("not a")),
        Step(what="b", do=interrupted, undo=lambda: done.append("not b")),
        Step(what="c", do=lambda: done.append("c"), undo=lambda: done.append("not c")),
    ]
    with pytest.raises(KeyboardInterrupt):
        carry_out(steps, lambda line: None)
    assert done == ["a", "not b", "not a"]


def test_what_cannot_be_undone_is_told_beside_what_failed():
    def fails() -> None:
        raise ProvideError("no space", hint="make some")

    def cannot() -> None:
        raise ProvideError("dkms is gone", hint="install it")

    with pytest.raises(ProvideError, match=r"(?s)no space.*dkms is gone"):
        carry_out([Step(what="x", do=fails, undo=cannot)], lambda line: None)


def test_a_boot_archive_is_made_anew_after_the_kernels_own_modules_are_back(tmp_path):
    load(tmp_path / "root", "igb")
    target = make_host(tmp_path / "root", fails_at="modprobe -r")
    with pytest.raises(ProvideError):
        install(target, tmp_path, reload=True)
    ran = system_of(target).ran
    assert ran.index("dkms remove vhostaccel/0.1.0 --all") < len(ran) - 2
    assert ran[-2:] == [f"update-initramfs -u -k {KERNEL}", "modprobe -a igb"]


def test_a_removal_takes_back_everything_and_may_be_repeated(tmp_path):
    target = make_host(tmp_path / "root")
    before = sorted(target.root.rglob("*"))
    install(target, tmp_path)
    carry_out(remove_steps(target, reload=False), lambda line: None)
    left = set(target.root.rglob("*")) - set(before)
    assert all(path.is_dir() for path in left)
    assert system_of(target).ran[-2:] == [
        "dkms remove vhostaccel/0.1.0 --all",
        f"update-initramfs -u -k {KERNEL}",
    ]
    assert remove_steps(target, reload=False) == []


def test_reloading_unloads_in_the_order_of_need_and_loads_what_was_there(tmp_path):
    target = make_host(tmp_path / "root")
    load(target.root, "tun", refcnt=1, vhost_net="")
    load(target.root, "vhost_net")
    install(target, tmp_path, reload=True)
    assert system_of(target).ran[-2:] == [
        "modprobe -r vhost_net tun",
        "modprobe -a tun vhost_net",
    ]


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("usr/sbin/dkms", "apt-get install --no-install-recommends dkms"),
        (f"lib/modules/{KERNEL}/build/Makefile", f"linux-headers-{KERNEL}"),
    ],
)
def test_what_a_host_lacks_is_told_with_the_command_that_installs_it(
    tmp_path, lacks, said
):
    target = make_host(tmp_path)
    require_installable(target, reload=False)
    (tmp_path / lacks).unlink()
    if "build" in lacks:
        (tmp_path / lacks).parent.rmdir()
    with pytest.raises(SetupError) as caught:
        require_installable(target, reload=False)
    assert said in caught.value.hint


def test_another_user_and_another_series_are_refused(tmp_path):
    with pytest.raises(SetupError, match="not root"):
        require_root(make_host(tmp_path, user=1000))
    other = Target(kernel="6.1.0-47-amd64", root=tmp_path, user=0)
    with pytest.raises(SetupError, match=r"6\.1\.0-47-amd64"):
        require_installable(other, reload=False)


def test_modules_in_use_are_not_reloaded_and_the_user_of_each_is_named(tmp_path):
    target = make_host(tmp_path)
    load(tmp_path, "igb")
    port = "sys/bus/pci/drivers/igb/0000:01:00.0/net"
    write_files(tmp_path, {f"{port}/eth0/flags": "0x1003\n"})
    write_files(tmp_path, {f"{port}/eth1/flags": "0x1002\n"})
    load(tmp_path, "tun", refcnt=4, vhost_net="", other="")
    with pytest.raises(SetupError) as caught:
        require_reloadable(target)
    assert "interface eth0 is up" in caught.value.what
    assert "eth1" not in caught.value.what
    assert "needed by module other" in caught.value.what
    assert "2 open or persistent uses" in caught.value.what


def test_the_report_tells_the_kernels_own_modules_from_others(tmp_path):
    load(tmp_path, "igb", taint="OE")
    load(tmp_path, "tun", refcnt=1, vhost_net="")
    write_files(tmp_path, {"sys/module/vhost_net/parameters/x": "1"})
    said = {use.name: str(use) for use in module_uses(tmp_path)}
    assert said["igb"] == "igb: loaded, built out of tree, not in use"
    assert said["tun"] == "tun: loaded, the kernel's own, not in use"
    assert said["vhost_net"] == "vhost_net: not loaded"


def test_the_state_is_read_in_both_forms_that_dkms_prints(tmp_path):
    target = make_host(tmp_path)
    output = (
        f"vhostaccel/0.1.0, {KERNEL}, x86_64: installed\n"
        "vhostaccel, 0.0.9, 6.12.94+deb12-amd64, x86_64: built\n"
        "vhostaccel/0.2.0: added\n"
    )
    done = Finished(argv=(), status=0, output=output)
    fixed = Target(kernel=KERNEL, root=tmp_path, run=lambda argv, **_: done)
    assert target.has("dkms")
    assert dkms_status(fixed) == {
        "0.1.0": {KERNEL: "installed"},
        "0.0.9": {"6.12.94+deb12-amd64": "built"},
        "0.2.0": {},
    }


def test_dkms_builds_four_modules_for_this_series_only():
    conf = dkms_conf("1.2.3")
    assert 'PACKAGE_VERSION="1.2.3"' in conf
    assert 'BUILD_EXCLUSIVE_KERNEL="^6\\.12\\."' in conf
    assert [
        line for line in conf.splitlines() if line.startswith("BUILT_MODULE_NAME")
    ] == [
        f'BUILT_MODULE_NAME[{n}]="{name}"'
        for n, name in enumerate(("nai", "tun", "vhost_net", "igb"))
    ]
    assert conf.count('="/updates"') == 4
