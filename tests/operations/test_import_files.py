# SPDX-License-Identifier: GPL-3.0-or-later
"""Files to import, as they come: odd, incomplete, damaged."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import login
from ..kit.imports import OLD, Transfer, contacts, roster, write
from ..kit.nodes import PUBSUB
from ..kit.service import PLAYBOOK_SECONDS, Account, Service, sql

pytestmark = pytest.mark.timeout(6 * PLAYBOOK_SECONDS)


def archived(stamp: str) -> str:
    """A message in an archive."""
    message = "<message xmlns='jabber:client' from='bob@far.test' type='chat'><body>Hi</body></message>"
    delay = f"<delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>"
    forwarded = f"<forwarded xmlns='urn:xmpp:forward:0'>{delay}{message}</forwarded>"
    return f"<archive xmlns='urn:xmpp:pie:0#mam'><result xmlns='urn:xmpp:mam:2' id='1'>{forwarded}</result></archive>"


def unfit() -> dict[str, tuple[str, str, str]]:
    """What other servers may have stored and this one would not: the password, what else there is, the complaint."""
    contact = "<query xmlns='jabber:iq:roster'><item jid='{}'/></query>"
    block = "<list name='x'><item type='{}' value='{}' action='deny' order='1'/></list>"
    lists = f"<query xmlns='jabber:iq:privacy'>{block}</query>"
    waiting = "<offline-messages xmlns='urn:xmpp:pie:0'><message xmlns='jabber:client' from='{}'/></offline-messages>"
    keys = (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{}'><item id='&#9;'>{}</item></items></pubsub>"
    )
    setting = (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='node'><x xmlns='jabber:x:data'>"
        "<field var='pubsub#{}'><value>{}</value></field></x></configure></pubsub>"
    )
    long = "x" * 1100
    return {
        "contact": ("good", contact.format("a&#9;b c@far.test"), 'the address "ab c@far.test" in the list of contacts'),
        "far": ("good", contact.format("a@far..te st"), 'the address "a@far..te st" in the list of contacts'),
        "phone": ("good", contact.format(f"a@far.test/{long}"), "in the list of contacts, which cannot be"),
        "blocked": ("good", lists.format("jid", "@"), 'the address "@" in a list of whom it blocks'),
        "group": ("good", lists.format("group", ""), 'has "" in a list of whom it blocks'),
        "message": ("good", waiting.format("a b@far.test"), '"a b@far.test" in a message that waits'),
        "settings": ("good", setting.format("access_model", "whoever"), 'has the node "node" with settings that'),
        "two": ("good", keys.format("node", "<x xmlns='a'/>" * 2), 'more than one content in the node "node"'),
        "asking": ("good", "<presence xmlns='jabber:client' type='subscribe' from='@'/>", "among those who ask to see"),
        "time": ("good", archived("yesterday"), 'in its archive of the time "yesterday"'),
        "password": ("a&#9;b", "", "has a password too long for ejabberd, or with signs"),
    }


def test_what_cannot_be_taken_is_told_before_anything_is_made(service: Service, tmp_path: Path) -> None:
    """By the name of the account and, of an address, with what is wrong."""
    blocked = tmp_path / OLD.replace(".", "%2e") / "blocklist" / "unfit%2dnot.dat"
    blocked.parent.mkdir(parents=True)
    blocked.write_text('return { ["a\\1b@far.test"] = true; };')

    def refused() -> str:
        done = service.run_playbook("import", f"file={tmp_path}", f"domain={OLD}", f"into={service.domain}")
        assert done.returncode != 0
        return re.sub(r"\s+", " ", done.stdout + done.stderr)

    every = list(unfit().items())
    # As many as are named.
    for unfits in (dict(every[:10]), dict(every[10:])):
        users = [
            f"<user name='unfit-{name}' password='{password}'>{data}</user>"
            for name, (password, data, _) in unfits.items()
        ]
        users.append("<user name='unfit-not' password='good'/>")
        document = f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{OLD}'>{''.join(users)}</host></server-data>"
        (tmp_path / "accounts.xml").write_text(document, encoding="utf-8")
        if blocked.exists():
            said = refused()
            assert "blocklist/unfit%2dnot.dat" in said
            assert f"unfit-not@{OLD} has blocked 'a\\x01b@far.test'" in said
            blocked.unlink()
        said = refused()
        assert f"{len(unfits)} of {len(unfits) + 1} accounts cannot be taken" in said
        assert [what for _, _, what in unfits.values() if what not in said] == []
        assert [name for name in unfits if f"unfit-{name}@{service.domain} has" not in said] == []
    [accounts] = service.api(("registered_users", {"host": service.domain}))
    assert [name for name in accounts if name.startswith("unfit-")] == []


def test_how_somebody_stands_to_a_contact_is_kept(transfer: Transfer) -> None:
    """In all nine states of RFC 6121 (A.1), also when what this service has written is read in again."""
    asks = "<presence xmlns='jabber:client' type='subscribe' from='{}@far.test'><status>Hi</status></presence>"
    states = [
        (state, ask, asked)
        for state in ("none", "from", "to", "both")
        for ask in ("", "subscribe")
        for asked in (False, True)
        if not (ask and state in ("to", "both")) and not (asked and state in ("from", "both"))
    ]
    assert len(states) == 9
    wanted = {f"{state}-{ask}-{asked}@far.test".lower(): (state, ask, asked) for state, ask, asked in states}
    question = {"": "", "subscribe": "ask='subscribe'"}
    items = [f"<item jid='{jid}' subscription='{state}' {question[ask]}/>" for jid, (state, ask, _) in wanted.items()]
    requests = [asks.format(jid.partition("@")[0]) for jid, (_, _, asked) in wanted.items() if asked]
    name = transfer.name()
    said = transfer.import_file(write(transfer.folder, {name: roster(*items) + "".join(requests)}))
    assert "(in the files: 9 contacts, 0 nodes, 0 messages, 0 rooms)" in said
    first = transfer.export(name)
    assert {jid: stands[:3] for jid, stands in contacts(first).items()} == wanted
    ours = transfer.folder / "ours.xml"
    ET.ElementTree(first).write(ours)
    transfer.service.unregister([Account(name, "", transfer.service.domain)])
    done = transfer.service.run_playbook("import", f"file={ours}")
    assert done.returncode == 0, done.stdout + done.stderr
    rest, keys = without_keys(first)
    assert without_keys(transfer.export(name)) == (rest, keys)
    # Of when it was made, the row of each key has the day, and no time.
    assert len(keys) > 1
    rows = sql(transfer.service, f"SELECT length(created_at) FROM users WHERE username = '{name}'")
    assert rows == [[len("2026-11-29")]] * len(keys)


def without_keys(document: ET.Element) -> tuple[str, set[str | None]]:
    """A document, and the keys of the password, which come in any order."""
    keys = {element.text for element in document.iter("{urn:xmpp:pie:0#scram}stored-key")}
    for user in document.iter("{urn:xmpp:pie:0}user"):
        for element in user.findall("{urn:xmpp:pie:0#scram}scram-credentials"):
            user.remove(element)
    return ET.canonicalize(ET.tostring(document, encoding="unicode")), keys


def test_who_was_asked_before_the_import_can_still_say_yes(transfer: Transfer, service: Service) -> None:
    name, other_name = transfer.name(), transfer.name()
    item = f"<item jid='{other_name}@{OLD}' subscription='none' ask='subscribe'/>"
    asks = f"<presence xmlns='jabber:client' type='subscribe' from='{name}@{OLD}'/>"
    transfer.import_file(write(transfer.folder, {name: roster(item), other_name: asks}))

    async def say_yes() -> None:
        me, bob = (Account(one, "good one", service.domain) for one in (name, other_name))
        async with login(service, bob) as other, login(service, me) as client:
            mine = await client.query("get", "<query xmlns='jabber:iq:roster'/>")
            assert [one.get("ask") for one in mine.iter("{jabber:iq:roster}item")] == ["subscribe"]
            await client.online()
            await other.online()
            other.send_presence(pto=me.jid, ptype="subscribed")
            await client.presences.get(lambda presence: presence.get("from") == other.boundjid.full)

    asyncio.run(say_yes())


def test_what_is_odd_and_harmless_is_fixed_and_counted(transfer: Transfer) -> None:
    pubsub = "<pubsub xmlns='http://jabber.org/protocol/pubsub'>{}</pubsub>"
    waiting = "<offline-messages><message xmlns='jabber:client'><body>News</body></message><iq/></offline-messages>"
    odd = {
        "empty or repeated group (3)": roster(
            "<item jid='a@far.test'><group/><group> </group><group>Work</group><group>Work</group></item>"
        ),
        "subscription that means nothing (1)": roster("<item jid='b@far.test' subscription='pending'/>"),
        "ask that means nothing (2)": roster(
            "<item jid='a@far.test' subscription='both' ask='subscribe'/><item jid='b@far.test' ask='unsubscribe'/>"
        ),
        "repeated contact (1)": roster("<item jid='A@far.test'/><item jid='a@far.test' name='Anna'/>"),
        "contact without an address, or removed (2)": roster("<item/><item jid='x@far.test' subscription='remove'/>"),
        "item without content (1)": pubsub.format("<items node='n'><item id='1'/></items>"),
        "node without a name (1)": pubsub.format("<items node=''><item id='1'><x xmlns='a'/></item></items>"),
        "message without a sender (1), what is no message (1)": waiting,
        "archived message without a time or a text (1)": archived("").replace("stamp=''", ""),
        "setting of no app (1)": "<query xmlns='jabber:iq:private'><x xmlns=''/></query>",
        "presence that asks nothing (1), message without a sender (1)": (
            "<presence type='subscribe' from='c@far.test'><status>Hi</status></presence><presence type='subscribe'/>"
            "<offline-messages><message><body>Of no namespace</body></message></offline-messages>"
        ),
        "presence that asks nothing (1)": "<presence xmlns='jabber:client' from='a@far.test' type='unsubscribe'/>",
    }
    names = {transfer.name(): what for what in odd}
    said = transfer.import_file(write(transfer.folder, {name: odd[what] for name, what in names.items()}))
    for name, what in names.items():
        assert f"{name}@{transfer.service.domain} was imported: fixed: {what} (in" in said
    first, *_ = names
    assert contacts(transfer.export(first))["a@far.test"][3] == ["Work"]
    [without_namespace] = [name for name, what in names.items() if "presence that asks nothing (1), m" in what]
    assert contacts(transfer.export(without_namespace))["c@far.test"][2]


def test_count_of_iterations_as_lua_writes_it(transfer: Transfer) -> None:
    """A number in the database, however it is written in the file; an export has it from there."""
    counts = {transfer.name(): count for count in ("10000", "10000.0", "1e+04", "1.0E4", "010000", " 10000 ")}
    transfer.import_file(write(transfer.folder, {name: credentials(count) for name, count in counts.items()}, ""))
    names = ", ".join(f"'{name}'" for name in counts)
    rows = sql(transfer.service, f"SELECT DISTINCT username, iterationcount FROM users WHERE username IN ({names})")
    assert sorted(map(tuple, rows)) == [(name, 10000) for name in sorted(counts)]
    *_, last = counts
    assert transfer.export(last).findtext(".//{urn:xmpp:pie:0#scram}iter-count") == "10000"


def credentials(count: str) -> str:
    """Keys of a password."""
    key = "A" * 43 + "="
    parts = {"iter-count": count, "salt": "c2FsdA==", "server-key": key, "stored-key": key}
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in parts.items())
    return f"<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-256'>{inside}</scram-credentials>"


def test_count_of_iterations_that_is_none_is_named(service: Service, tmp_path: Path) -> None:
    wrong = {"half": "0.5", "word": "many", "huge": "1e+99", "none": "0", "fraction": "10000.5", "negative": "-4096"}
    file = write(tmp_path, {name: credentials(count) for name, count in wrong.items()}, "")
    done = service.run_playbook("import", f"file={file}", f"domain={OLD}", f"into={service.domain}")
    said = re.sub(r"\s+", " ", done.stdout + done.stderr)
    assert done.returncode != 0
    assert [
        name
        for name, count in wrong.items()
        if f'{name}@{service.domain} has scram-credentials with "{count}"' not in said
    ] == []
    assert "are no keys" not in said


def test_second_run_says_what_is_missing_and_completes_it_if_told_to(transfer: Transfer) -> None:
    """As after a program that was interrupted: the accounts were there, what belongs to them was not."""
    contact = "<item jid='{}@far.test' name='{}' subscription='both'/>"
    node = (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'>"
        "<item id='{}'><conference xmlns='urn:xmpp:bookmarks:1'/></item>"
        "<item id='b@far.test'><conference xmlns='urn:xmpp:bookmarks:1'/></item></items></pubsub>"
    )
    card = "<vCard xmlns='vcard-temp'><FN>{}</FN></vCard>"
    waiting = (
        "<offline-messages><message xmlns='jabber:client' from='a@far.test' id='1'><body>Hi</body></message>"
        "</offline-messages>"
    )
    prefs = "<query xmlns='jabber:iq:private'><prefs xmlns='app:prefs'/></query>"
    blocked = (
        "<query xmlns='jabber:iq:privacy'><list name='x'><item type='jid' value='z@far.test' action='deny' order='1'/>"
        "</list><default name='x'/></query>"
    )
    empty, half = transfer.name(), transfer.name()
    whole = (
        roster(contact.format("a", "Anna"), contact.format("b", "Bob"))
        + node.format("a@far.test")
        + card.format("Me")
        + waiting
        + archived("2026-11-20T10:00:00Z")
        + prefs
        + blocked
    )
    own = roster(contact.format("a", "My own name for her")) + card.format("My own name")
    said = transfer.import_file(write(transfer.folder, {empty: "", half: own}))
    assert f"Accounts without contacts in the files: {empty}@{transfer.service.domain}. If they have" in said
    file = write(transfer.folder, {empty: whole, half: whole})
    said = transfer.import_file(file)
    missing = (
        "1 node (urn:xmpp:bookmarks:1), 2 of the messages, the profile, settings of apps, who is blocked (in the files:"
        " 2 contacts, 1 nodes, 2 messages, 0 rooms)"
    )
    assert (
        f"{empty}@{transfer.service.domain} exists already and lacks 2 contacts (a@far.test b@far.test), {missing}"
        in said
    )
    of_half = f"1 contact (b@far.test), {missing.replace('the profile, ', '')}"
    assert f"{half}@{transfer.service.domain} exists already and lacks {of_half}" in said
    assert "changed=0" in said
    assert contacts(transfer.export(empty)) == {}
    said = transfer.import_file(file, "complete=true")
    assert f"{half}@{transfer.service.domain} existed already and got {of_half}" in said
    assert "Accounts: 0 imported, 0 existed already and were not changed, 2 existed already and were completed." in said
    for name, called in ((empty, ("Anna", "Me")), (half, ("My own name for her", "My own name"))):
        there = transfer.export(name)
        assert [one.get("name") for one in there.iter("{jabber:iq:roster}item")] == [called[0], "Bob"]
        assert there.findtext(".//{vcard-temp}FN") == called[1]
        assert len(list(there.iter("{urn:xmpp:mam:2}result"))) == 1
        [node_here] = [one for one in there.iter(f"{{{PUBSUB}}}items") if one.get("node") == "urn:xmpp:bookmarks:1"]
        assert [one.get("id") for one in node_here] == ["a@far.test", "b@far.test"]
    said = transfer.import_file(file)
    assert "lacks" not in said
    assert "changed=0" in said
