# SPDX-License-Identifier: Apache-2.0
"""Verdicts: what a mode's points come to, and whether a scenario's claims held."""
