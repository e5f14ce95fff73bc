# SPDX-License-Identifier: GPL-3.0-or-later
"""What settings must be among each other, as far as each is right."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.together.certificates import (
    check_challenge,
    check_provided,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.together.federation import check_federation
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.together.names import check_service_names
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.together.network import (
    check_addresses,
    check_dynamic_address,
    check_ports,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.together.storage import (
    check_backup,
    check_uploads,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.together.unused import check_unused


def check_together(settings: HostSettings, taken_ports: Mapping[int, str], places: list[str]) -> None:
    """Check settings against each other; *places* is what belongs to the service on the host."""
    check_service_names(settings)
    check_challenge(settings)
    check_dynamic_address(settings)
    check_federation(settings)
    check_addresses(settings)
    check_unused(settings)
    check_uploads(settings)
    check_ports(settings, taken_ports)
    check_provided(settings)
    check_backup(settings, places)
