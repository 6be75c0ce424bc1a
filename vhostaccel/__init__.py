# SPDX-License-Identifier: Apache-2.0
"""vhostaccel: keep a flooded host from starving its virtual machines."""

__version__ = "0.1.0"
