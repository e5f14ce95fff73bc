# SPDX-License-Identifier: GPL-3.0-or-later
"""The 25 checks of the Conversations compliance tester, by its ids, made here as it makes them."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import Client, login
from ..kit.disco import CONTACTS, INFO, asked, forms
from ..kit.profile import items, publish
from ..kit.rooms import made_room
from ..kit.service import Account, Register, Service
from ..kit.stream import SASL, connected
from ..kit.turn import external_services
from ..kit.uploads import ask_slot
from ..kit.web import LINKS, assert_link_works, linked

ITEMS = "http://jabber.org/protocol/disco#items"


@dataclass(frozen=True)
class Visit:
    """What a check works with: a client that is online, and the features that the stream offered it."""

    service: Service
    account: Account
    client: Client
    features_before: ET.Element  # under TLS, before the login
    features: ET.Element  # after it

    async def identities(self, entity: str) -> set[tuple[str | None, str | None]]:
        answer = await self.client.query("get", f"<query xmlns='{INFO}'/>", to=entity)
        return {(entry.get("category"), entry.get("type")) for entry in answer.iter(f"{{{INFO}}}identity")}

    async def items(self) -> list[str]:
        """The domain's services."""
        answer = await self.client.query("get", f"<query xmlns='{ITEMS}'/>", to=self.service.domain)
        return [entry.get("jid", "") for entry in answer.iter(f"{{{ITEMS}}}item")]

    async def service_with(self, category: str, kind: str) -> str:
        """The service of this kind, found as a client finds it."""
        for item in await self.items():
            if (category, kind) in await self.identities(item):
                return item
        raise AssertionError(f"no service says that it is {category}/{kind}")


CHECKS: dict[str, Callable[[Visit], Awaitable[None]]] = {}


def check(name: str) -> Callable[[Callable[[Visit], Awaitable[None]]], Callable[[Visit], Awaitable[None]]]:
    """Registers a check by the tester's id."""

    def add(function: Callable[[Visit], Awaitable[None]]) -> Callable[[Visit], Awaitable[None]]:
        CHECKS[name] = function
        return function

    return add


@check("xep0115")
async def entity_capabilities(visit: Visit) -> None:
    assert visit.features.find("{http://jabber.org/protocol/caps}c") is not None


@check("xep0163")
async def personal_eventing(visit: Visit) -> None:
    assert ("pubsub", "pep") in await visit.identities(visit.account.jid)


@check("xep0384")
async def omemo(visit: Visit) -> None:
    """A node like OMEMO's is published open, made closed and open again by publish-options, and configured."""
    node = "eu.siacs.conversations.axolotl.test"
    content = "<list xmlns='eu.siacs.conversations.axolotl'/>"
    await visit.client.query("set", publish(node, {"current": content}, access_model="open"))
    assert list(await items(visit.client, visit.account.jid, node)) == ["current"]
    owner = "http://jabber.org/protocol/pubsub#owner"
    answer = await visit.client.query("get", f"<pubsub xmlns='{owner}'><configure node='{node}'/></pubsub>")
    field = answer.find(".//{jabber:x:data}field[@var='pubsub#access_model']/{jabber:x:data}value")
    assert field is not None
    assert field.text == "open"
    assert "http://jabber.org/protocol/pubsub#publish-options" in await visit.client.announced(visit.account.jid)


@check("xep0280")
async def carbons(visit: Visit) -> None:
    assert "urn:xmpp:carbons:2" in await visit.client.announced(visit.service.domain)


@check("xep0191")
async def blocking(visit: Visit) -> None:
    assert "urn:xmpp:blocking" in await visit.client.announced(visit.service.domain)


@check("xep0045")
async def rooms(visit: Visit) -> None:
    assert await visit.service_with("conference", "text") == visit.service.name("muc")


@check("xep0198")
async def stream_management(visit: Visit) -> None:
    assert visit.features.find("{urn:xmpp:sm:3}sm") is not None


@check("xep0313")
async def archive(visit: Visit) -> None:
    assert "urn:xmpp:mam:2" in await visit.client.announced(visit.account.jid)


@check("xep0313muc")
async def archive_of_rooms(visit: Visit) -> None:
    async with made_room(visit.client) as room:
        assert "urn:xmpp:mam:2" in await visit.client.announced(room)


@check("vcard_muc")
async def pictures_of_rooms(visit: Visit) -> None:
    async with made_room(visit.client) as room:
        assert "vcard-temp" in await visit.client.announced(room)


@check("xep0352")
async def client_state(visit: Visit) -> None:
    assert visit.features.find("{urn:xmpp:csi:0}csi") is not None


@check("xep0357")
async def push(visit: Visit) -> None:
    assert "urn:xmpp:push:0" in await visit.client.announced(visit.account.jid)


@check("xep0363")
async def upload(visit: Visit) -> None:
    store = await visit.service_with("store", "file")
    assert "urn:xmpp:http:upload:0" in await visit.client.announced(store)


@check("xep0368")
async def direct_tls(visit: Visit) -> None:
    """Without the SRV record, which is the operator's to publish."""
    with connected(visit.service, 5223) as stream:
        stream.encrypt(alpn="xmpp-client")
        assert stream.open().find(f"{SASL}mechanisms") is not None


@check("xep0398")
async def avatar_conversion(visit: Visit) -> None:
    assert "urn:xmpp:pep-vcard-conversion:0" in await visit.client.announced(visit.account.jid)


@check("xep0411")
async def bookmarks_conversion(visit: Visit) -> None:
    assert "urn:xmpp:bookmarks-conversion:0" in await visit.client.announced(visit.account.jid)


@check("xep0160")
async def offline_messages(visit: Visit) -> None:
    assert "msgoffline" in await visit.client.announced(visit.service.domain)


@check("xep0065")
async def proxy(visit: Visit) -> None:
    assert await visit.service_with("proxy", "bytestreams") == visit.service.name("proxy")


@check("roster_versioning")
async def roster_versioning(visit: Visit) -> None:
    assert visit.features.find("{urn:xmpp:features:rosterver}ver") is not None


@check("stun")
async def stun(visit: Visit) -> None:
    kinds = {(entry.get("type"), entry.get("transport")) for entry in await external_services(visit.client)}
    assert kinds & {("stun", "udp"), ("stun", "tcp"), ("stuns", "udp"), ("stuns", "tcp")}


@check("turn")
async def turn(visit: Visit) -> None:
    """With credentials in the first answer."""
    relays = [entry for entry in await external_services(visit.client) if entry.get("type") in ("turn", "turns")]
    assert relays
    assert all(entry.get("username") and entry.get("password") for entry in relays)


@check("xep0077")
async def registration(visit: Visit) -> None:
    assert visit.features_before.find("{http://jabber.org/features/iq-register}register") is not None


@check("xep0156")
async def alternative_connections(visit: Visit) -> None:
    for kind in ("", ".json"):
        links = await linked(visit.service, kind)
        assert set(LINKS) <= set(links)
        for relation, url in links.items():
            await assert_link_works(visit.service, relation, url)


@check("xep0363_cors")
async def upload_from_the_web(visit: Visit) -> None:
    slot = await ask_slot(visit.client, f"{secrets.token_hex(4)}.png", 1000)
    headers = {"Origin": "https://web.example.org", "Access-Control-Request-Method": "PUT"}
    answer = await visit.service.fetch("OPTIONS", slot.put, headers=headers)
    assert answer.status in (200, 204)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-headers" in answer.headers


@check("abuse-contact")
async def abuse_contact(visit: Visit) -> None:
    uris = forms(await asked(visit.client, visit.service.domain))[CONTACTS]["abuse-addresses"]
    assert all(uri.startswith(("mailto:", "xmpp:", "https:")) for uri in uris)


@pytest.fixture(scope="module")
def account(register: Register) -> Account:
    """One account for all checks, as the tester has."""
    (account,) = register(1)
    return account


@pytest.mark.parametrize("name", CHECKS)
async def test_compliance(service: Service, account: Account, name: str) -> None:
    with connected(service) as stream:
        features_before = stream.starttls()
        stream.scram("SCRAM-SHA-512-PLUS", account)
        features = stream.last_features
    async with login(service, account) as client:
        await client.online()
        await CHECKS[name](Visit(service, account, client, features_before, features))


def test_all_of_the_testers_checks_are_here() -> None:
    assert len(CHECKS) == 25
