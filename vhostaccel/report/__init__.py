# SPDX-License-Identifier: Apache-2.0
"""Reports of a run: terminal summary, record, HTML page, JUnit XML."""
