# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of large items (XEP-0060), on a raw stream."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from .stream import Stream

PUBSUB = "http://jabber.org/protocol/pubsub"
LARGE = "x" * 200_000


def publish(stream: Stream, node: str, count: int, **more: str) -> None:
    """As many large items in a node of one's own (XEP-0163); its other options by their names."""
    form = {"FORM_TYPE": f"{PUBSUB}#publish-options", "pubsub#persist_items": "true", "pubsub#max_items": "max"}
    form |= {f"pubsub#{name}": value for name, value in more.items()}
    fields = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in form.items())
    options = f"<publish-options><x xmlns='jabber:x:data' type='submit'>{fields}</x></publish-options>"
    for number in range(count):
        item = f"<item id='i{number}'><text xmlns='urn:test'>{LARGE}</text></item>"
        answer = stream.query(
            "set", f"<pubsub xmlns='{PUBSUB}'><publish node='{node}'>{item}</publish>{options}</pubsub>"
        )
        assert answer.get("type") == "result"


def items(inside: str = "", beside: str = "", attributes: str = "") -> str:
    return f"<pubsub xmlns='{PUBSUB}'><items node='urn:test'{attributes}>{inside}</items>{beside}</pubsub>"


def ids(answer: ET.Element) -> set[str]:
    return {item.get("id", "") for item in answer.iter(f"{{{PUBSUB}}}item")}
