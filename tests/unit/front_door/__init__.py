# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door: real ansible-playbook runs on inventories that are wrong, each with what the operator is told."""
