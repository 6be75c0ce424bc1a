# SPDX-License-Identifier: Apache-2.0
"""The lab's QEMU command line, as a pure function of what it is built from."""

from dataclasses import dataclass
from pathlib import Path

from vhostaccel.scenario.model import LabSpec

WIRES = ("a", "b")
QEMU = "qemu-system-x86_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFiles:
    """Where the lab keeps its sockets and files, all in one folder."""

    folder: Path

    @property
    def console(self) -> Path:
        """What the lab's kernel and init print."""
        return self.folder / "console.log"

    @property
    def control(self) -> Path:
        """Socket of the agent's channel."""
        return self.folder / "control.sock"

    @property
    def shell(self) -> Path:
        """Socket of the terminal that `lab shell` uses."""
        return self.folder / "shell.sock"

    @property
    def qmp(self) -> Path:
        """Socket of QEMU's machine protocol."""
        return self.folder / "qmp.sock"

    @property
    def initramfs(self) -> Path:
        """The archive the lab boots from."""
        return self.folder / "initramfs"

    @property
    def log(self) -> Path:
        """What QEMU itself prints."""
        return self.folder / "qemu.log"

    @property
    def state(self) -> Path:
        """Process ids and start times; written by the keeper."""
        return self.folder / "state.json"

    def wire(self, name: str) -> Path:
        """Socket of the outer end of a wire."""
        return self.folder / f"wire-{name}.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What the lab's kernel is started with."""

    kernel_image: Path
    modules: Path
    """Folder that holds the ``<version>`` folder of modules."""
    python: Path
    source: Path
    """Folder that holds the package ``vhostaccel``."""
    patience: float = 1.0
    """How many times longer than usual everything in the lab may take."""


def qemu_argv(
    spec: LabSpec, files: LabFiles, boot: Boot, *, kvm: bool, nic_macs: tuple[str, str]
) -> list[str]:
    """Return the command line that boots the lab.

    Args:
        spec: size and time base of the machine.
        files: its sockets and files.
        boot: its kernel and where the kernel's user space is.
        kvm: whether hardware virtualisation with nesting can be used.
        nic_macs: addresses of the NICs on wire A and wire B.
    """
    argv = [
        QEMU,
        "-name", "vhostaccel-lab,debug-threads=on",
        "-nodefaults", "-no-user-config", "-no-reboot",
        "-display", "none",
        "-machine", "q35,usb=off,vmport=off",
        *_processor(spec, kvm=kvm),
        "-smp", str(spec.cpus),
        "-m", f"{spec.memory >> 20}M",
        "-kernel", str(boot.kernel_image),
        "-initrd", str(files.initramfs),
        "-append", _kernel_command_line(boot),
        "-qmp", f"unix:{files.qmp},server=on,wait=off",
        "-chardev", f"file,id=console,path={files.console}",
        "-serial", "chardev:console",
        "-object", "rng-random,id=rng,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng",
        "-fsdev", "local,id=outside,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=outside,mount_tag=outside",
        "-device", "virtio-serial-pci,id=serial",
        "-chardev", f"socket,id=shell,path={files.shell},server=on,wait=off",
        "-device", "virtconsole,bus=serial.0,chardev=shell",
        "-chardev", f"socket,id=control,path={files.control},server=on,wait=off",
        "-device", "virtserialport,bus=serial.0,chardev=control,name=org.vhostaccel.lab",
    ]  # fmt: skip
    for slot, (wire, mac) in enumerate(zip(WIRES, nic_macs, strict=True), start=1):
        argv += _nic(wire, mac, slot, files)
    return argv


def _processor(spec: LabSpec, *, kvm: bool) -> list[str]:
    if kvm and not spec.icount:
        return ["-accel", "kvm", "-cpu", "host"]
    if spec.icount:
        return [
            "-accel",
            "tcg,thread=single",
            "-icount",
            "shift=0,sleep=off",
            "-cpu",
            "max",
        ]
    # Emulated AMD SVM is what lets the lab run KVM guests without hardware help.
    return ["-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max"]


def _nic(wire: str, mac: str, slot: int, files: LabFiles) -> list[str]:
    # igb has SR-IOV, so each one needs a root port of its own. The wire is a flow
    # controlled stream: every loss is then the NIC's, and the accounting is exact.
    return [
        "-netdev", f"stream,id=wire-{wire},server=on,addr.type=unix,addr.path={files.wire(wire)}",
        "-device", f"pcie-root-port,id=port-{wire},chassis={slot},slot={slot}",
        "-device", f"igb,bus=port-{wire},netdev=wire-{wire},mac={mac},romfile=",
    ]  # fmt: skip


def _kernel_command_line(boot: Boot) -> str:
    return " ".join(
        (
            "console=ttyS0",
            "loglevel=5",
            "panic=-1",
            # What the lab itself writes to the log, leaks among it, is not to be thinned.
            "printk.devkmsg=on",
            "net.ifnames=0",
            "random.trust_cpu=on",
            # Sessions would otherwise share a CPU by halves, SCHED_IDLE ones too.
            "noautogroup",
            f"lab.modules={boot.modules}",
            f"lab.python={boot.python}",
            f"lab.source={boot.source}",
            f"lab.patience={boot.patience:g}",
        )
    )
