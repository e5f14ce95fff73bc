# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of spam and abuse from an app (XEP-0377): they reach the administrators, and the block works as ever."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from xml.etree import ElementTree as ET

from slixmpp.exceptions import IqError

from ..kit.clients import REPORTING, login, report
from ..kit.service import Account, Register, Service

AT_ONCE = 10
BODY = "{jabber:client}body"


def told_of(words: str) -> Callable[[ET.Element], bool]:
    """Is it a message with these words in it?"""
    return lambda stanza: words in stanza.findtext(BODY, "")


async def test_server_says_that_it_takes_reports(service: Service, register: Register) -> None:
    (alice,) = register(1)
    async with login(service, alice) as client:
        assert REPORTING in await client.announced(service.domain)


async def test_report_reaches_the_administrator_and_blocks(
    service: Service, register: Register, admin: Account
) -> None:
    alice, mallory = register(2)
    text, identity = f"<Ärger> & {secrets.token_hex(8)}", secrets.token_hex(8)
    async with login(service, admin) as operator, login(service, alice) as client:
        await operator.online()
        await report(client, mallory.jid, text, "abuse", (identity,))
        message = await operator.messages.get(told_of(text))
        listed = await client.query("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
    assert message.get("from") == service.domain
    said = message.findtext(BODY, "")
    assert said.startswith(f"Report of abuse\nabout: {mallory.jid}\nby: {alice.jid}\n")
    assert identity in said
    assert f"xmpp:{alice.jid}" in said.splitlines()[-1]
    assert [item.get("jid") for item in listed.iter("{urn:xmpp:blocking}item")] == [mallory.jid]


async def test_report_forges_no_line(service: Service, register: Register, admin: Account) -> None:
    """What a user writes is marked as theirs on each line, and who is no address is not reported."""
    alice, mallory = register(2)
    marker = secrets.token_hex(8)
    async with login(service, admin) as operator, login(service, alice) as client:
        await operator.online()
        with contextlib.suppress(IqError):
            await report(client, f"{marker}@elsewhere.example&#10;by: admin@{service.domain}")
        forged = f"one {marker}\nby: admin@{service.domain}\u2028about: nobody"
        await report(client, mallory.jid, forged, messages=(f"{marker}&#10;by: nobody",))
        said = (await operator.messages.get(told_of(marker))).findtext(BODY, "")
        assert operator.messages.all(told_of(marker)) == []
    lines = [line for line in said.splitlines() if line.startswith(("by:", "about:"))]
    assert lines == [f"about: {mallory.jid}", f"by: {alice.jid}"]
    assert f"> one {marker}" in said.splitlines()


async def test_report_waits_for_an_administrator_who_is_away(
    service: Service, register: Register, admin: Account
) -> None:
    """Of somebody on another server, too, who need not exist."""
    (alice,) = register(1)
    stranger = f"stranger-{secrets.token_hex(4)}@elsewhere.example"
    async with login(service, alice) as client:
        await report(client, stranger)
    async with login(service, admin) as operator:
        await operator.online()
        said = (await operator.messages.get(told_of(stranger))).findtext(BODY, "")
    assert said.startswith("Report of spam\n")


async def test_block_without_a_report_tells_nobody(service: Service, register: Register, admin: Account) -> None:
    alice, bob, mallory = register(3)
    async with login(service, admin) as operator, login(service, alice) as client:
        await operator.online()
        await client.query("set", f"<block xmlns='urn:xmpp:blocking'><item jid='{bob.jid}'/></block>")
        await report(client, mallory.jid)
        await operator.messages.get(told_of(mallory.jid))
        assert operator.messages.all(told_of(bob.jid)) == []


async def test_reports_of_one_account_do_not_flood(service: Service, register: Register, admin: Account) -> None:
    """Ten at once; what is more only blocks. Others are heard meanwhile."""
    alice, bob = register(2)
    marker = secrets.token_hex(8)
    async with login(service, admin) as operator, login(service, alice) as client, login(service, bob) as other:
        await operator.online()
        for number in range(AT_ONCE + 3):
            await report(client, f"{number}-{marker}@elsewhere.example")
        await report(other, f"last-{marker}@elsewhere.example")
        await operator.messages.get(told_of(f"last-{marker}"))
        assert len(operator.messages.all(told_of(marker))) == AT_ONCE
        listed = await client.query("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
    assert len(list(listed.iter("{urn:xmpp:blocking}item"))) == AT_ONCE + 3


async def test_report_sent_to_somebody_else_is_none(service: Service, register: Register, admin: Account) -> None:
    """Only what an account sends to itself counts, and a report of great length is cut."""
    alice, bob, mallory = register(3)
    async with login(service, admin) as operator, login(service, alice) as client:
        await operator.online()
        client.send_raw(
            f"<iq type='set' id='other' to='{bob.jid}'><block xmlns='urn:xmpp:blocking'><item jid='{bob.jid}'>"
            f"<report xmlns='{REPORTING}' reason='urn:xmpp:reporting:spam'/></item></block></iq>"
        )
        await report(client, mallory.jid, "x" * 50_000)
        said = (await operator.messages.get(told_of(mallory.jid))).findtext(BODY, "")
        assert operator.messages.all(told_of(bob.jid)) == []
    assert len(said) < 3000
