# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests: of the code (unit), of hosts (host), of the service as users see it (service), of two of them (federation).

What they share is in kit.
"""
