# SPDX-License-Identifier: GPL-3.0-or-later
"""What settings must be among each other, as far as each is right."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.certificates import (
    check_challenge,
    check_provided,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.components import check_components
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.dns_provider import (
    check_dns_provider,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.federation import check_federation
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.names import check_service_names
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.network import (
    check_addresses,
    check_dynamic_address,
    check_ports,
    check_relays,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.people import check_people
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.registration import check_question
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.storage import (
    check_backup,
    check_uploads,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks.unused import check_unused
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings


def check_across_settings(settings: HostSettings, taken_ports: Mapping[int, str], places: list[str]) -> None:
    """Check settings against each other; *places* is what belongs to the service on the host."""
    check_service_names(settings)
    check_components(settings)
    check_challenge(settings)
    check_dns_provider(settings)
    check_dynamic_address(settings)
    check_federation(settings)
    check_addresses(settings)
    check_relays(settings)
    check_unused(settings)
    check_question(settings)
    check_people(settings)
    check_uploads(settings)
    check_ports(settings, taken_ports)
    check_provided(settings)
    check_backup(settings, places)
