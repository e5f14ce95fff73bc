# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator says after ``-e`` to a playbook that is a verb."""
