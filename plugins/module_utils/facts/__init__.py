# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles need to know of a host: for the module ``host_facts``."""
