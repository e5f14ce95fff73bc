# SPDX-License-Identifier: GPL-3.0-or-later
"""People see the apps and push registrations of their account, and end one; nobody does that to another account."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from ..kit.account_file import OMEMO, grow_stale, publish, publish_keys
from ..kit.clients import login
from ..kit.service import Account, Register, Service, wait_for
from ..kit.sessions import SM, app, is_ended, logged_in, until
from ..kit.strangers import elsewhere
from ..kit.stream import SASL2, Stream, ask_token, connected, login_by_token

CAM = "{urn:xmpp:cam:0}"
OWN = "{conexizan:devices}"
ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
LIST = "<list xmlns='urn:xmpp:cam:0'/>"
PUSH = "<push xmlns='conexizan:devices'/>"
KEYS = "<keys xmlns='conexizan:devices'/>"


def logout(identity: str) -> str:
    return f"<logout xmlns='conexizan:devices' id='{identity}'/>"


def push_off(identity: str) -> str:
    return f"<push-off xmlns='conexizan:devices' id='{identity}'/>"


def revoke(identity: str) -> str:
    return f"<revoke xmlns='urn:xmpp:cam:0' id='{identity}'/>"


def refusal(answer: ET.Element) -> str:
    assert answer.get("type") == "error", ET.tostring(answer)
    return next(one.tag.removeprefix(ERRORS) for one in answer.iter() if one.tag.startswith(ERRORS))


def clients(stream: Stream) -> dict[str, ET.Element]:
    """The apps of whoever asks, by the resources of their sessions; one without any by the empty name."""
    answer = stream.query("get", LIST)
    found = answer.findall(f"{CAM}clients/{CAM}client")
    assert found, ET.tostring(answer)
    by_resource: dict[str, ET.Element] = {}
    for one in found:
        by_resource |= {session.get("resource", ""): one for session in one.findall(f"{OWN}session")} or {"": one}
    return by_resource


def pushes(stream: Stream) -> list[dict[str, str]]:
    answer = stream.query("get", PUSH)
    assert answer.get("type") == "result"
    return [one.attrib for one in answer.iterfind(f"{OWN}push/{OWN}app")]


@contextlib.contextmanager
def at_home(service: Service, account: Account) -> Iterator[tuple[Stream, str]]:
    """Somebody who looks after the account; the name of that session."""
    with logged_in(service, account) as stream:
        yield stream, stream.bind().partition("/")[2]


def is_alive(stream: Stream) -> bool:
    return stream.query("get", "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"


def test_apps_are_listed_as_they_call_themselves(service: Service, register: Register) -> None:
    """By the names of XEP-0494; an old app by its resource alone. A name as long as it likes fills no page."""
    (alice,) = register(1)
    with (
        at_home(service, alice) as (stream, own),
        app(service, alice) as (_, phone, _),
        app(service, alice, "x" + 2000 * "\u0301") as (_, long, _),
    ):
        found = clients(stream)
        assert set(found) == {own, phone, long}
        for one in found.values():
            assert (one.get("type"), one.get("connected")) == ("session", "true")
            assert one.find(f"{CAM}permission[@status='unrestricted']") is not None
            assert one.find(f"{CAM}auth/{CAM}password") is not None
            seen = datetime.fromisoformat(one.findtext(f"{CAM}last-seen", ""))
            assert abs(datetime.now(UTC) - seen) < timedelta(minutes=5)
        agent = {child.tag: child.text for child in found[phone].iterfind(f"{CAM}user-agent/*")}
        assert agent == {f"{CAM}software": "Chat & talk", f"{CAM}device": "phone"}
        assert len(found[long].findtext(f"{CAM}user-agent/{CAM}software", "")) == 100
        assert len(found[own].findall(f"{CAM}user-agent/*")) == 0
        assert {name for name, one in found.items() if one.find(f"{CAM}auth/{CAM}fast") is not None} == {phone, long}
        assert [name for name, one in found.items() if one.find(f"{OWN}session[@own='true']") is not None] == [own]
        # Whoever has had the password comes back with it, so it says (XEP-0494, 3.2).
        answer = stream.query("set", revoke(found[phone].get("id", "")))
        assert refusal(answer) == "service-unavailable"
        assert answer.find(f".//{CAM}password-reset-required") is not None
        assert set(clients(stream)) == {own, phone, long}


def test_an_app_is_logged_out_with_its_token_and_its_push(service: Service, register: Register) -> None:
    """And no other one. By the time of the answer it has gone, and it cannot be logged out once more."""
    (alice,) = register(1)
    token_of_another, _ = ask_token(service, alice)
    with (
        at_home(service, alice) as (stream, own),
        app(service, alice, language="de") as (lost, name, token),
        app(service, alice) as (kept, other, _),
    ):
        for one, node in ((lost, "lost"), (kept, "kept")):
            assert (
                one.query("set", f"<enable xmlns='urn:xmpp:push:0' jid='push.elsewhere.example' node='{node}'/>").get(
                    "type"
                )
                == "result"
            )
        identity = clients(stream)[name].get("id", "")
        assert stream.query("set", logout(identity)).get("type") == "result"
        assert {own, other} == set(clients(stream)) - {""}
        assert [one.get("client") for one in pushes(stream)] == [clients(stream)[other].get("id")]
        assert is_ended(lost) == "Diese App wurde vom Konto aus abgemeldet."
        assert is_alive(kept)
        assert refusal(stream.query("set", logout(identity))) == "item-not-found"
        assert refusal(stream.query("set", revoke(identity))) == "item-not-found"
    with connected(service, user=alice) as back:
        assert login_by_token(back, alice, token).tag == f"{SASL2}failure"
    with connected(service, user=alice) as back:
        assert login_by_token(back, alice, token_of_another).tag == f"{SASL2}success"


def test_a_token_without_a_session_is_revoked(service: Service, register: Register) -> None:
    """Of a lost phone that is switched off."""
    (alice,) = register(1)
    token, _ = ask_token(service, alice)
    with at_home(service, alice) as (stream, _):
        wait_for(lambda: clients(stream).get("") is not None)  # the stream that got it is closed
        phone = clients(stream)[""]
        assert phone.get("connected") == "false"
        assert abs(datetime.now(UTC) - datetime.fromisoformat(phone.findtext(f"{CAM}last-seen", ""))) < timedelta(
            minutes=5
        )
        assert stream.query("set", logout(phone.get("id", ""))).get("type") == "result"
        assert "" not in clients(stream)
    with connected(service, user=alice) as back:
        assert login_by_token(back, alice, token).tag == f"{SASL2}failure"


def test_a_session_that_sleeps_is_ended_and_one_that_came_back_is_the_same(
    service: Service, register: Register
) -> None:
    """XEP-0198: it keeps its id, its name and its time when its app comes back; it does not come back from a logout."""
    (alice,) = register(1)
    with at_home(service, alice) as (stream, _):
        with app(service, alice) as (phone, name, _):
            phone.send(f"<enable xmlns='{SM}' resume='true'/>")
            number = until(phone, f"{{{SM}}}enabled")["id"]
            before = ET.tostring(clients(stream)[name])
        with logged_in(service, alice) as phone:
            phone.send(f"<resume xmlns='{SM}' h='0' previd='{number}'/>")
            until(phone, f"{{{SM}}}resumed")
            assert ET.tostring(clients(stream)[name]) == before
        identity = clients(stream)[name].get("id", "")
        assert stream.query("set", logout(identity)).get("type") == "result"
        assert name not in clients(stream)
        with logged_in(service, alice) as phone:
            phone.send(f"<resume xmlns='{SM}' h='0' previd='{number}'/>")
            until(phone, f"{{{SM}}}failed")


def test_nobody_logs_out_the_app_that_asks(service: Service, register: Register) -> None:
    (alice,) = register(1)
    with at_home(service, alice) as (stream, own):
        assert refusal(stream.query("set", logout(clients(stream)[own].get("id", "")))) == "not-allowed"
        assert is_alive(stream)


def test_push_is_listed_and_switched_off(service: Service, register: Register) -> None:
    """One registration of two with the same server; what would let somebody send there is not shown."""
    (alice,) = register(1)
    with (
        at_home(service, alice) as (stream, _),
        app(service, alice) as (phone, name, _),
        app(service, alice) as (tablet, other, _),
    ):
        for one in (phone, tablet):
            form = "<x xmlns='jabber:x:data' type='submit'><field var='secret'><value>top-secret</value></field></x>"
            where = f"jid='push.elsewhere.example' node='{secrets.token_hex(8)}'"
            enable = f"<enable xmlns='urn:xmpp:push:0' {where}>{form}</enable>"
            assert one.query("set", enable).get("type") == "result"
        answer = stream.query("get", PUSH)
        assert "top-secret" not in ET.tostring(answer, "unicode")
        found = {one["client"]: one for one in pushes(stream)}
        ids = {who: clients(stream)[who].get("id", "") for who in (name, other)}
        assert set(found) == set(ids.values())
        registration = found[ids[name]]
        assert set(registration) == {"id", "server", "since", "client"}
        assert registration["server"] == "push.elsewhere.example"
        assert abs(datetime.now(UTC) - datetime.fromisoformat(registration["since"])) < timedelta(minutes=5)
        assert stream.query("set", push_off(registration["id"])).get("type") == "result"
        assert [one["client"] for one in pushes(stream)] == [ids[other]]
        assert refusal(stream.query("set", push_off(registration["id"]))) == "item-not-found"
        assert is_alive(phone)


@pytest.mark.attack("seeing the apps of another account, or logging them out")
def test_nobody_reaches_the_apps_of_another_account(service: Service, register: Register) -> None:
    """Neither from here nor from elsewhere, by no address and no kind of request, whether the account exists or not."""
    alice, mallory = register(2)
    with at_home(service, alice) as (victim, own), at_home(service, mallory) as (stream, _):
        assert (
            victim.query("set", "<enable xmlns='urn:xmpp:push:0' jid='push.elsewhere.example' node='n'/>").get("type")
            == "result"
        )
        identity, push = clients(victim)[own].get("id", ""), pushes(victim)[0]["id"]
        deeds = [
            ("get", LIST),
            ("set", revoke(identity)),
            ("set", logout(identity)),
            ("get", PUSH),
            ("get", KEYS),
            ("set", push_off(push)),
        ]
        for kind, deed in deeds:
            for to in (alice.jid, alice.jid.upper(), f"nobody-{secrets.token_hex(4)}@{service.domain}"):
                assert refusal(stream.query(kind, deed, to)) == "not-allowed", (deed, to)
            # By one's own address, it is not one's own app; the domain does not know it at all.
            assert refusal(stream.query(kind, deed, service.domain)) == "service-unavailable"
            other = {"get": "set", "set": "get"}[kind]
            assert refusal(stream.query(other, deed)) == "bad-request", deed
            # To a session, it is a matter of its app, which hears of it and says what it likes.
            stream.send(f"<iq type='{kind}' id='full' to='{alice.jid}/{own}'>{deed}</iq>")
            stranger = f"{alice.name}@{elsewhere().partition('@')[2]}"
            stanza = f"<iq type='{kind}' id='elsewhere'>{deed}</iq>"
            service.api(("send_stanza", {"from": f"{stranger}/{own}", "to": alice.jid, "stanza": stanza}))
        for deed in (logout(identity), push_off(push), revoke(identity)):
            assert refusal(stream.query("set", deed)) == "item-not-found", deed
        assert refusal(stream.query("set", "<anything xmlns='conexizan:devices'/>")) == "bad-request"
        assert is_alive(victim)
        assert [one["id"] for one in pushes(victim)] == [push]


async def test_day_of_keys_is_that_of_their_publication(service: Service, register: Register) -> None:
    """Of both versions of OMEMO; published again, keys are new ones. Other nodes have none, and other people others."""
    alice, bob = register(2)
    omemo = "urn:xmpp:omemo:2"
    async with login(service, alice) as client, login(service, bob) as other:

        async def renewed() -> dict[tuple[str, str], datetime]:
            found = (await client.query("get", KEYS)).findall(f"{OWN}keys/{OWN}device")
            return {
                (one.get("version", ""), one.get("id", "")): datetime.fromisoformat(one.get("renewed", ""))
                for one in found
            }

        assert await renewed() == {}
        await publish_keys(client, "1111", "2222")
        await publish(client, f"{omemo}:bundles", f"<bundle xmlns='{omemo}'/>", "3333")
        await publish(client, "urn:test:node", "<test xmlns='urn:test'/>", "4444")
        await publish_keys(other, "5555")
        found = await renewed()
        assert set(found) == {(OMEMO, "1111"), (OMEMO, "2222"), (omemo, "3333")}
        assert all(abs(datetime.now(UTC) - day) < timedelta(minutes=2) for day in found.values())
        grow_stale(service, alice, "1111")
        assert datetime.now(UTC) - (await renewed())[OMEMO, "1111"] > timedelta(days=365)
        await publish_keys(client, "1111")
        assert datetime.now(UTC) - (await renewed())[OMEMO, "1111"] < timedelta(minutes=2)
