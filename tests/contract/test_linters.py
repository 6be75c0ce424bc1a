# SPDX-License-Identifier: Apache-2.0
"""Linters are tests: skipped where a tool is missing, insisted on in CI."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SHEBANG = re.compile(r"#!\s*/(usr/)?bin/(env |busybox )?(ba)?sh\b")
KERNEL_SIDE = ("kmod", "vhostaccel/guard/bpf")
SHELL_FOLDERS = (".ci", "guest", "kmod", "setup", "tests", "vhostaccel")


def check(tool: str, *arguments: str | Path) -> None:
    """Run a linter in the project's folder; what it prints becomes the failure."""
    beside_python = Path(sys.executable).parent
    program = shutil.which(tool, path=f"{beside_python}:{os.environ['PATH']}")
    if program is None and "CI" not in os.environ:
        pytest.skip(f"{tool} is not installed; `make setup` provides it")
    assert program is not None, f"{tool} is not installed, and CI must not skip it"
    done = subprocess.run(
        [program, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def shell_scripts() -> list[Path]:
    """Return the shell scripts, with or without the suffix, relative to the project."""
    files = (path for name in SHELL_FOLDERS for path in (PROJECT / name).rglob("*"))
    return sorted(
        path.relative_to(PROJECT)
        for path in files
        if path.is_file() and SHEBANG.match(path.read_text(errors="replace"))
    )


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("ruff", "check", "."), id="ruff check"),
        pytest.param(("ruff", "format", "--check", "."), id="ruff format"),
        pytest.param(("mypy",), id="mypy"),
        pytest.param(("codespell",), id="codespell"),
    ],
)
def test_linter_is_content(arguments):
    check(*arguments)


def test_shellcheck_is_content():
    scripts = shell_scripts()
    assert Path(".ci/run") in scripts
    assert Path("setup/packages") in scripts
    # SC2187 only says that busybox's shell is checked as dash, its nearest relative.
    check("shellcheck", "--exclude=SC2187", *scripts)


def test_every_source_file_names_its_licence():
    suffixes = {".py", ".sh", ".c", ".h", ".toml", ".awk"}
    sources = [
        path
        for name in ("guest", "kmod", "scenarios", "setup", "tests", "vhostaccel")
        for path in (PROJECT / name).rglob("*")
        if path.suffix in suffixes or (path.is_file() and path.name == "Makefile")
    ]
    unlabelled = [path for path in sources if not _licence(path)]
    assert not unlabelled
    wrong = [
        path
        for path in sources
        # "GPL-2.0-only", or what the kernel's generator writes for uAPI headers.
        if _is_kernel_side(path) != ("GPL-2.0" in _licence(path))
    ]
    assert not wrong


def _is_kernel_side(path: Path) -> bool:
    return any(path.is_relative_to(PROJECT / name) for name in KERNEL_SIDE)


def _licence(path: Path) -> str:
    head = path.read_text(errors="replace").splitlines()[:3]
    return next((line for line in head if "SPDX-License-Identifier:" in line), "")
