# SPDX-License-Identifier: Apache-2.0
"""Guests: their plan, image, domain, life and control."""
