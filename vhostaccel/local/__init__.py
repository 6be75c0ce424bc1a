# SPDX-License-Identifier: Apache-2.0
"""The machine this runs on as the host under test: made ready, used, left as it was."""
