# SPDX-License-Identifier: Apache-2.0
"""KUnit: the series in a whole kernel tree, built as a program, run, and its results.

In the cache folder::

    kunit/source-6.12.117-1~deb12u1/  the whole tree; it follows kmod/
    kunit/build-<key>/      what make leaves; the key names source, options and compiler
    kunit/ccache/           what the compiler made before

The kernel runs as a process of this machine (User Mode Linux): docs/decisions/ has why.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.build import (
    cache_settings,
    cached_compiler,
    compiler_version,
    complaints,
)
from vhostaccel.kmod.coverage import forget_counts, kunit_options
from vhostaccel.kmod.kunit_results import Results, read_results, splats
from vhostaccel.kmod.layout import (
    KMOD,
    KUNITCONFIG,
    PLACES,
    KernelPart,
    read_kernel_part,
)
from vhostaccel.kmod.whole_tree import follow_part
from vhostaccel.lab import storage
from vhostaccel.lab.kernel import Kernel, provide_kernel
from vhostaccel.lab.source import provide_source, provide_whole_source

TESTS = PLACES["tests"]
"""Where suites and options are in a kernel tree."""

OPTIONS = KMOD / "kunit.config"
"""Options of this way to run them."""

_KERNEL_ARGUMENTS = ("time-travel", "mem=256M")
_PEAK_BYTES = 1500 << 20
_KEPT = 2
_BUILD_TIMEOUT_S = 3600.0
_RUN_TIMEOUT_S = 300
_HINT = "`vhostaccel doctor` lists the tools; the sources are in kmod/"


@dataclass(frozen=True, slots=True, kw_only=True)
class KunitRun:
    """One run of the suites."""

    kernel: str
    """Version of the source that they were built with."""
    results: Results
    splats: tuple[str, ...]
    """What the kernel complained of meanwhile."""
    build_s: float
    """With configuration; what was built before is not built again [s]."""
    run_s: float
    """From start to halt [s]."""
    log: Path
    """All that the kernel said, in the folder that it was built in."""

    @property
    def is_good(self) -> bool:
        """Return whether tests have run, all passed, and the kernel kept quiet."""
        return self.results.is_good and not self.splats


def run_kunit(
    report: Callable[[str], None], wanted: str = "", *, coverage: bool = False
) -> KunitRun:
    """Build the suites with kmod/ as it is now, and run them.

    Args:
        report: is told what is done.
        wanted: only suites, or suite.case, that match this pattern; all if empty.
        coverage: count what is executed of nai.ko; in a build folder of its own.

    Raises:
        SetupError: If a tool or a source file is missing.
        StorageError: If it does not fit on the disk.
        ProvideError: If a patch does not apply or the build failed.
    """
    kernel = provide_source(provide_kernel(report), report)
    part = read_kernel_part()
    root = storage.cache_dir() / "kunit"
    options = kunit_options(part) if coverage else ()
    # Tree and build folder are one for all.
    with storage.alone(root / "lock"):
        key = build_key(kernel, part, compiler_version(kernel), *options)
        build = root / f"build-{key}"
        storage.require_space(build, _PEAK_BYTES, "building the KUnit suites")
        tree = root / f"source-{kernel.package_version}"
        provide_whole_source(kernel, tree, report)
        assert kernel.source is not None
        follow_part(part, kernel.source, tree)
        _give_dma_operations(tree)
        build.mkdir(exist_ok=True)
        storage.note_use(build)
        storage.keep_last_used(root.glob("build-*"), _KEPT)
        forget_counts(part, build)
        return _build_and_run(kernel, tree, build, wanted, options, report)


def build_key(kernel: Kernel, part: KernelPart, compiler: str, *make: str) -> str:
    """Return a short hash of what has a build folder of its own.

    Our sources are not in it: make sees what changed of those.
    """
    options = part.own[f"{TESTS}/{KUNITCONFIG}"].read_bytes()
    return storage.hash_key(
        kernel.package_version, compiler, options, OPTIONS.read_bytes(), *make
    )


def judge(
    kernel: str, output: str, log: Path, build_s: float, run_s: float
) -> KunitRun:
    """Return what a run has shown.

    Args:
        kernel: version of the source.
        output: what the suites printed.
        log: what the kernel printed; need not exist.
        build_s: time to build [s].
        run_s: time to run [s].
    """
    text = log.read_text(errors="replace") if log.is_file() else ""
    return KunitRun(
        kernel=kernel,
        results=read_results(output),
        splats=splats(text or output),
        build_s=build_s,
        run_s=run_s,
        log=log,
    )


def _build_and_run(
    kernel: Kernel,
    tree: Path,
    build: Path,
    wanted: str,
    options: tuple[str, ...],
    report: Callable[[str], None],
) -> KunitRun:
    report(f"KUnit: building in {build}")
    begin = time.monotonic()
    _build(kernel, tree, build, options)
    built = time.monotonic()
    report("KUnit: running")
    (build / "test.log").unlink(missing_ok=True)
    output = _kunit_py(
        tree, build, "exec", "--raw_output=kunit", f"--timeout={_RUN_TIMEOUT_S}",
        *(f"--kernel_args={argument}" for argument in _KERNEL_ARGUMENTS),
        *((wanted,) if wanted else ()),
    ).output  # fmt: skip
    return judge(
        kernel.package_version,
        output,
        build / "test.log",
        build_s=built - begin,
        run_s=time.monotonic() - built,
    )


def _give_dma_operations(tree: Path) -> None:
    """Let a device have DMA operations of its own, as on most hardware.

    The tests make one fail. An option that only an architecture can choose does it.
    """
    path = tree / "arch/um/Kconfig"
    before = path.read_text()
    entry = "config UML_DMA_EMULATION\n\tbool\n"
    if entry not in before:
        raise ProvideError(f"cannot change {path}: it has another form", hint=_HINT)
    chosen = f"{entry}\tselect ARCH_HAS_DMA_OPS\n"
    if chosen not in before:
        path.write_text(before.replace(entry, chosen))


def _build(kernel: Kernel, tree: Path, build: Path, options: tuple[str, ...]) -> None:
    done = _kunit_py(
        tree, build, "build", f"--kunitconfig={TESTS}", f"--kunitconfig={OPTIONS}",
        f"--jobs={os.cpu_count() or 1}", f"--make_options=CC={cached_compiler(kernel)}",
        *(f"--make_options={option}" for option in options),
    )  # fmt: skip
    if done.status != 0:
        told = complaints(done.output.replace(f"{tree}/", ""))
        raise ProvideError(f"the KUnit suites do not build:\n    {told}", hint=_HINT)


def _kunit_py(tree: Path, build: Path, verb: str, *arguments: str) -> command.Finished:
    return command.run(
        [sys.executable, "tools/testing/kunit/kunit.py", verb, "--arch=um",
         f"--build_dir={build}", *arguments],
        cwd=tree,
        env={
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            **cache_settings(build.parent, "1G"),
        },
        hint=_HINT,
        timeout_s=_BUILD_TIMEOUT_S,
        check=False,
    )  # fmt: skip
