# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the administrators when something of the service breaks, and when it is well again."""
