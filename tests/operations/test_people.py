# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/user.yml: what the operator does to accounts, as their users meet it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import secrets
import shlex
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ..kit import clients
from ..kit.newcomer import ask_form, hand_in, newcomer, read_picture, refusal, reset_limits, show_invitation
from ..kit.service import DATABASE, PATIENCE, PLAYBOOK_SECONDS, Account, Register, Service
from ..kit.stream import CLIENT, Stream, connected

pytestmark = pytest.mark.timeout(3 * PLAYBOOK_SECONDS)
REASON = 'sent 20 messages & <more>, "all" of them ünwanted'
BIND = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"

# Without what is used with open registration only.
CLOSED = '{"xmpp_registration": "closed", "xmpp_registration_question": {}}'


def user(service: Service, *words: str) -> str:
    """What the playbook says that has succeeded."""
    return service.succeed("user", *words)


def refused(service: Service, *words: str) -> str:
    """What the playbook says that has failed, in one line."""
    return service.fail("user", *words)


def listed(service: Service) -> dict[str, dict[str, Any]]:
    """The accounts as a program gets them."""
    accounts = json.loads(user(service, "format=json"))["accounts"]
    return {account["address"]: account for account in accounts}


def enter(stream: Stream, account: Account) -> str:
    """Logs in up to a session of its own; returns the reason why there is none, or ""."""
    stream.scram("SCRAM-SHA-512", account)
    return reason(stream.query("set", BIND))


def reason(answer: ET.Element) -> str:
    """An error's condition and the text that an app shows, "" for a result."""
    error = answer.find(f"{CLIENT}error")
    return "" if error is None else " ".join([refusal(answer), *(child.text for child in error if child.text)])


async def enter_web(service: Service, account: Account) -> str:
    """The same by WebSocket (RFC 7395)."""
    start = f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{service.domain}' version='1.0'/>"
    proof = base64.b64encode(f"\0{account.name}\0{account.password}".encode()).decode()
    login = f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>"
    async with service.web() as web, web.ws_connect(f"https://{service.domain}/ws", protocols=["xmpp"]) as socket:
        # <open/> and features, <success/>, <open/> and features
        for said, answers in ((start, 2), (login, 1), (start, 2)):
            await socket.send_str(said)
            for _ in range(answers):
                await socket.receive_str(timeout=PATIENCE)
        await socket.send_str(f"<iq xmlns='jabber:client' type='set' id='bind'>{BIND}</iq>")
        return reason(ET.fromstring(await socket.receive_str(timeout=PATIENCE)))


async def test_banned_is_out_until_the_ban_is_lifted(service: Service, register: Register) -> None:
    """At once, by every way in, also for an app that lost its connection just before, and after a restart."""
    mallory, bob = register(2)
    with connected(service) as lost:
        lost.starttls()
        assert enter(lost, mallory) == ""
        lost.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        session = lost.read().get("id")
    async with clients.login(service, mallory) as client, clients.login(service, bob) as other:
        await client.online()
        await other.online()
        gone = client.disconnected
        await asyncio.to_thread(user, service, f"ban={mallory.name}", f"reason={REASON}")
        async with asyncio.timeout(PATIENCE):
            await gone
        other.say(bob.jid, "still here")
        await other.hear("still here")
    with connected(service) as stream:
        stream.starttls()
        stream.scram("SCRAM-SHA-512", mallory)
        stream.send(f"<resume xmlns='urn:xmpp:sm:3' h='0' previd='{session}'/>")
        assert stream.read().tag == "{urn:xmpp:sm:3}failed"
    for restarted in False, True:
        if restarted:
            await asyncio.to_thread(service.restart)
        with connected(service) as stream:
            stream.starttls()
            assert enter(stream, mallory) == "not-allowed Access denied by service policy"
        assert await enter_web(service, mallory) == "not-allowed Access denied by service policy"
    accounts = await asyncio.to_thread(listed, service)
    assert accounts[mallory.jid] == {"address": mallory.jid, "banned": True, "deleted": False, "reason": REASON}
    assert accounts[bob.jid] == {"address": bob.jid, "banned": False, "deleted": False, "reason": ""}
    assert "banned no longer" in await asyncio.to_thread(user, service, f"unban={mallory.name}")
    async with clients.login(service, mallory):
        pass
    assert await enter_web(service, mallory) == ""
    await asyncio.to_thread(service.checkpoint)
    assert not await asyncio.to_thread(service.stored, "messages &amp; &lt;more")
    # Not even an empty one, which the account's owner could read and export.
    statement = "SELECT username, namespace FROM private_storage"
    script = f"import sqlite3; print(*sqlite3.connect('{DATABASE}').execute('{statement}'))"
    kept = await asyncio.to_thread(
        service.host.check_output, shlex.join(["runuser", "-u", "ejabberd", "--", "python3", "-c", script])
    )
    assert repr((mallory.name, "conexizan:banned")) not in kept


def test_ban_twice_changes_nothing(service: Service, register: Register) -> None:
    (mallory,) = register(1)
    assert "changed=1" in user(service, f"ban={mallory.name}", "reason=spam")
    assert "changed=0" in user(service, f"ban={mallory.jid}", "reason=spam")
    assert "changed=1" in user(service, f"ban={mallory.name}", "reason=spam in rooms")
    table = user(service)
    assert re.search(rf"^{re.escape(mallory.jid)} +yes +spam in rooms$", table, re.MULTILINE), table
    assert "changed=1" in user(service, f"unban={mallory.name}")
    assert "changed=0" in user(service, f"unban={mallory.name}")


def test_ban_outlives_what_its_owner_deletes_and_can_be_lifted(service: Service, register: Register) -> None:
    """Whoever is banned does not come back by deleting the account and making it anew."""
    (mallory,) = register(1)
    user(service, f"ban={mallory.name}", "reason=spam")
    service.api(("unregister", {"user": mallory.name, "host": service.domain}))
    assert listed(service)[mallory.jid] == {"address": mallory.jid, "banned": True, "deleted": True, "reason": ""}
    password = service.api(("register", {"user": mallory.name, "host": service.domain}))[0]
    again = Account(mallory.name, password, service.domain)
    with connected(service) as stream:
        stream.starttls()
        assert enter(stream, again) == "not-allowed Access denied by service policy"
    service.api(("unregister", {"user": mallory.name, "host": service.domain}))
    assert "banned no longer" in user(service, f"unban={mallory.name}")
    assert mallory.jid not in listed(service)
    assert f'unban is "{mallory.jid}", which is no account here' in refused(service, f"unban={mallory.name}")


def test_account_is_made_with_a_password(service: Service) -> None:
    """Whatever ways to an account people have. Names that are taken, banned or reserved, or no names, are refused."""
    maria = newcomer()
    said = json.loads(user(service, f"create={maria.name}", "format=json"))
    assert said["changes"] == [f"{maria.jid} is made"]
    assert maria.jid in listed(service)
    with connected(service) as stream:
        stream.starttls()
        assert enter(stream, Account(maria.name, said["password"], service.domain)) == ""
    assert f'create is "{maria.jid}", which is here already' in refused(service, f"create={maria.name}")
    assert "a name that is reserved for the operator" in refused(service, "create=admin")
    # The others: tests/unit/test_refusals.py.
    assert 'create is "Maria", which is not a valid account name' in refused(service, "create=Maria")


def test_check_says_what_would_be(service: Service, register: Register) -> None:
    """And nothing of it is."""
    (maria,) = register(1)
    new = newcomer()
    before = listed(service)
    for words, said in (
        ((f"create={new.name}",), f"{new.jid} would be made"),
        ((f"ban={maria.name}", 'reason="it\'s spam"'), f"{maria.jid} would be banned: it's spam"),
        ((f"reset={maria.name}",), f"{maria.jid}: a new password could be set"),
        ((f"reset={maria.name}", CLOSED), f"{maria.jid} would get a new password"),
        ((f"delete={maria.name}", f"sure={maria.name}"), f"{maria.jid} would be deleted"),
    ):
        assert said in user(service, "--check", *words).splitlines()
    assert listed(service) == before
    with connected(service) as stream:
        stream.starttls()
        assert enter(stream, maria) == ""


def test_text_in_any_script_is_a_reason(service: Service, register: Register) -> None:
    """As the documentation says that an apostrophe is typed; the table shows it as it is."""
    (mallory,) = register(1)
    for typed, kept in (
        ('"it\'s spam"', "it's spam"),
        ("گفت\u200cوگو 👨\u200d👩\u200d👧", "گفت\u200cوگو 👨\u200d👩\u200d👧"),
    ):
        user(service, f"ban={mallory.name}", f"reason={typed}")
        assert listed(service)[mallory.jid]["reason"] == kept
    assert kept in user(service)


def test_deleted_account_is_gone_and_its_name_is_free(service: Service, register: Register) -> None:
    """Neither a ban nor a link for a new password outlives the account and troubles whoever has the name next."""
    (mallory,) = register(1)
    user(service, f"ban={mallory.name}", "reason=spam")
    link = reset_link(service, mallory)
    user(service, f"delete={mallory.name}", f"sure={mallory.name}")
    assert mallory.jid not in listed(service)
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, token_of(link))) == "item-not-found"
    service.checkpoint()
    assert not service.stored(mallory.name)
    password = service.api(("register", {"user": mallory.name, "host": service.domain}))[0]
    with connected(service) as stream:
        stream.starttls()
        assert enter(stream, Account(mallory.name, password, service.domain)) == ""


def ended(stream: Stream) -> bool:
    """Has the server ended the session, after what it had to say before?"""
    with contextlib.suppress(ConnectionError):
        while True:
            stream.read()
    return True


def reset_link(service: Service, account: Account) -> str:
    """The link that the operator passes on."""
    said = user(service, f"reset={account.name}")
    (link,) = re.findall(rf"https://{re.escape(service.domain)}/invite#\S+", said)
    return str(link)


def token_of(link: str) -> str:
    return link.partition(";preauth=")[2]


def set_password(service: Service, link: str, account: Account) -> str:
    """Does what the page does that the link leads to; returns why the server refuses, or ""."""
    with connected(service) as stream, connected(service) as stranger:
        stream.starttls()
        if refused := refusal(show_invitation(stream, token_of(link))):
            return refused
        stranger.starttls()
        challenge = ask_form(stranger).challenge
        fields = {"username": account.name, "password": account.password, "challenge": challenge}
        return refusal(hand_in(stream, **fields, ocr=read_picture(service, challenge)))


def test_link_gives_a_new_password_once(service: Service, register: Register) -> None:
    """To its account alone; a newer link is the only one that holds."""
    alice, bob = register(2)
    reset_limits(service)
    older, link = reset_link(service, alice), reset_link(service, alice)
    changed = Account(alice.name, secrets.token_urlsafe(12), service.domain)
    assert set_password(service, older, changed) == "item-not-found"
    assert set_password(service, link, Account(bob.name, changed.password, service.domain)) == "not-allowed"
    assert set_password(service, link, changed) == ""
    assert set_password(service, link, changed) == "item-not-found"
    for account, wanted in ((changed, ""), (bob, "")):
        with connected(service) as stream:
            stream.starttls()
            assert enter(stream, account) == wanted
    with connected(service) as stream:
        stream.starttls()
        with pytest.raises(Exception, match="not-authorized"):
            enter(stream, alice)


def test_without_registration_a_new_password_is_told(service: Service, register: Register) -> None:
    """There is no page then. Whoever had the old one is out."""
    (alice,) = register(1)
    with connected(service) as stream:
        stream.starttls()
        assert enter(stream, alice) == ""
        said = user(service, f"reset={alice.name}", CLOSED)
        assert ended(stream)
    (password,) = re.findall(r"in their app: (\S+)", said)
    with connected(service) as stream:
        stream.starttls()
        assert enter(stream, Account(alice.name, password, service.domain)) == ""


def test_new_password_of_an_administrator_makes_the_file_old(service: Service) -> None:
    """Who runs it is told so."""
    said = user(service, "reset=admin")
    (token,) = re.findall(r"preauth=(\S+)", said)
    service.api(("delete_invite_by_token", {"host": service.domain, "token": token}))
    assert "/account-admin.txt then no longer works" in said


# One of each verb; what else is decided before the host is asked: tests/unit/test_refusals.py.
WRONG: dict[tuple[str, ...], str] = {
    ("ban=nobody-of-that-name", "reason=x"): 'ban is "nobody-of-that-name@site.test", which is no account here',
    ("delete=mallory", "sure=malory"): 'sure is "malory@site.test", which is not the account to delete',
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_invalid_options_are_rejected(service: Service, words: tuple[str, ...]) -> None:
    said = refused(service, *words)
    assert WRONG[words] in said
    assert "changed=0" in said
