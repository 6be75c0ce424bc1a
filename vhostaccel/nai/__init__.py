# SPDX-License-Identifier: Apache-2.0
"""Leases of hardware frame queues: asked for, ended, listed, watched, and wished for."""
