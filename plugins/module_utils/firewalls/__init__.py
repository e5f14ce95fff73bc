# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports the firewalls of others on this host keep shut for people."""
