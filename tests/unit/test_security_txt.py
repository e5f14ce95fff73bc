# SPDX-License-Identifier: GPL-3.0-or-later
"""security.txt (RFC 9116): whom it names. The scenario `site` fetches it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .loading import ROOT
from .role_files import rendered


@pytest.mark.parametrize(
    ("settings", "contacts"),
    [
        ({}, ["xmpp:admin@friends.test"]),
        ({"xmpp_contact_purposes": {"abuse": ["mailto:abuse@friends.test"]}}, ["xmpp:admin@friends.test"]),
        (
            {"xmpp_contact_purposes": {"security": ["mailto:holes@friends.test", "https://friends.test/holes"]}},
            ["mailto:holes@friends.test", "https://friends.test/holes"],
        ),
        ({"xmpp_contact_addresses": ["mailto:we@friends.test"]}, ["mailto:we@friends.test"]),
    ],
)
def test_security_txt_names_the_contacts_for_security(settings: dict[str, Any], contacts: list[str]) -> None:
    """Of `xmpp_contact_purposes`, or those for everything."""
    template = (ROOT / "roles/nginx/templates/srv/xmpp/well-known/security.txt.j2").read_text(encoding="utf-8")
    text = rendered(settings, "nginx", template)
    assert re.findall("^Contact: (.*)$", text, re.MULTILINE) == contacts
