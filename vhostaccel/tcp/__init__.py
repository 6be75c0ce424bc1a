# SPDX-License-Identifier: Apache-2.0
"""TCP through the guest: two stations, real streams, and the modes in turns."""
