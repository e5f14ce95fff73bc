# SPDX-License-Identifier: GPL-3.0-or-later
"""What users, neighbours and attackers see of a running service: real clients against a converged host."""
