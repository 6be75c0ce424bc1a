# SPDX-License-Identifier: Apache-2.0
"""Makes what runs and tests need ahead of the first one: `make setup` ends with this.

python -m vhostaccel.provision    kernel, its source, C and BPF programs, modules
"""

import sys

from vhostaccel.errors import EXIT_INTERRUPTED, VhostAccelError
from vhostaccel.guard.build import provide_object
from vhostaccel.kmod.build import provide_modules
from vhostaccel.lab.kernel import Kernel, build_module, provide_kernel
from vhostaccel.lab.provision import MODULES, provide_tools
from vhostaccel.lab.source import provide_source


def main() -> int:
    """Provide everything; print progress to standard error and return the exit code."""
    try:
        kernel = _provide()
    except VhostAccelError as error:
        _say(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted; what was half made is removed")
        return EXIT_INTERRUPTED
    _say(f"ready: kernel {kernel.version} in {kernel.root}")
    return 0


def _provide() -> Kernel:
    # The tests read the source too, also when the modules are there.
    kernel = provide_source(provide_kernel(_say), _say)
    provide_tools(_say)
    provide_object(_say)
    for sources in MODULES:
        build_module(kernel, sources, _say)
    provide_modules(kernel, _say)
    return kernel


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
