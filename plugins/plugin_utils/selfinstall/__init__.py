# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that installs itself: what its first boot finds, and the program that runs then."""
