# SPDX-License-Identifier: GPL-3.0-or-later
"""The account page as a visitor uses it: what it says, how somebody logs in, and what an app has put there before."""

from __future__ import annotations

import base64
import re

import pytest
from playwright.async_api import Page, expect

from ..kit.clients import Client, Refused, login
from ..kit.service import PATIENCE, Account, Service
from .site import words

WORDS = words("account")
OMEMO = "eu.siacs.conversations.axolotl"
DEVICES = f"{OMEMO}.devicelist"
BUNDLES = f"{OMEMO}.bundles"
OMEMO_2 = "urn:xmpp:omemo:2"
PUBSUB = "http://jabber.org/protocol/pubsub"
MAM = "urn:xmpp:mam:2"
BLOCKING = "urn:xmpp:blocking"
ROSTER = "jabber:iq:roster"


def said(language: str, name: str, about: str = "") -> str:
    """What the page says."""
    return str(WORDS[language]["said"][name]).replace("#", about)


async def enter(page: Page, account: Account) -> None:
    """Logs in, and waits until all parts are filled."""
    await page.fill("#address", account.jid)
    await page.fill("#login-password", account.password)
    await page.locator("#login button").click()
    await expect(page.locator("#inside")).to_be_visible()
    await expect(page.locator("#who")).to_have_text(account.jid)
    await filled(page)


async def filled(page: Page) -> None:
    for figure in ("archived", "waiting", "contacts", "blocked", "omemo"):
        await expect(page.locator(f"#figure-{figure}")).to_have_text(re.compile("[0-9]"))
    await expect(page.locator("#inside [inert]")).to_have_count(0, timeout=PATIENCE * 1000)


async def tells(page: Page, part: str, sentence: str, role: str = "status") -> None:
    """A part of the page says it, and so does a screen reader."""
    await expect(page.locator(f"#{part} [role={role}]")).to_have_text(sentence, timeout=PATIENCE * 1000)


async def publish_keys(client: Client, *ids: str) -> None:
    """As an app does for each of its devices."""
    for one in ids:
        key = base64.b64encode(b"\x05" + one.encode().rjust(32, b"\0")).decode()
        bundle = f"<bundle xmlns='{OMEMO}'><identityKey>{key}</identityKey></bundle>"
        await publish(client, f"{BUNDLES}:{one}", bundle)
    devices = "".join(f"<device id='{one}'/>" for one in ids)
    await publish(client, DEVICES, f"<list xmlns='{OMEMO}'>{devices}</list>")


async def publish(client: Client, node: str, content: str, name: str = "current") -> None:
    item = f"<publish node='{node}'><item id='{name}'>{content}</item></publish>"
    form = "".join(
        f"<field var='{option}'><value>{value}</value></field>"
        for option, value in (("FORM_TYPE", f"{PUBSUB}#publish-options"), ("pubsub#max_items", "max"))
    )
    options = f"<publish-options><x xmlns='jabber:x:data' type='submit'>{form}</x></publish-options>"
    await client.query("set", f"<pubsub xmlns='{PUBSUB}'>{item}{options}</pubsub>")


async def assert_refused(service: Service, account: Account) -> None:
    with pytest.raises(Refused):
        async with login(service, account):
            pass
