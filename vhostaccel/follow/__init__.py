# SPDX-License-Identifier: Apache-2.0
"""Guests that libvirt starts: their wishes, the hook, and who keeps the wishes true."""
