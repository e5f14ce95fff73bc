# SPDX-License-Identifier: GPL-3.0-or-later
"""The search of a disk for personal data: for the module ``audit``."""
