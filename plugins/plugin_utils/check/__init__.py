# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/check.yml checks from the controller: DNS, and the service as its users see it."""
