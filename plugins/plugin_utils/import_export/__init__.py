# SPDX-License-Identifier: GPL-3.0-or-later
"""Import from another server: what its files say, and what of that the host is given."""
