# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests without a host. First of all, before any of them imports a plugin or a program, both are made to be found."""

from __future__ import annotations

from . import loading as loading
