# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the front door: by name, the settings of a host and what is reported about them."""

from __future__ import annotations

from ..known import Cases
from . import (
    certificates,
    components,
    dns_provider,
    domains,
    federation,
    network,
    people,
    storage,
    text,
    unused,
    values,
)

TABLES = (values, text, domains, components, people, network, certificates, dns_provider, storage, federation, unused)
CASES: Cases = {name: case for table in TABLES for name, case in table.CASES.items()}
