# SPDX-License-Identifier: Apache-2.0
"""The command line: the only place that prints, and the only one that exits."""

from vhostaccel.cli.main import main

__all__ = ["main"]
