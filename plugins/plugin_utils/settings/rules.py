# SPDX-License-Identifier: GPL-3.0-or-later
"""What a setting must look like beyond its type, in one table."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Keys
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.addresses import (
    account,
    contact,
    contact_or_room,
    email,
    https_url,
    localpart,
    payable,
    room_address,
    stun_server,
    web_address,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.codes import (
    answer,
    base64_key,
    base64url,
    component_secret,
    country,
    day,
    dns_provider,
    key_name,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.domain_names import (
    DOMAIN_MAX,
    domain,
    own_domain,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.ip_addresses import (
    component_host,
    metrics_address,
    name_server,
    public_address,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.paths import (
    absolute_path,
    optional_folder,
    program,
    repository,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.translation import WRITTEN, translations


@dataclass(frozen=True)
class Rule:
    """What the specification cannot say about a value, or about each entry of a list."""

    shape: Callable[[str], str | None] | None = None
    low: int = 0
    high: int = 0  # numbers: the bounds; texts: the most characters
    empty: bool = False  # "" or [] has a meaning
    prose: bool = False  # a text for people, in any script; others have no character that cannot be seen
    lines: bool = False  # a text may have several lines
    unique: Callable[[Any], object] | None = None  # what two entries of a list must not have in common
    discreet: bool = False  # the words of the shape quote nothing of the value, so they can be said of a secret


def same(value: Any) -> object:
    """Entries that are equal are the same."""
    return value


RULES: dict[str, Rule] = {
    "xmpp_domain": Rule(own_domain),
    "xmpp_host_domain": Rule(domain),
    "xmpp_more_domains": Rule(own_domain, empty=True, unique=same),
    "xmpp_name": Rule(prose=True, high=DOMAIN_MAX),  # by default the domain
    "xmpp_languages": Rule(unique=same),
    "xmpp_muc_domain": Rule(domain),
    "xmpp_upload_domain": Rule(domain),
    "xmpp_turn_domain": Rule(domain),
    "xmpp_proxy_domain": Rule(domain),
    "xmpp_pubsub_domain": Rule(domain),
    "xmpp_certificate_file": Rule(absolute_path, empty=True),
    "xmpp_certificate_key_file": Rule(absolute_path, empty=True),
    "xmpp_acme_directory": Rule(https_url),
    "xmpp_acme_hook_file": Rule(absolute_path, empty=True),
    "xmpp_acme_email": Rule(email, empty=True),
    "xmpp_acme_eab_kid": Rule(high=200, empty=True),
    "xmpp_acme_eab_secret": Rule(base64url, empty=True, discreet=True),
    "xmpp_acme_ca_file": Rule(absolute_path, empty=True),
    "xmpp_dns_provider": Rule(dns_provider, empty=True),
    "xmpp_dns_credentials": Rule(empty=True),
    "xmpp_dns_server": Rule(name_server, empty=True),
    "xmpp_dns_key_name": Rule(key_name, empty=True),
    "xmpp_dns_key_secret": Rule(base64_key, empty=True, discreet=True),
    "xmpp_stun_server": Rule(stun_server, empty=True),
    "xmpp_federation_allow": Rule(domain, empty=True, unique=same),
    "xmpp_federation_block": Rule(domain, empty=True, unique=same),
    "xmpp_push_servers": Rule(domain, empty=True, unique=same),
    "xmpp_block_lists": Rule(domain, empty=True, unique=same),
    "xmpp_relays": Rule(empty=True, unique=lambda relay: relay.get("host")),
    "xmpp_relays.host": Rule(domain),
    "xmpp_relays.secret": Rule(high=500, empty=True, discreet=True),
    "xmpp_relays.username": Rule(high=500, empty=True),
    "xmpp_relays.password": Rule(high=500, empty=True, discreet=True),
    "xmpp_relays.port": Rule(low=1, high=65535),
    "xmpp_relays.tls_port": Rule(low=0, high=65535),
    "xmpp_registration_question": Rule(empty=True),
    **{
        f"xmpp_registration_question.{language}{part}": rule
        for language in (*WRITTEN, *translations())
        for part, rule in (
            (".question", Rule(prose=True, high=200)),
            (".answers", Rule(answer, prose=True, high=100, unique=str.casefold)),
        )
    },
    "xmpp_registrations_per_hour": Rule(low=1, high=1000),
    "xmpp_invitations_per_month": Rule(low=1, high=100),
    "xmpp_invitation_days": Rule(low=1, high=30),
    "xmpp_newcomer_days": Rule(low=0, high=6),
    "xmpp_admins": Rule(localpart, unique=same),
    "xmpp_moderators": Rule(localpart, empty=True, unique=same),
    "xmpp_circles": Rule(empty=True, unique=lambda circle: circle.get("name")),
    "xmpp_circles.name": Rule(localpart),
    "xmpp_circles.title": Rule(prose=True, high=100, empty=True),
    "xmpp_circles.members": Rule(localpart, empty=True, unique=same),
    "xmpp_circles.former": Rule(localpart, empty=True, unique=same),
    "xmpp_limited": Rule(account, empty=True, unique=same),
    "xmpp_components": Rule(empty=True, unique=lambda component: component.get("name")),
    "xmpp_components.name": Rule(domain),
    "xmpp_components.description": Rule(prose=True, high=200),
    "xmpp_components.secret": Rule(component_secret, discreet=True),
    "xmpp_components.hosts": Rule(component_host, empty=True, unique=ipaddress.ip_address),
    "xmpp_components.privileges": Rule(empty=True, unique=same),
    "xmpp_contact_addresses": Rule(contact, unique=same),
    "xmpp_contact_purposes": Rule(empty=True),
    **{
        f"xmpp_contact_purposes.{purpose}": Rule(contact_or_room, unique=same)
        for purpose in ("abuse", "admin", "feedback", "sales", "security", "support")
    },
    "xmpp_status_url": Rule(https_url, empty=True),
    "xmpp_rooms": Rule(empty=True, unique=lambda room: room.get("name")),
    "xmpp_rooms.name": Rule(localpart),
    "xmpp_rooms.title": Rule(prose=True, high=100),
    "xmpp_rooms.description": Rule(prose=True, high=1000, empty=True, lines=True),
    "xmpp_recommended_rooms": Rule(empty=True, unique=lambda room: room.get("address")),
    "xmpp_recommended_rooms.address": Rule(room_address, high=1000),
    "xmpp_recommended_rooms.title": Rule(prose=True, high=100),
    "xmpp_recommended_rooms.description": Rule(prose=True, high=1000, empty=True, lines=True),
    "xmpp_room_search_url": Rule(web_address, empty=True),
    "xmpp_donations": Rule(empty=True, unique=lambda way: way.get("address")),
    "xmpp_donations.name": Rule(prose=True, high=100),
    "xmpp_donations.address": Rule(payable, high=1000),
    "xmpp_donations.note": Rule(prose=True, high=1000, empty=True, lines=True),
    "xmpp_provider": Rule(empty=True),
    "xmpp_provider.since": Rule(day),
    "xmpp_provider.locations": Rule(country, unique=same),
    "xmpp_provider.bus_factor": Rule(low=-1, high=1000),
    "xmpp_website_dir": Rule(optional_folder),
    "xmpp_archive_days": Rule(low=1, high=3650),
    "xmpp_archive_quota_mib": Rule(low=1, high=1048576),
    "xmpp_upload_days": Rule(low=1, high=3650),
    "xmpp_upload_max_mib": Rule(low=1, high=4096),
    "xmpp_upload_quota_mib": Rule(low=1, high=1048576),
    "xmpp_upload_total_mib": Rule(low=0, high=1073741824),
    "xmpp_backup_repository": Rule(repository, empty=True),
    "xmpp_backup_days": Rule(low=1, high=365),
    "xmpp_backup_s3_key_id": Rule(high=200, empty=True),
    "xmpp_backup_s3_secret": Rule(empty=True),
    "xmpp_https_port": Rule(low=1, high=49151),  # above are the ports of the relay (RFC 6335: dynamic ports)
    "xmpp_public_addresses": Rule(public_address, empty=True, unique=ipaddress.ip_address),
    "xmpp_metrics": Rule(metrics_address, empty=True),
    "xmpp_alert_command": Rule(program, empty=True),
    "xmpp_secrets_dir": Rule(absolute_path),
}
NO_RULE = Rule()


def rule_name(keys: Keys) -> str:
    """Return the name in RULES: xmpp_rooms.title for each room's title."""
    return ".".join(key for key in keys if isinstance(key, str))
