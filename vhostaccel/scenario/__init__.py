# SPDX-License-Identifier: Apache-2.0
"""Scenario files: what is built, what is thrown at it, what must come of it."""
