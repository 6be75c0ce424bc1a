# SPDX-License-Identifier: Apache-2.0
"""Modes: the ways a guest's virtual NIC gets its frames."""
