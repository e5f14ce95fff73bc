# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests that render with Ansible need: its plugins, ours among them."""

from . import loading as loading
