# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the service as a user's app sees it: the login, and the features that the server offers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.calls import announced, turn
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.https import Answer, fetch, settled
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.push import push
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import PORTS_FIRST, Service
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.trouble import ANSWER, Trouble, judged, reason
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.web import FILE, UPLOAD, upload
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.xmpp_stream import (
    INFO,
    PING,
    Stream,
    features_of,
    identities_of,
)

ITEMS = "http://jabber.org/protocol/disco#items"
EXTDISCO = "urn:xmpp:extdisco:2"
PUBSUB = "http://jabber.org/protocol/pubsub"
MUC = "http://jabber.org/protocol/muc"
DATA = "{jabber:x:data}"


async def user(service: Service) -> list[Row]:
    """Run the checks that need an account."""
    account: dict[str, str] = service.settings["account"]
    domain = service.main["domain"]
    rest = ["file upload", "XEPs", "push", *(["TURN"] if service.settings["turn_domain"] else [])]

    def unchecked(why: str) -> list[Row]:
        return [
            row(subject, WARN, f"skipped: {why}", f"Fix {'the login' if 'login' in why else 'that'} first.")
            for subject in rest
        ]

    if not account:
        fix = "First fix what the rows above report. Otherwise, on the host: systemctl status ejabberd"
        trouble = service.settings["account_trouble"]
        if not trouble:
            rest.insert(0, "login")
            return unchecked("no SSH access to the host")
        return [row("login", FAIL, f"no test account: {trouble}", fix), *unchecked("no login")]
    try:
        async with asyncio.timeout(ANSWER):
            reader, writer = await service.connect(service.main["host"], 5222)
            stream = Stream(reader, writer, domain)
            before = await stream.starttls(service.lenient)
            after = await stream.login(account["name"], account["password"])
    except (OSError, EOFError, Trouble) as error:
        words = reason(error)
        fix = PORTS_FIRST if words.startswith("port ") else "On the host: systemctl status ejabberd"
        return [row("login", FAIL, words, fix), *unchecked("no login")]
    try:
        async with asyncio.timeout(3 * ANSWER):
            visited = await visit(service, stream, account["name"], before, after)
            pushed = await judged("push", push(service, stream, account["name"], account["password"]))
            return [row("login", PASS, "works"), *visited, pushed]
    except (OSError, EOFError, Trouble) as error:
        return [row("login", PASS, "works"), *unchecked(f"session: {reason(error)}")]
    finally:
        writer.close()


async def visit(service: Service, stream: Stream, name: str, before: ET.Element, after: ET.Element) -> list[Row]:
    """Query the server as a client does; the room created here disappears when its only occupant leaves."""
    main, jid, node = service.main, f"{name}@{service.main['domain']}", "eu.siacs.conversations.axolotl.test"
    room = f"{name}@{main['muc']}"
    info = f"<query xmlns='{INFO}'/>"
    first = [
        (main["domain"], "get", info),
        (jid, "get", info),
        (main["muc"], "get", info),
        (main["upload"], "get", info),
        (main["proxy"], "get", info),
        (main["domain"], "get", f"<query xmlns='{ITEMS}'/>"),
        (main["domain"], "get", f"<services xmlns='{EXTDISCO}'/>"),
        (main["upload"], "get", f"<request xmlns='{UPLOAD}' filename='check.bin' size='{len(FILE)}'/>"),
        ("", "set", publish(node)),
        ("", "get", "<query xmlns='jabber:iq:private'><check xmlns='conexizan:check'/></query>"),
        ("", "get", "<vCard xmlns='vcard-temp'/>"),
    ]
    server, own, muc, store, proxy, items, relays, slot, *others = await stream.ask(first)
    credentials = next(
        (
            (entry.get("username", ""), entry.get("password", ""))
            for entry in relays.iter(f"{{{EXTDISCO}}}service")
            if entry.get("type") == "turn"
        ),
        ("", ""),
    )
    await stream.send(f"<presence to={quoteattr(room + '/check')}><x xmlns='{MUC}'/></presence>")

    async def inside() -> list[ET.Element]:
        owner = f"{PUBSUB}#owner"
        answers = await stream.ask(
            [
                (room, "get", info),
                (f"{room}/check", "get", f"<ping xmlns='{PING}'/>"),
                ("", "get", f"<pubsub xmlns='{owner}'><configure node='{node}'/></pubsub>"),
            ]
        )
        await stream.send(f"<presence to={quoteattr(room + '/check')} type='unavailable'/>")
        return answers

    put = slot.find(f".//{{{UPLOAD}}}put")
    url = put.get("url", "") if put is not None else service.url("/", main["upload"])
    tasks: list[Awaitable[Any]] = [
        inside(),
        judged("file upload", upload(service, slot)),
        settled(fetch(service, "OPTIONS", url, {"Origin": "https://web.example.org"})),
    ]
    if service.settings["turn_domain"]:
        tasks.append(judged("TURN", turn(service, credentials)))
    (seen, pinged, config), uploaded, preflight, *turned = await asyncio.gather(*tasks)
    there = {
        "server": features_of(server),
        "own": features_of(own),
        "room": features_of(seen),
    }
    listed = {entry.get("jid", "") for entry in items.iter(f"{{{ITEMS}}}item")}
    hosts = {entry.get("host", "") for entry in relays.iter(f"{{{EXTDISCO}}}service")}
    kinds = {(entry.get("type"), bool(entry.get("username"))) for entry in relays.iter(f"{{{EXTDISCO}}}service")}
    open_node = config.findtext(f".//{DATA}field[@var='pubsub#access_model']/{DATA}value") == "open"
    contacts = {entry.get("var") for entry in server.iter(f"{DATA}field") if entry.find(f"{DATA}value") is not None}
    facts = {
        "XEP-0030 service discovery": bool(there["server"]),
        "XEP-0045 rooms": main["muc"] in listed and ("conference", "text") in identities_of(muc),
        "XEP-0048 and 0411 bookmarks": "urn:xmpp:bookmarks-conversion:0" in there["own"],
        "XEP-0049 private storage": others[1].get("type") == "result",
        "XEP-0054 vCards": others[2].get("type") == "result",
        "XEP-0065 proxy": main["proxy"] in listed and ("proxy", "bytestreams") in identities_of(proxy),
        "XEP-0115 capabilities": after.find("{http://jabber.org/protocol/caps}c") is not None,
        "XEP-0153 and 0398 avatars": "urn:xmpp:pep-vcard-conversion:0" in there["own"],
        "XEP-0153 room avatars": "vcard-temp" in there["room"],
        "XEP-0157 contact for abuse": "abuse-addresses" in contacts,
        "XEP-0160 offline messages": "msgoffline" in there["server"],
        "XEP-0163 personal eventing": ("pubsub", "pep") in identities_of(own),
        "XEP-0191 blocking": "urn:xmpp:blocking" in there["server"],
        "XEP-0198 stream management": after.find("{urn:xmpp:sm:3}sm") is not None,
        "XEP-0223 and 0384 OMEMO": others[0].get("type") == "result"
        and open_node
        and f"{PUBSUB}#publish-options" in there["own"],
        "XEP-0237 roster versions": after.find("{urn:xmpp:features:rosterver}ver") is not None,
        "XEP-0280 carbons": "urn:xmpp:carbons:2" in there["server"],
        "XEP-0313 archive": "urn:xmpp:mam:2" in there["own"],
        "XEP-0313 archive of rooms": "urn:xmpp:mam:2" in there["room"],
        "XEP-0352 client state": after.find("{urn:xmpp:csi:0}csi") is not None,
        "XEP-0357 push": "urn:xmpp:push:0" in there["own"],
        "XEP-0363 uploads": main["upload"] in listed and UPLOAD in features_of(store),
        "XEP-0363 uploads from web sites": isinstance(preflight, Answer)
        and preflight.headers.get("access-control-allow-origin") == "*"
        and "PUT" in preflight.headers.get("access-control-allow-methods", "")
        and "access-control-allow-headers" in preflight.headers,
        "XEP-0402 bookmarks": "urn:xmpp:bookmarks:1#compat" in there["own"],
        "XEP-0410 self-ping": pinged.get("type") == "result",
    }
    if service.settings["turn_domain"]:
        facts["XEP-0215 STUN"] = bool({kind for kind, _ in kinds} & {"stun", "stuns"})
        facts["XEP-0215 TURN"] = ("turn", True) in kinds and ("turn", False) not in kinds
    if service.settings["registration"] != "closed":
        facts["XEP-0077 registration"] = before.find("{http://jabber.org/features/iq-register}register") is not None
    return [uploaded, *turned, *announced(service.settings["relays"], hosts), compliance(facts)]


def publish(node: str) -> str:
    """Return what an app sends to publish its OMEMO keys in an open node."""
    option = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>{PUBSUB}#publish-options</value></field>"
        "<field var='pubsub#access_model'><value>open</value></field></x>"
    )
    return (
        f"<pubsub xmlns='{PUBSUB}'><publish node={quoteattr(node)}><item id='current'>"
        f"<list xmlns='eu.siacs.conversations.axolotl'/></item></publish>"
        f"<publish-options>{option}</publish-options></pubsub>"
    )


def compliance(facts: dict[str, bool]) -> Row:
    """Judge the features that the compliance tester and XEP-0479 check."""
    missing = [name for name, there in facts.items() if not there]
    if missing:
        fix = "Run site.yml --tags nginx,ejabberd; if they are still missing, a drop-in of yours may disable them."
        return row("XEPs", FAIL, f"missing: {', '.join(missing)}", fix)
    return row("XEPs", PASS, f"all {len(facts)} that the compliance tester and XEP-0479 check")
