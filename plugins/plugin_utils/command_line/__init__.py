# SPDX-License-Identifier: GPL-3.0-or-later
"""The options after ``-e`` of the playbooks that are verbs."""
