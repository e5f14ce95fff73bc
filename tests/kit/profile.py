# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody publishes about themselves, and what others read of it (XEP-0163)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from .clients import Client

PUBSUB = "{http://jabber.org/protocol/pubsub}"


def publish(node: str, items: dict[str, str], **options: str) -> str:
    """A request to publish, with publish-options as clients send them."""
    inside = "".join(f"<item id='{name}'>{content}</item>" for name, content in items.items())
    fields = "".join(f"<field var='pubsub#{name}'><value>{value}</value></field>" for name, value in options.items())
    form = (
        "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>http://jabber.org/protocol/pubsub#publish-options</value></field>{fields}</x></publish-options>"
    )
    return (
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'>{inside}</publish>"
        f"{form if options else ''}</pubsub>"
    )


async def items(client: Client, owner: str, node: str) -> dict[str, ET.Element]:
    """The items of a node, by their names."""
    request = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>"
    answer = await client.query("get", request, to=owner)
    return {item.get("id", ""): item for item in answer.iter(f"{PUBSUB}item")}
