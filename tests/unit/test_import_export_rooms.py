# SPDX-License-Identifier: GPL-3.0-or-later
"""Import from Prosody: rooms, their settings and people, and block lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.lookup.prosody import LookupModule
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export import (
    elements,
    prosody,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.rooms import rooms_of

from .import_files import DATA, OLD_ROOM, ROOM, rooms_in, settings, stored


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('return "a\\"b\\\\c\\n\\195\\164";', 'a"b\\c\nä'),
        ('return { 1.5; -2; ["x"] = { }; nil };', {1: 1.5, 2: -2.0, "x": {}, 3: None}),
        ("return {[1]=true,false}", {1: False}),
        ('return { [2] = "b"; [1] = "a"; [1.5] = "c"; [1e999] = "d" };', {2: "b", 1: "a", 1.5: "c", float("inf"): "d"}),
        ('return "}; return 1"', "}; return 1"),
    ],
)
def test_what_prosody_writes_is_read(source: str, value: object) -> None:
    assert prosody.lua(source.encode()) == value


@pytest.mark.parametrize(
    "source",
    [
        "",
        "return",
        "return {",
        "return { os.exit() }",
        "return 1 + 1",
        "return 1; return 2",
        'return { ["a"] 1 }',
        'return "\\255"',
        "return { } }",
        "{ }",
        "return " + "{" * 100_000,
    ],
)
def test_what_is_more_than_a_value_is_none(tmp_path: Path, source: str) -> None:
    with pytest.raises(AnsibleError, match=r'with "rooms%2eold%2etest/config/garden.dat", which is not as Prosody'):
        rooms_in(stored(tmp_path, source))


@pytest.mark.parametrize("layout", [ROOM, OLD_ROOM])
def test_room_and_its_people(tmp_path: Path, layout: str) -> None:
    more = '["_affiliation_data"] = { ["evil.test"] = { ["reason"] = "spam & more"; ["reserved_nickname"] = "x" } };'
    named = (
        '["name"] = "Gärten <3"; ["password"] = "true"; ["subject_from"] = "garden@rooms.old.test/A"; ["novel"] = true'
    )
    [found] = rooms_in(stored(tmp_path, layout % ("Garden@rooms.old.test", DATA % named + more)))
    assert found["address"] == "garden@rooms.old.test"
    assert found["left"] == "novel"
    room = ET.fromstring(found["xml"])
    assert [(one.get("jid"), one.get("is"), one.get("nick"), one.text) for one in room.iter("affiliation")] == [
        ("anna@old.test", "owner", "", None),
        ("_x@old.test", "admin", "", None),
        ("evil.test", "outcast", "x", "spam & more"),
    ]
    assert {one.get("name"): one.text for one in room.iter("text")} == {
        "subject_author": "A",
        "title": "Gärten <3",
        "password": "true",
    }


def test_who_is_blocked_stays_blocked(tmp_path: Path) -> None:
    path = tmp_path / "old%2etest/blocklist/anna%5fx.dat"
    path.parent.mkdir(parents=True)
    path.write_text('return { [false] = { ["created"] = 1.5; }; ["a&b@far.test"] = true; ["c@old.test"] = true; };')
    [blocked] = LookupModule().run(["blocked"], folder=tmp_path)
    assert blocked == {"anna_x@old.test": ["a&b@far.test", "c@old.test"]}
    user = elements.user("anna_x", ET.fromstring("<user/>"), {"old.test": "new.test"}, blocked["anna_x@old.test"])
    items = ET.fromstring(user).iter("{jabber:iq:privacy}item")
    assert [(one.get("value"), one.get("action")) for one in items] == [
        ("a&b@far.test", "deny"),
        ("c@new.test", "deny"),
    ]


def test_room_that_does_not_stay_is_none(tmp_path: Path) -> None:
    for name, data in (("a", '["_data"] = {}'), ("b", DATA % '["destroyed"] = true')):
        stored(tmp_path, ROOM % (f"{name}@rooms.old.test", data), name)
    assert rooms_in(tmp_path) == []
    assert rooms_in(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({}, {"members_only": "false", "public": "true", "anonymous": "true", "allowpm": "anyone"}),
        (
            {"members_only": True, "hidden": True},
            {"members_only": "true", "public": "false", "allow_user_invites": "false"},
        ),
        ({"members_only": True, "allow_member_invites": True}, {"allow_user_invites": "true"}),
        ({"moderated": True}, {"moderated": "true", "members_by_default": "false"}),
        ({"whois": "anyone"}, {"anonymous": "false"}),
        ({"password": "x"}, {"password_protected": "true", "password": "x"}),
        ({"archiving": False}, {"mam": "false"}),
        ({"allow_pm": "affiliated"}, {"allowpm": "moderators"}),
        ({"presence_broadcast": {"moderator": True, "none": True}}, {"presence_broadcast": "moderator"}),
    ],
)
def test_settings_of_a_room(data: dict[str, Any], wanted: dict[str, str]) -> None:
    """Never less closed than it was."""
    assert settings(**data).items() >= wanted.items()


def test_archive_of_a_room_is_as_in_every_new_one_unless_it_says() -> None:
    assert "mam" not in settings()


def test_rooms_move_with_their_people(tmp_path: Path) -> None:
    rooms = rooms_in(stored(tmp_path, ROOM % ("garden@rooms.old.test", DATA % "")))
    moves = {"old.test": "new.test", "rooms.old.test": "muc.new.test"}
    xml, left = rooms_of(rooms, moves, ["new.test"])["muc.new.test"]["garden"]
    assert [one.get("jid") for one in ET.fromstring(xml).iter("affiliation")] == [
        "anna@new.test",
        "_x@new.test",
        "evil.test",
    ]
    assert left == ""
    assert (
        rooms_of(rooms, {"rooms.old.test": "m.test"}, ["m.test"])["m.test"]["garden"][1] == "an owner on this service"
    )
