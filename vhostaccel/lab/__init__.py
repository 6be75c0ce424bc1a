# SPDX-License-Identifier: Apache-2.0
"""The lab: a host under test inside a virtual machine, and what it is made of."""
