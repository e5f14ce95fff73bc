# SPDX-License-Identifier: GPL-3.0-or-later
"""What on a host keeps the service from running, or soon will: for the module ``host_health``."""
