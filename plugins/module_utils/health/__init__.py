# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of a host that stop the service, or soon will: for the module ``host_health``."""
