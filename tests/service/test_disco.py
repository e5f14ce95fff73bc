# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms in service discovery: whom to turn to for what, where the state of the service is, what becomes of data."""

from __future__ import annotations

import json

import pytest

from ..kit.clients import login
from ..kit.disco import CONTACTS, asked, checksum, forms
from ..kit.service import Account, Register, Service
from ..kit.stream import connected

STATUS = "urn:xmpp:sos:0"
POLICY = "urn:xmpp:data-policy:0"


@pytest.fixture(scope="module")
def account(register: Register) -> Account:
    """Return one account for all of them."""
    (account,) = register(1)
    return account


async def test_contacts_are_published(service: Service, account: Account) -> None:
    """XEP-0157: whoever has a problem with somebody here finds out whom to tell. Who has a question finds the room for
    it as well. Nothing is for sale."""
    async with login(service, account) as client:
        told = forms(await asked(client, service.domain))[CONTACTS]
    admin = [f"xmpp:admin@{service.domain}"]
    room = f"xmpp:support@{service.name('muc')}?join"
    purposes = dict.fromkeys(("abuse", "admin", "feedback", "security"), admin) | {"support": [*admin, room]}
    assert told == {f"{purpose}-addresses": uris for purpose, uris in purposes.items()}


async def test_apps_find_the_state_of_the_service(service: Service, account: Account) -> None:
    """XEP-0455: the domain says it of itself; its parts do not."""
    async with login(service, account) as client:
        told = forms(await asked(client, service.domain))[STATUS]
        assert told == {"external-status-addresses": [f"https://{service.domain}/status.json"]}
        assert STATUS not in forms(await asked(client, service.name("muc")))
        assert STATUS not in forms(await asked(client, account.jid))


async def test_what_the_domain_says_has_the_checksum_of_the_stream(service: Service, account: Account) -> None:
    """XEP-0115: an app that knows an answer of this checksum does not ask; one that asks believes no other answer."""
    with connected(service) as stream:
        stream.starttls()
        stream.scram("SCRAM-SHA-512-PLUS", account)
        caps = stream.last_features.find("{http://jabber.org/protocol/caps}c")
    assert caps is not None
    assert caps.get("hash") == "sha-1"
    async with login(service, account) as client:
        for node in ("", f"{caps.get('node')}#{caps.get('ver')}"):
            answer = await asked(client, service.domain, node)
            assert set(forms(answer)) == {CONTACTS, STATUS, POLICY}
            assert checksum(answer) == caps.get("ver")


async def test_data_policy_says_what_the_ledger_says(service: Service, account: Account) -> None:
    """XEP-0504: the domain, its rooms, its nodes and its file store each say how long they keep what."""
    ledger = json.loads((await service.fetch("GET", f"https://{service.domain}/ledger.json")).body)
    hours = {entry["name"]: str(entry["days"] * 24) for entry in ledger if entry["days"] is not None}
    assert "profile" not in hours
    policies = {}
    async with login(service, account) as client:
        for entity in (service.domain, *(service.name(part) for part in ("muc", "pubsub", "upload"))):
            policies[entity] = forms(await asked(client, entity))[POLICY]
        assert POLICY not in forms(await asked(client, account.jid))
    kept = {entity.removesuffix(service.domain): policy["data_retention"] for entity, policy in policies.items()}
    assert kept == {
        "": [hours["archive"]], "muc.": [hours["room_archive"]], "pubsub.": ["infinite"], "upload.": [hours["uploads"]],
    }  # fmt: skip
    for policy in policies.values():
        assert policy["backup_frequency"] == ["24"]
        assert policy["backup_retention"] == [hours["backup"]]
        assert "admins" in policy["access_policy"]
        for page in (*policy["tos"], policy["extra_info"][-1].split()[-1]):
            assert (await service.fetch("GET", page)).status == 200, page
    own = policies[service.domain]
    assert (own["auth_data"], own["data_deletion"], own["full_erasure"]) == (["plain"], ["true"], ["true"])
