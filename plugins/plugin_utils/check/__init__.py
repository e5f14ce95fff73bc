# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/check.yml finds out from the controller: in DNS, and by using the service as people do."""
