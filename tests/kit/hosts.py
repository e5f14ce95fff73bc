# SPDX-License-Identifier: GPL-3.0-or-later
"""Several hosts of one inventory in one test."""

from __future__ import annotations

import pytest
import testinfra
from testinfra.host import Host


def host_named(name: str, config: pytest.Config) -> Host:
    """Return a host of the inventory, reached as testinfra's own fixture would reach it."""
    options = {name: config.getoption(f"--{name.replace('_', '-')}") for name in ("ssh_config", "ansible_inventory")}
    return testinfra.get_host(f"ansible://{name}", **options)
