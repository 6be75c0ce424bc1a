# SPDX-License-Identifier: Apache-2.0
"""The guard: mode ``xdp``, early drop at the NIC on unmodified kernels."""
