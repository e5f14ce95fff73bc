# SPDX-License-Identifier: GPL-3.0-or-later
"""Rooms of another server: as the program on the host reads them, and who is somebody in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.elements import Moves, moved, plain
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.files import Wrong
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.report import listed


def rooms_of(rooms: list[dict[str, str]], moves: Moves, ours: Iterable[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """Return rooms as the program on the host reads them, with what is not taken, by new domain and name.

    Raises Wrong if two have the same name. *ours* are the domains of which somebody should own a room.
    """
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for room in rooms:
        name, _, domain = room["address"].partition("@")
        there = found.setdefault(moves[domain], {})
        if name in there:
            raise Wrong(
                f"with two rooms that would both be {name}@{moves[domain]}",
                "Give one of the two folders that they are in at a time, for example by putting that of "
                f"{domain} elsewhere first",
            )
        element = ET.fromstring(room["xml"])  # noqa: S314 (by our own plugin)
        owners = (one.get("jid", "") for one in element.iter("affiliation") if one.get("is") == "owner")
        owned = any(moved(jid, moves).rpartition("@")[2] in ours for jid in owners)
        left = listed(room["left"], "" if owned else "an owner on this service")
        there[name] = ("".join(plain(element, moves)), left)
    return found


def people(halls: dict[str, list[str]]) -> Counter[str]:
    """Return in how many rooms somebody is somebody, by address."""
    return Counter(
        one.get("jid", "").lower()
        for those in halls.values()
        for xml in those
        for one in ET.fromstring(xml).iter("affiliation")  # noqa: S314 (by our own plugin)
        if one.get("is") != "outcast"
    )
