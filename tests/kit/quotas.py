# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account asks to be kept, and how it is refused."""

from __future__ import annotations

import secrets
from xml.etree import ElementTree as ET

from .erlang import run_in_erlang
from .nodes import PUBSUB
from .service import Account, Service, sql
from .sessions import CONSTRAINT

MIB = 1024 * 1024
OWNER = f"{PUBSUB}#owner"
REQUEST = 8 * 1024  # bytes of a contact request, or of a room's subject
POLICY = ".//{urn:ietf:params:xml:ns:xmpp-stanzas}policy-violation"
FORM = "<x xmlns='jabber:x:data' type='submit'>{}</x>"
COUNT_ANEW = """run([User, Server]) ->
    xmpp_sum:delete(mod_xmpp_quota, {list_to_binary(User), list_to_binary(Server), <<>>})."""


def is_refused(answer: ET.Element, words: str) -> bool:
    return answer.find(CONSTRAINT) is not None and words in ET.tostring(answer, "unicode")


def people(count: int) -> list[str]:
    return [f"u{number}@{secrets.token_hex(4)}.example" for number in range(count)]


def filled(service: Service, account: Account, size: int) -> None:
    """So many bytes are kept for an account, which ejabberd counts anew: it goes by what it has written itself."""
    values = (
        f"'{account.name}', '{service.domain}', 'fill', '<x xmlns=\"fill\">' || hex(zeroblob({size // 2})) || '</x>'"
    )
    sql(service, f"INSERT INTO private_storage (username, server_host, namespace, data) VALUES ({values})")
    run_in_erlang(service, COUNT_ANEW, account.name, account.domain)


def private(name: str, text: str = "") -> str:
    return f"<query xmlns='jabber:iq:private'><x xmlns='{name}'>{text}</x></query>"


def publish(node: str, text: str, item: str = "current") -> str:
    entry = f"<item id='{item}'><x xmlns='urn:test'>{text}</x></item>"
    return f"<pubsub xmlns='{PUBSUB}'><publish node='{node}'>{entry}</publish></pubsub>"


def contact(jid: str, name: str = "", groups: int = 0, subscription: str = "") -> str:
    inside = "".join(f"<group>{number}</group>" for number in range(groups))
    state = f" subscription='{subscription}'" if subscription else ""
    return f"<query xmlns='jabber:iq:roster'><item jid='{jid}' name='{name}'{state}>{inside}</item></query>"


def block(count: int) -> str:
    return "<block xmlns='urn:xmpp:blocking'>" + "".join(f"<item jid='{who}'/>" for who in people(count)) + "</block>"


def privacy_list(count: int) -> str:
    items = "".join(
        f"<item type='jid' value='{who}' action='deny' order='{n}'/>" for n, who in enumerate(people(count))
    )
    return f"<query xmlns='jabber:iq:privacy'><list name='{secrets.token_hex(4)}'>{items}</list></query>"
