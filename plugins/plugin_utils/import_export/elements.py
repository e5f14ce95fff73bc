# SPDX-License-Identifier: GPL-3.0-or-later
"""Elements of another server as the program on the host reads them, with the domains of this service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.files import split

VCARD = "vcard-temp"
PRIVACY = "jabber:iq:privacy"
BLOCKED = "Blocked contacts"  # as ejabberd calls it
VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0"
XML = "{http://www.w3.org/XML/1998/namespace}"
ADDRESSES = ("jid", "from", "to", "by")  # attributes
# Items of these nodes (XEP-0402, XEP-0490) are called after the address of what they are about.
BY_ADDRESS = ("urn:xmpp:bookmarks:1", "urn:xmpp:mds:displayed:0")
CALL_BYTES = 8 << 20  # of XML, about, in one call
Moves = dict[str, str]  # old domain to new


def moved(address: str, moves: Moves) -> str:
    """Return an address after the move of domains."""
    bare, slash, resource = address.partition("/")
    name, at, domain = bare.rpartition("@")
    return f"{name}{at}{moves.get(domain.lower(), domain)}{slash}{resource}"


def plain(element: ET.Element, moves: Moves, outer: str = "", node: str = "") -> Iterator[str]:
    """Return an element in pieces: no prefixes, as ejabberd does not look at them, and domains replaced."""
    namespace, name = split(element.tag)
    yield f"<{name}"
    if namespace and namespace != outer:
        yield f" xmlns={quoteattr(namespace)}"
    for key, value in element.items():
        if "}" not in key or key.startswith(XML):  # others are a server's own business
            address = key in ADDRESSES or (name == "item" and key == "id" and node in BY_ADDRESS)
            said = moved(value, moves) if address else value
            yield f" {key.replace(XML, 'xml:')}={quoteattr(said)}"
    yield ">"
    yield escape(element.text or "")
    for child in element:
        yield from plain(child, moves, namespace, element.get("node", "") if name == "items" else "")
        yield escape(child.tail or "")
    yield f"</{name}>"


def vcard(element: ET.Element) -> str:
    """Return a vCard for apps that ask for one (XEP-0054), where the other server has made it from vCard4 each time."""
    fields = (("FN", f".//{{{VCARD4}}}fn"), ("NICKNAME", f".//{{{VCARD4}}}nickname"))
    said = [(name, element.findtext(f"{path}/{{{VCARD4}}}text")) for name, path in fields]
    parts = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in said if text)
    return f"<vCard xmlns='{VCARD}'>{parts}</vCard>" if parts else ""


def block_list(blocked: Iterable[str], moves: Moves) -> str:
    """Return a privacy list that blocks these, in force, as apps make it (XEP-0191)."""
    items = "".join(
        f"<item type='jid' value={quoteattr(moved(jid, moves))} action='deny' order='{place}'/>"
        for place, jid in enumerate(blocked, 1)
    )
    lists = f"<list name='{BLOCKED}'>{items}</list><default name='{BLOCKED}'/>"
    return f"<query xmlns='{PRIVACY}'>{lists}</query>" if items else ""


def user(name: str, element: ET.Element, moves: Moves, blocked: Iterable[str] = ()) -> str:
    """Return an account as the program on the host reads it, each part with its own xmlns."""
    password = f" password={quoteattr(element.get('password', ''))}" if element.get("password") else ""
    parts = "".join("".join(plain(child, moves)) for child in element)
    if element.find(f"{{{VCARD}}}vCard") is None:
        parts += vcard(element)
    if element.find(f"{{{PRIVACY}}}query") is None:
        parts += block_list(blocked, moves)
    return f"<user name={quoteattr(name)}{password}>{parts}</user>"


def batches(domain: str, parts: list[str]) -> list[str]:
    """Return host elements of a bounded size."""
    groups: list[list[str]] = [[]]
    size = 0
    for one in parts:
        if groups[-1] and size + len(one) > CALL_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(one)
        size += len(one)
    return [f"<host jid={quoteattr(domain)}>{''.join(group)}</host>" for group in groups]
