# SPDX-License-Identifier: Apache-2.0
"""The kernel part: assemble, build, sign, install, check, and write it as patches."""
