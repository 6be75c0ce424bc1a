# SPDX-License-Identifier: Apache-2.0
"""What a debug kernel is configured with: kmod/configs, and every option of our own."""

import os
import re
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.layout import KMOD, KernelPart

CONFIGS = KMOD / "configs"
BASE = "base"
"""The fragment that every configuration begins with."""

_OPTION = re.compile(r"^(CONFIG_\w+)=(.*)$", re.MULTILINE)
_ENTRY = re.compile(r"^config (\w+)\n\s+(tristate|bool)\b", re.MULTILINE)
_ADDED = re.compile(r"^\+(?!\+\+ )", re.MULTILINE)


def config_names(configs: Path = CONFIGS) -> tuple[str, ...]:
    """Return the configurations that there are, by name."""
    return tuple(
        path.stem for path in sorted(configs.glob("*.config")) if path.stem != BASE
    )


def read_options(
    name: str, part: KernelPart, configs: Path = CONFIGS
) -> dict[str, str]:
    """Return what is asked for, by option: kmod/configs, and all that our Kconfig has."""
    options: dict[str, str] = {}
    for fragment in (BASE, name):
        options |= dict(_OPTION.findall((configs / f"{fragment}.config").read_text()))
    return options | own_options(part)


def own_options(part: KernelPart) -> dict[str, str]:
    """Return our own options: what can be a module is one, the rest is on."""
    texts = [
        path.read_text()
        for place, path in part.own.items()
        if Path(place).name == "Kconfig"
    ]
    for patch in part.patches:
        added = [line[1:] for line in patch.diff.splitlines() if _ADDED.match(line)]
        texts.append("\n".join(added))
    return {
        f"CONFIG_{name}": "m" if kind == "tristate" else "y"
        for text in texts
        for name, kind in _ENTRY.findall(text)
    }


def as_text(options: dict[str, str]) -> str:
    """Return the options as kconfig reads them."""
    return "".join(f"{name}={value}\n" for name, value in options.items())


def configure(make: list[str], build: Path, options: dict[str, str]) -> None:
    """Write a build folder's .config: what is asked for, and what that needs.

    Args:
        make: the command that builds there, without a target.
        build: the folder; files of an earlier build in it stay good.
        options: what is asked for.

    Raises:
        ProvideError: If kconfig fails, or an option did not come out as asked.
    """
    asked = build / "asked.config"
    asked.write_text(as_text(options))
    hint = "kmod/configs/*.config and our own Kconfig entries are what is asked for"
    command.run(
        [*make, "-s", "allnoconfig"],
        env={**os.environ, "KCONFIG_ALLCONFIG": os.fspath(asked)},
        hint=hint,
    )
    wrong = unmet(options, (build / ".config").read_text())
    if wrong:
        told = "\n    ".join(wrong)
        raise ProvideError(
            f"the kernel's configuration is not what was asked for:\n    {told}",
            hint=f"an option needs others, or was renamed: {hint}",
        )


def unmet(options: dict[str, str], config: str) -> tuple[str, ...]:
    """Return the options that a .config has another value for."""
    have = dict(_OPTION.findall(config))
    return tuple(
        f"{name}: asked {value}, got {have.get(name, 'n')}"
        for name, value in options.items()
        if have.get(name, "n") != value
    )
