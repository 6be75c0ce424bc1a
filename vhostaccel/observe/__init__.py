# SPDX-License-Identifier: Apache-2.0
"""Observation: every counter of the host under test, and what they come to."""
