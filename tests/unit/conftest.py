# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests that render with Ansible need."""

from __future__ import annotations

import pytest
from ansible.plugins.loader import filter_loader, init_plugin_loader, lookup_loader

from .loading import ROOT


@pytest.fixture(scope="session", autouse=True)
def plugins() -> None:
    """Let Ansible find the project's filters and lookups."""
    init_plugin_loader()
    filter_loader.add_directory(str(ROOT / "plugins/filter"))
    lookup_loader.add_directory(str(ROOT / "plugins/lookup"))
