# SPDX-License-Identifier: GPL-3.0-or-later
"""The web site in a real browser: every page as its visitors see it, and the ways to an account."""
