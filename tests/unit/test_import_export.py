# SPDX-License-Identifier: GPL-3.0-or-later
"""Import from XEP-0227: accounts, their domains, and the calls to the host."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.modules.ejabberd_import_export import states
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export import (
    domains,
    elements,
    files,
    report,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line

from .import_files import PIE, document, file, sent


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
        ("{}", "which is not valid XML"),
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
        (
            "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>" + document("<user name='x'>&b;</user>"),
            "which is not valid XML",
        ),
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
        report.complain("f", accounts, [], yaml_line)


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


def test_answer_is_split_where_a_line_ends_and_nowhere_else() -> None:
    assert states("a\tnew\t\tcontacts=2 nodes=0\nb\tfailed\tx\u2028y\u0085z\t\n") == [
        {"name": "a", "state": "new", "note": "", "counts": {"contacts": 2, "nodes": 0}},
        {"name": "b", "state": "failed", "note": "x\u2028y\u0085z", "counts": {}},
    ]
    assert states("") == []


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
        report.complain("f", [], wrong, yaml_line)


@pytest.mark.parametrize(
    ("addresses", "complaint"),
    [
        (["anna@new.test"], ""),
        (["anna@new.test", "admin@new.test"], "with admin@new.test, while user is anna@new.test"),
        (["anna@other.test"], "with anna@other.test, while"),
        (["anna@new.test", "garden@rooms.new.test"], "with garden@rooms.new.test, while"),
    ],
)
def test_file_of_one_account_has_nothing_of_others(addresses: list[str], complaint: str) -> None:
    """Its owner could give the operator accounts, and contacts and messages of others, to import."""
    if complaint:
        with pytest.raises(files.Wrong, match=complaint):
            domains.only("anna@new.test", addresses)
    else:
        domains.only("anna@new.test", addresses)
