# SPDX-License-Identifier: Apache-2.0
"""The netlink specification against the schema of the kernel's specifications."""

import json
import os
from pathlib import Path

from vhostaccel import command
from vhostaccel.errors import ProvideError
from vhostaccel.kmod.answers import Finding
from vhostaccel.kmod.layout import KernelPart

_HINT = "sudo apt-get install --no-install-recommends python3-yaml python3-jsonschema"

# For the distribution's Python: ours has neither library.
_VALIDATE = """
import json, pathlib, sys
import jsonschema, yaml
spec = yaml.safe_load(pathlib.Path(sys.argv[1]).read_text())
schema = pathlib.Path(sys.argv[2], spec.get("protocol", "genetlink") + ".yaml")
validator = jsonschema.Draft7Validator(yaml.safe_load(schema.read_text()))
print(json.dumps([["/".join(map(str, error.absolute_path)), error.message]
                  for error in validator.iter_errors(spec)]))
"""


def spec_places(part: KernelPart) -> tuple[str, ...]:
    """Return our specifications by their place in a kernel tree."""
    return tuple(place for place in part.own if place.endswith(".yaml"))


def spec_findings(part: KernelPart, source: Path) -> tuple[Finding, ...]:
    """Return where our specifications are not as the kernel's schema wants them.

    Raises:
        SetupError: If Python is missing.
        ProvideError: If a library is, or a file cannot be read.
    """
    schemas = source / "Documentation" / "netlink"
    return tuple(
        Finding(tool="YNL schema", place=place, line=1, kind="schema", message=told)
        for place in spec_places(part)
        for told in _violations(part.own[place], schemas)
    )


def _violations(spec: Path, schemas: Path) -> list[str]:
    argv = ["/usr/bin/python3", "-c", _VALIDATE, os.fspath(spec), os.fspath(schemas)]
    done = command.run(argv, hint=_HINT)
    try:
        return [f"{where or 'top'}: {what}" for where, what in json.loads(done.output)]
    except ValueError:
        raise ProvideError(
            f"the schema check printed no list: {done.output[-300:]}", hint=_HINT
        ) from None
