# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read out of files of XEP-0227 and out of a Prosody's rooms, and what is said about files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible_collections.conexizan.xmpp.plugins.action.ejabberd_import_export import ActionModule
from ansible_collections.conexizan.xmpp.plugins.lookup.prosody import LookupModule
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export import (
    domains,
    elements,
    files,
    prosody,
    report,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.rooms import people, rooms_of

from .loading import load

module = load("plugins/modules/ejabberd_import_export.py")

PIE = "urn:xmpp:pie:0"


def document(users: str, domain: str = "old.test", tag: str = "server-data") -> str:
    """A file's content."""
    return f"<{tag} xmlns='{PIE}'><host jid='{domain}'>{users}</host></{tag}>"


def file(folder: Path, content: str, name: str = "accounts.xml") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def sent(path: Path, old: str = "old.test", new: str = "new.test") -> dict[str, str]:
    """What goes to the host, by name."""
    return {name: elements.user(name, element, {old: new}) for name, element in files.read(path)[old].items()}


def test_file_with_several_accounts(tmp_path: Path) -> None:
    found = files.read(file(tmp_path, document("<user name='anna' password='x'/><user name='bob'/>", "OLD.test")))
    assert {domain: list(accounts) for domain, accounts in found.items()} == {"old.test": ["anna", "bob"]}


def test_folder_with_a_file_for_each_account_and_one_that_names_them(tmp_path: Path) -> None:
    include = "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='anna.xml'/>"
    file(tmp_path, f"<server-data xmlns='{PIE}'>{include}</server-data>", "all.xml")
    file(tmp_path, f"<host xmlns='{PIE}' jid='old.test'><user name='anna'/></host>", "anna.xml")
    file(tmp_path, document("<user name='bob'/>"), "bob.xml")
    assert sorted(files.read(tmp_path)["old.test"]) == ["anna", "bob"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{}", "which is no XML"),
        ("<rss/>", "which is not XEP-0227 but begins with <rss>"),
        ("<server-data/>", "which is not XEP-0227"),
        (document(""), "without a single account"),
        (document("<user name='a b'/>"), 'an account has the name "a b"'),
        (document("<user/>"), 'an account has the name ""'),
        (document("<user name='anna'/><user name='anna'/>"), "or has it twice"),
        (
            f"<server-data xmlns='{PIE}'><i:include xmlns:i='http://www.w3.org/2001/XInclude' href='x'/></server-data>",
            "give the folder",
        ),
        (document("<user name='anna'>" + "<a>" * 100_000 + "</a>" * 100_000 + "</user>"), "nested more than 100 deep"),
        ("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>" + document("<user name='x'>&b;</user>"), "no XML"),
    ],
)
def test_file_that_is_none(tmp_path: Path, content: str, complaint: str) -> None:
    with pytest.raises(files.Wrong, match=complaint):
        files.read(file(tmp_path, content))


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(files.Wrong, match="cannot be read: No such file"):
        files.read(tmp_path / "nothing")
    with pytest.raises(files.Wrong, match=r"a folder without a file \*\.xml"):
        files.read(tmp_path)


def test_prefixes_and_a_servers_own_attributes_are_gone(tmp_path: Path) -> None:
    content = (
        f"<p:server-data xmlns:p='{PIE}' xmlns:r='jabber:iq:roster' xmlns:own='urn:own'><p:host jid='old.test'>"
        "<p:user name='anna' password='a&quot;b' own:created='1'>"
        "<r:query><r:item jid='far@old.test.example' name='&lt;A&gt;'><r:group>x &amp; y</r:group></r:item></r:query>"
        "<vCard xmlns='vcard-temp' xml:lang='de'/></p:user></p:host></p:server-data>"
    )
    assert sent(file(tmp_path, content)) == {
        "anna": '<user name="anna" password=\'a"b\'>'
        '<query xmlns="jabber:iq:roster"><item jid="far@old.test.example" name="&lt;A&gt;"><group>x &amp; y</group>'
        '</item></query><vCard xmlns="vcard-temp" xml:lang="de"></vCard></user>'
    }


def test_a_domain_that_moves_moves_in_addresses(tmp_path: Path) -> None:
    inner = (
        "<query xmlns='jabber:iq:roster'><item jid='bob@old.test'/><item jid='room@muc.old.test'/></query>"
        "<presence xmlns='jabber:client' from='bob@OLD.test/phone' to='anna@old.test'><status>old.test</status>"
        "</presence>"
    )
    [user] = sent(file(tmp_path, document(f"<user name='anna'>{inner}</user>"))).values()
    found = ET.fromstring(user)
    assert [item.get("jid") for item in found.iter("{jabber:iq:roster}item")] == ["bob@new.test", "room@muc.old.test"]
    presence = found.find("{jabber:client}presence")
    assert presence is not None
    assert (presence.get("from"), presence.get("to")) == ("bob@new.test/phone", "anna@new.test")
    assert presence.findtext("{jabber:client}status") == "old.test"


def test_name_for_apps_that_know_vcard_temp_alone(tmp_path: Path) -> None:
    vcard4 = (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:vcard4'><item>"
        "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Anna &amp; Co</text></fn></vcard>"
        "</item></items></pubsub>"
    )
    own = "<vCard xmlns='vcard-temp'><FN>Anna</FN></vCard>"
    users = f"<user name='anna'>{vcard4}</user><user name='bob'>{vcard4}{own}</user><user name='carl'/>"
    anna, bob, carl = sent(file(tmp_path, document(users))).values()
    assert anna.endswith("<vCard xmlns='vcard-temp'><FN>Anna &amp; Co</FN></vCard></user>")
    assert bob.count("vcard-temp") == 1
    assert "vcard-temp" not in carl


def test_calls_have_a_bounded_size() -> None:
    calls = elements.batches("new.test", ["<user/>" * 500_000] * 5)
    assert len(calls) == 3
    assert all(call.startswith('<host jid="new.test">') and call.endswith("</host>") for call in calls)


@pytest.mark.parametrize(
    ("source", "target", "chosen"),
    [
        ("old.test", "", {"old.test": "a.test"}),
        ("old.test", "b.test", {"old.test": "b.test"}),
        ("a.test", "", {"a.test": "a.test"}),
    ],
)
def test_domain_that_is_said(source: str, target: str, chosen: dict[str, str]) -> None:
    assert domains.choose({"old.test": {}, "a.test": {}}, source, target, ["a.test", "b.test"], "f") == chosen


@pytest.mark.parametrize(("source", "chosen"), [("old.test", {"old.test": "b.test"}), ("", {})])
def test_domain_of_rooms_alone(source: str, chosen: dict[str, str]) -> None:
    assert domains.choose({}, source, "b.test", ["a.test", "b.test"], "f") == chosen


def test_domains_that_are_ours_need_not_be_said() -> None:
    both = {"a.test": "a.test", "b.test": "b.test"}
    assert domains.choose({"a.test": {}, "b.test": {}}, "", "", ["a.test", "b.test"], "f") == both


@pytest.mark.parametrize(
    ("source", "target", "complaint"),
    [
        ("", "", "-e domain=old.test"),
        ("", "b.test", "become accounts of b.test"),
        ("none.test", "", 'domain is "none.test", of which there is no account'),
    ],
)
def test_domain_that_cannot_be(source: str, target: str, complaint: str) -> None:
    with pytest.raises(AnsibleActionFail, match=complaint):
        domains.choose({"old.test": {}, "a.test": {}}, source, target, ["a.test", "b.test"], "f")


@pytest.mark.parametrize(
    ("state", "complaint"),
    [("wrong", "1 of 2 accounts cannot be taken: b@a.test note"), ("sha1", r"1 of 2 accounts have a SHA-1 key.*\(b@a")],
)
def test_all_or_nothing(state: str, complaint: str) -> None:
    accounts = [
        {"address": "a@a.test", "state": "new", "note": ""},
        {"address": "b@a.test", "state": state, "note": "note"},
    ]
    with pytest.raises(AnsibleActionFail, match=complaint):
        report.complain("f", accounts, [])


def test_bookmarks_lead_to_where_rooms_are_now(tmp_path: Path) -> None:
    node = "<items node='{}'><item id='garden@rooms.old.test'><conference jid='x'/></item></items>"
    nodes = (node.format(name) for name in ("urn:xmpp:bookmarks:1", "urn:example:other"))
    old_way = "<storage xmlns='storage:bookmarks'><conference jid='garden@rooms.old.test'/></storage>"
    inner = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{''.join(nodes)}</pubsub>{old_way}"
    accounts = files.read(file(tmp_path, document(f"<user name='anna'>{inner}</user>")))["old.test"]
    moves = {"old.test": "new.test", "rooms.old.test": "muc.new.test"}
    found = ET.fromstring(elements.user("anna", accounts["anna"], moves))
    pubsub = "{http://jabber.org/protocol/pubsub}"
    assert [item.get("id") for item in found.iter(f"{pubsub}item")] == ["garden@muc.new.test", "garden@rooms.old.test"]
    assert [one.get("jid") for one in found.iter("{storage:bookmarks}conference")] == ["garden@muc.new.test"]


DATA = '["_data"] = { ["persistent"] = true; %s };'
# As Prosody 13 writes it, and as Prosody did before.
PEOPLE = '["anna@old.test"] = "owner"; ["_x@old.test"] = "admin"; ["evil.test"] = "outcast";'
ROOM = f'return {{ ["_jid"] = "%s"; {PEOPLE} %s }};\n'
OLD_ROOM = f'return {{ ["jid"] = "%s"; ["_affiliations"] = {{ {PEOPLE} }}; %s }};\n'


def stored(folder: Path, content: str, name: str = "garden", domain: str = "rooms%2eold%2etest") -> Path:
    """A folder with a Prosody's room."""
    path = folder / domain / "config" / f"{name}.dat"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return folder


def rooms_in(folder: Path) -> list[dict[str, str]]:
    """The rooms in a folder."""
    found: list[dict[str, str]] = LookupModule().run(["rooms"], folder=folder)
    return found


def settings(**data: Any) -> dict[str, str]:
    """ejabberd's settings for those of a Prosody."""
    return {name: value for _, name, value in prosody.settings({"persistent": True, **data})[0]}


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


def taking_in(folder: Path, source: str) -> None:
    """Take a folder in, as far as it goes without a host."""
    object.__new__(ActionModule)._bring(folder, source, "", {"new.test": "muc.new.test"})


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
        ("accounts.xml", "<server-data", 'with "accounts.xml", which is no XML'),
        ("rooms%2eold%2etest/config/garden.dat", "return {", 'garden.dat", which is not as Prosody stores it'),
        ("rooms%2eold%2etest/config/garden.dat", "return { };", 'garden.dat", which is not as Prosody stores it'),
        ("old%2etest/blocklist/anna.dat", "", 'anna.dat", which is not as Prosody stores it'),
    ],
)
def test_file_that_is_broken_is_to_be_mended(tmp_path: Path, name: str, content: str, said: str) -> None:
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


def test_answer_is_split_where_a_line_ends_and_nowhere_else() -> None:
    assert module.states("a\tnew\t\tcontacts=2 nodes=0\nb\tfailed\tx\u2028y\u0085z\t\n") == [
        {"name": "a", "state": "new", "note": "", "counts": {"contacts": 2, "nodes": 0}},
        {"name": "b", "state": "failed", "note": "x\u2028y\u0085z", "counts": {}},
    ]
    assert module.states("") == []


@pytest.mark.parametrize(
    ("domain", "into", "target", "service"),
    [
        ("rooms.old.test", {"old.test": "b.test"}, "b.test", "muc.b.test"),
        ("muc.b.test", {"a.test": "a.test", "b.test": "b.test"}, "", "muc.b.test"),
        ("elsewhere.test", {"old.test": "a.test"}, "", "muc.a.test"),
        ("elsewhere.test", {}, "b.test", "muc.b.test"),
    ],
)
def test_where_rooms_come_to(domain: str, into: dict[str, str], target: str, service: str) -> None:
    assert domains.service_of(domain, into, target, {"a.test": "muc.a.test", "b.test": "muc.b.test"}) == service


def test_room_that_cannot_be_is_told() -> None:
    wrong = [{"address": "a b@muc.test", "state": "wrong", "note": "is no name that a room can have"}]
    with pytest.raises(AnsibleActionFail, match="1 of 1 rooms cannot be taken: a b@"):
        report.complain("f", [], wrong)
