# SPDX-License-Identifier: GPL-3.0-or-later
"""Import: what is missing, broken or ambiguous in the files is reported."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible_collections.conexizan.xmpp.plugins.action.ejabberd_import_export import ActionModule
from ansible_collections.conexizan.xmpp.plugins.lookup.prosody import LookupModule
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export import (
    files,
    report,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.rooms import people, rooms_of

from .import_files import DATA, ROOM, document, file, rooms_in, stored


def taking_in(folder: Path, source: str) -> None:
    """Take a folder in, as far as it goes without a host."""
    object.__new__(ActionModule)._import(folder, source, "", {"new.test": "muc.new.test"})


def prosodys_account(folder: Path, name: str, domain: str = "old%2etest") -> None:
    """An account as Prosody stores it in files."""
    path = folder / domain / "accounts" / f"{name}.dat"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('return { ["password"] = "x"; };\n')


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("old%2etest", "with 1 account in old%2etest/accounts, which only Prosody's own program gives out"),
        (".", "with 1 account in accounts, which only"),
    ],
)
def test_accounts_of_a_prosody_alone_are_told(tmp_path: Path, where: str, said: str) -> None:
    """The folder with its domains in it, and that of one domain."""
    prosodys_account(tmp_path, "anna%5fx", where)
    with pytest.raises(AnsibleActionFail, match=rf"{said}.* Run prosody-migrator on the old host"):
        taking_in(tmp_path, "old.test")


def test_database_of_a_prosody_alone_is_told(tmp_path: Path) -> None:
    (tmp_path / "prosody.sqlite").write_bytes(b"SQLite format 3")
    with pytest.raises(AnsibleActionFail, match=r"with prosody\.sqlite, which only.* Run prosody-migrator"):
        taking_in(tmp_path, "old.test")


def test_accounts_beside_what_is_read(tmp_path: Path) -> None:
    """They are told, unless they are in the files of XEP-0227 as well."""
    for name in ("anna%5fx", "bob", "carl"):
        prosodys_account(tmp_path, name)
    theirs = LookupModule().run(["accounts"], folder=tmp_path)
    assert [one["address"] for one in theirs] == ["anna_x@old.test", "bob@old.test", "carl@old.test"]
    found = files.read(file(tmp_path, document("<user name='Anna_X'/><user name='bob'/>")))
    unread = [one for one in theirs if not report.is_read(one["address"], found)]
    assert report.sources(unread) == "1 account in old%2etest/accounts"
    assert report.sources([one for one in theirs if not report.is_read(one["address"], {})]).startswith(
        "3 accounts in old"
    )
    assert report.sources([]) == ""


def test_accounts_without_a_contact_are_named() -> None:
    counts = {"contacts": 0, "nodes": 3, "messages": 1, "rooms": 0}
    accounts = [
        {"address": "a@a.test", "state": "new", "counts": counts},
        {"address": "b@a.test", "state": "new", "counts": counts | {"contacts": 1}},
        {"address": "c@a.test", "state": "failed", "counts": counts},
    ]
    assert report.alone(accounts) == ["a@a.test"]


def test_rooms_of_each_account_are_counted(tmp_path: Path) -> None:
    stored(tmp_path, ROOM % ("garden@rooms.old.test", DATA % ""))
    rooms = rooms_in(stored(tmp_path, ROOM % ("square@rooms.old.test", DATA % ""), "square"))
    there = rooms_of(rooms, {"old.test": "new.test", "rooms.old.test": "muc.new.test"}, ["new.test"])
    found = people({domain: [xml for xml, _ in those.values()] for domain, those in there.items()})
    assert found == {"anna@new.test": 2, "_x@new.test": 2}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("accounts.xml", "<server-data", 'with "accounts.xml", which is not valid XML'),
        ("rooms%2eold%2etest/config/garden.dat", "return {", 'garden.dat", which is not as Prosody stores it'),
        ("rooms%2eold%2etest/config/garden.dat", "return { };", 'garden.dat", which is not as Prosody stores it'),
        ("old%2etest/blocklist/anna.dat", "", 'anna.dat", which is not as Prosody stores it'),
    ],
)
def test_file_that_is_broken_is_to_be_fixed(tmp_path: Path, name: str, content: str, said: str) -> None:
    """No other folder would help; and nothing of Python's words is for the operator."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    with pytest.raises(AnsibleActionFail, match=said) as wrong:
        taking_in(tmp_path, "")
    assert str(wrong.value).endswith(
        "Fix that file, or take it out of the folder, then run this again; nothing was changed"
    )
    assert not any(word in str(wrong.value) for word in ("KeyError", "_data", "object", "Errno"))


def test_two_rooms_of_one_name_come_one_at_a_time(tmp_path: Path) -> None:
    stored(tmp_path, ROOM % ("garden@rooms.old.test", DATA % ""))
    stored(tmp_path, ROOM % ("garden@rooms.older.test", DATA % ""), domain="rooms%2eolder%2etest")
    complaint = r"both be garden@muc\.new\.test\. Give one of the two folders .* rooms\.older\.test elsewhere"
    with pytest.raises(AnsibleActionFail, match=complaint):
        taking_in(tmp_path, "")


@pytest.mark.parametrize("domain", ["old.test", "other.test"])
def test_room_of_a_domain_of_accounts_is_none(tmp_path: Path, domain: str) -> None:
    """It would make rooms of all contacts there."""
    for one in ("old.test", "other.test"):
        file(tmp_path, document("<user name='anna'/>", one), f"{one}.xml")
    stored(tmp_path, ROOM % (f"x@{domain}", DATA % ""), domain=domain)
    complaint = rf"a room of {domain}, which is a domain of accounts, .* config/garden\.dat$"
    with pytest.raises(AnsibleActionFail, match=complaint):
        taking_in(tmp_path, "old.test")


def test_room_of_another_domain_than_its_folder_is_none(tmp_path: Path) -> None:
    """It would make rooms of all contacts of a third."""
    complaint = r'config/garden.dat", which has the room x@third\.example in the folder of rooms\.old\.test'
    with pytest.raises(AnsibleError, match=complaint):
        rooms_in(stored(tmp_path, ROOM % ("x@third.example", DATA % "")))
    own = stored(tmp_path / "own", ROOM % ("x@rooms.old.test", DATA % ""), domain="Rooms%2eold%2etest")
    assert [one["address"] for one in rooms_in(own)] == ["x@rooms.old.test"]


@pytest.mark.parametrize(
    "address",
    [
        "a\\nb\\tnew@rooms.old.test",
        "a b@rooms.old.test",
        "a\u2028b@rooms.old.test",
        "a\u0085b@rooms.old.test",
        "a@rooms.old\u200b.test",
        "a@b@rooms.old.test",
        "a@rooms.old.test/b",
        "rooms.old.test",
        "@rooms.old.test",
        "a@",
    ],
)
def test_room_without_an_address(tmp_path: Path, address: str) -> None:
    with pytest.raises(AnsibleError, match=r'with "rooms%2eold%2etest/config/garden.dat", which is not as Prosody'):
        rooms_in(stored(tmp_path, ROOM % (address, DATA % "")))


def with_vcard(folder: Path, vcard: str) -> ET.Element:
    """A room that has this vCard, as it goes to the host."""
    path = folder / "rooms%2eold%2etest/vcard_muc/garden.dat"
    path.parent.mkdir(parents=True)
    path.write_text(f"return {{ {vcard} }};", encoding="utf-8")
    [found] = rooms_in(stored(folder, ROOM % ("garden@rooms.old.test", DATA % "")))
    xml, _ = rooms_of([found], {"rooms.old.test": "muc.new.test"}, [])["muc.new.test"]["garden"]
    return ET.fromstring(xml)


def test_vcard_of_a_room(tmp_path: Path) -> None:
    name = '{ ["name"] = "FN"; ["attr"] = { ["xml:lang"] = "de" }; "A & B" };'
    attr = '["attr"] = { ["xmlns"] = "vcard-temp"; ["urn:own\\1at"] = "x" };'
    room = with_vcard(tmp_path, f'["name"] = "vCard"; {attr} {name}')
    card = room.find("{vcard-temp}vCard")
    assert card is not None
    assert card.attrib == {}
    assert card.findtext("{vcard-temp}FN") == "A & B"


def test_parts_of_a_vcard_are_all_taken_and_in_order(tmp_path: Path) -> None:
    part = '[%d] = { ["name"] = "%s"; ["attr"] = {}; [1] = "%s" };'
    parts = part % (2, "NICKNAME", "Rosy") + part % (1, "FN", "Roses")
    card = with_vcard(tmp_path, f'["name"] = "vCard"; ["attr"] = {{ ["xmlns"] = "vcard-temp" }}; {parts}')[-1]
    assert [(one.tag, one.text) for one in card] == [("{vcard-temp}FN", "Roses"), ("{vcard-temp}NICKNAME", "Rosy")]


@pytest.mark.parametrize(
    "vcard",
    [
        """["name"] = "vCard/><word name='public'>true</word><vCard"; ["attr"] = {};""",
        """["name"] = "vCard"; ["attr"] = { ["/><word name='public'>true</word><vCard x"] = "" };""",
        """["name"] = "vCard"; ["attr"] = {}; { ["name"] = "a></a><a"; ["attr"] = {} };""",
        """["name"] = "vCard"; ["attr"] = { ["a\\n"] = "" };""",
        """["name"] = "word"; ["attr"] = { ["name"] = "public" }; "true";""",
    ],
)
def test_vcard_that_brings_settings(tmp_path: Path, vcard: str) -> None:
    with pytest.raises(AnsibleError, match=r'with "rooms%2eold%2etest/config/garden.dat", which is not as Prosody'):
        with_vcard(tmp_path, vcard)


@pytest.mark.parametrize("entry", ["[1.5] = true", "[true] = true", "true"])
def test_who_is_blocked_without_an_address(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "old%2etest/blocklist/anna.dat"
    path.parent.mkdir(parents=True)
    path.write_text(f"return {{ {entry}; }}")
    with pytest.raises(AnsibleError, match=r'with "old%2etest/blocklist/anna.dat", which is not as Prosody'):
        LookupModule().run(["blocked"], folder=tmp_path)


@pytest.mark.parametrize(
    ("stored", "shown"), [("a\\0b@far.test", r"'a\\x00b@"), ("\\239\\191\\191@far.test", r"'\\uffff@")]
)
def test_who_is_blocked_with_signs_that_no_address_has(tmp_path: Path, stored: str, shown: str) -> None:
    """ejabberd would be given what is no XML."""
    path = tmp_path / "old%2etest/blocklist/anna%5fx.dat"
    path.parent.mkdir(parents=True)
    path.write_text(f'return {{ ["b@far.test"] = true; ["{stored}"] = true; }}')
    complaint = rf'with "old%2etest/blocklist/anna%5fx.dat", in which anna_x@old.test has blocked {shown}far\.test\''
    with pytest.raises(AnsibleActionFail, match=complaint):
        taking_in(tmp_path, "")
