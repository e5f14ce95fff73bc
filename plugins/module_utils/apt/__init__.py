# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of this host, by apt and dpkg: versions, locks, what came and what went."""
