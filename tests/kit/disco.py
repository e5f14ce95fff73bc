# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server and its parts say of themselves (XEP-0030), in forms (XEP-0128)."""

from __future__ import annotations

import base64
import hashlib
from xml.etree import ElementTree as ET

from .clients import Client

INFO = "http://jabber.org/protocol/disco#info"
CONTACTS = "http://jabber.org/network/serverinfo"
DATA = "{jabber:x:data}"


async def asked(client: Client, entity: str, node: str = "") -> ET.Element:
    """What an entity, or a node of it, says of itself."""
    of = f" node='{node}'" if node else ""
    return await client.query("get", f"<query xmlns='{INFO}'{of}/>", to=entity)


def values(field: ET.Element) -> list[str]:
    """The values of a field."""
    return [value.text or "" for value in field.iter(f"{DATA}value")]


def forms(answer: ET.Element) -> dict[str, dict[str, list[str]]]:
    """The forms by their type: the values of each field."""
    found = [
        {field.get("var", ""): values(field) for field in form.iter(f"{DATA}field")} for form in answer.iter(f"{DATA}x")
    ]
    assert len({form["FORM_TYPE"][0] for form in found}) == len(found), "XEP-0115 allows one form of a type"
    return {form.pop("FORM_TYPE")[0]: form for form in found}


def checksum(answer: ET.Element) -> str:
    """What an app computes of it, to see whether it is that of the stream's features (XEP-0115, 5.1)."""
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    identities = [
        "/".join(entry.get(key, "") for key in ("category", "type", lang, "name"))
        for entry in answer.iter(f"{{{INFO}}}identity")
    ]
    parts = sorted(identities) + sorted(entry.get("var", "") for entry in answer.iter(f"{{{INFO}}}feature"))
    for kind, fields in sorted(forms(answer).items()):
        parts.append(kind)
        for var, told in sorted(fields.items()):
            parts += [var, *sorted(told)]
    return base64.b64encode(hashlib.sha1("".join(f"{part}<" for part in parts).encode()).digest()).decode()
