# SPDX-License-Identifier: Apache-2.0
"""Traffic: floods the two wires at a paced rate and counts what comes back."""
