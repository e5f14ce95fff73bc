# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/import.yml and export.yml: people and rooms of Debian's Prosody are imported, and people exported again.

More than 300 lines: what they take along is furnished and compared in one place.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from testinfra.host import Host

from ..browser.account import enter as enter_page
from ..browser.account import import_file
from ..browser.site import Visit
from ..kit.chromium import browsing, installed, trusting
from ..kit.clients import Client, affiliate, befriend, login
from ..kit.imports import OLD, Transfer, contacts
from ..kit.newcomer import REGISTER, is_newcomer
from ..kit.nodes import PUBSUB
from ..kit.old_server import at_old, copy, tunnel
from ..kit.prosody import HALLS, OLDER, PACKAGES, PROSODY, ROOMS, Prosody
from ..kit.rooms import USER, configure, enter, refusal
from ..kit.service import PLAYBOOK_SECONDS, Account, Service

pytestmark = pytest.mark.timeout(6 * PLAYBOOK_SECONDS)

DEVICES = "eu.siacs.conversations.axolotl.devicelist"
BUNDLE = "eu.siacs.conversations.axolotl.bundles:4711"
BOOKMARKS = "urn:xmpp:bookmarks:1"
AVATAR = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def prosody(host: Host) -> Iterator[Prosody]:
    """Prosody as Debian has it, from its installation until nothing of it is left."""
    host.check_output("systemctl mask --runtime prosody.service")
    try:
        host.check_output(f"DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends {PACKAGES}")
        host.check_output("printf %%s %s > /etc/prosody/test.cfg.lua", PROSODY)
        old = Prosody(host)
        old.start()
        with tunnel(host):
            yield old
    finally:
        host.run("systemctl stop test-prosody.service")
        host.check_output(f"DEBIAN_FRONTEND=noninteractive apt-get purge -qy --autoremove {PACKAGES}")
        host.check_output("rm -rf /var/lib/prosody /etc/prosody && systemctl unmask --runtime prosody.service")


def publication(node: str, item: str, payload: str, **options: str) -> str:
    """A publication with the options that apps ask for."""
    fields = "".join(f"<field var='pubsub#{key}'><value>{value}</value></field>" for key, value in options.items())
    return (
        f"<pubsub xmlns='{PUBSUB}'><publish node='{node}'><item id='{item}'>{payload}</item></publish>"
        "<publish-options><x xmlns='jabber:x:data' type='submit'>"
        f"<field var='FORM_TYPE'><value>{PUBSUB}#publish-options</value></field>{fields}"
        "</x></publish-options></pubsub>"
    )


async def live(client: Client, friend: Client, room: str) -> None:
    """What somebody's apps leave on a server."""
    await client.online()
    await friend.online()
    await befriend(client, friend)
    contact = "<item jid='far@elsewhere.test' name='A &amp; B'><group>Far away</group></item>"
    await client.query("set", f"<query xmlns='jabber:iq:roster'>{contact}</query>")
    devices = "<list xmlns='eu.siacs.conversations.axolotl'><device id='4711'/></list>"
    await client.query("set", publication(DEVICES, "current", devices, access_model="open"))
    keys = "<bundle xmlns='eu.siacs.conversations.axolotl'><identityKey>QUJD</identityKey></bundle>"
    await client.query("set", publication(BUNDLE, "current", keys, access_model="open"))
    for bookmarked in (room, "kitchen@elsewhere.test"):
        bookmark = f"<conference xmlns='{BOOKMARKS}' name='A room' autojoin='true'/>"
        options = {"access_model": "whitelist", "max_items": "max"}
        await client.query("set", publication(BOOKMARKS, bookmarked, bookmark, **options))
    await client.query(
        "set",
        "<vCard xmlns='vcard-temp'><FN>Änne &amp; Co</FN>"
        f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{AVATAR}</BINVAL></PHOTO></vCard>",
    )
    await client.query("set", "<query xmlns='jabber:iq:private'><prefs xmlns='app:prefs'><dark/></prefs></query>")
    client.say(friend.boundjid.bare, "see you elsewhere")
    await friend.hear("see you elsewhere")


async def block(client: Client, address: str) -> None:
    """Wants to hear nothing of somebody any more (XEP-0191)."""
    await client.query("set", f"<block xmlns='urn:xmpp:blocking'><item jid='{address}'/></block>")


async def furnish(client: Client, friend: Client, outcast: Client, name: str, password: str) -> None:
    """Two rooms: one for friends, one for everybody who has the password, in which newcomers listen."""
    garden, square = f"{name}@{ROOMS}", f"{name}-square@{HALLS}"
    await enter(client, garden, "host")
    hidden = {"membersonly": "1", "publicroom": "0", "whois": "anyone", "allowpm": "moderator", "changesubject": "1"}
    words = {"roomname": 'The "Gärten"', "roomdesc": "Roses &amp; thorns;", "lang": "de"}
    await configure(client, garden, persistentroom="1", **hidden, **words)
    await affiliate(client, garden, friend.boundjid.bare, "member")
    await affiliate(client, garden, "far@elsewhere.test", "admin")
    fields = {"FORM_TYPE": "http://jabber.org/protocol/muc#register", "muc#register_roomnick": "Rose"}
    inside = "".join(f"<field var='{key}'><value>{value}</value></field>" for key, value in fields.items())
    form = f"<x xmlns='jabber:x:data' type='submit'>{inside}</x>"
    await friend.query("set", f"<query xmlns='{REGISTER}'>{form}</query>", to=garden)
    client.send_raw(f"<message to='{garden}' type='groupchat'><subject>Weeds</subject></message>")
    await client.messages.get(lambda stanza: stanza.findtext("{jabber:client}subject") == "Weeds")
    picture = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{AVATAR}</BINVAL></PHOTO>"
    await client.query("set", f"<vCard xmlns='vcard-temp'>{picture}</vCard>", to=garden)
    await enter(client, square, "host")
    open_to_all = {"membersonly": "0", "publicroom": "1", "whois": "moderators", "moderatedroom": "1"}
    await configure(client, square, persistentroom="1", **open_to_all, roomsecret=password)
    await affiliate(client, square, outcast.boundjid.bare, "outcast", reason="was rude")
    # A room that is gone when everybody has left is none to take along.
    await enter(client, f"{name}-passing@{ROOMS}", "host")
    await configure(client, f"{name}-passing@{ROOMS}", persistentroom="0")


async def assert_rooms_are_the_same(
    service: Service, account: Account, friend: Account, outcast: Account, stranger: Account, name: str, password: str
) -> None:
    """To each of its people, and to whoever is none."""
    garden, square = (f"{room}@{service.name('muc')}" for room in (name, f"{name}-square"))

    def item(presence: ET.Element) -> dict[str, str]:
        found = presence.find(f"{USER}x/{USER}item")
        assert found is not None, ET.tostring(presence)
        return {key: found.get(key, "") for key in ("affiliation", "role")}

    async with (
        login(service, account, mechanism="SCRAM-SHA-256") as client,
        login(service, friend, mechanism="SCRAM-SHA-256") as member,
        login(service, outcast, mechanism="SCRAM-SHA-256") as shut_out,
        login(service, stranger) as other,
    ):
        # Who is shut out tries first: a room that somebody else makes by trying to enter would be found out.
        assert refusal(await enter(other, garden, "other")) == "registration-required"
        assert refusal(await enter(shut_out, square, "again", password)) == "forbidden"
        assert refusal(await enter(other, square, "other")) == "not-authorized"
        assert item(await enter(other, square, "other", password)) == {"affiliation": "none", "role": "visitor"}
        # A name that is somebody's there is nobody else's.
        assert refusal(await enter(client, garden, "Rose")) == "conflict"
        assert item(await enter(client, garden, "host")) == {"affiliation": "owner", "role": "moderator"}
        assert item(await enter(member, garden, "Rose")) == {"affiliation": "member", "role": "participant"}
        await member.messages.get(lambda stanza: stanza.findtext("{jabber:client}subject") == "Weeds")
        features = {"muc_membersonly", "muc_hidden", "muc_nonanonymous", "muc_persistent", "muc_unmoderated"}
        assert features <= await member.announced(garden)
        features = {"muc_open", "muc_public", "muc_semianonymous", "muc_passwordprotected", "muc_moderated"}
        assert features <= await other.announced(square)
        vcard = await member.query("get", "<vCard xmlns='vcard-temp'/>", to=garden)
        assert vcard.findtext(".//{vcard-temp}BINVAL") == AVATAR
        options, affiliations = service.api(
            ("get_room_options", {"room": name, "service": service.name("muc")}),
            ("get_room_affiliations", {"room": f"{name}-square", "service": service.name("muc")}),
        )
        assert {key: options[key] for key in ("title", "description", "lang", "allowpm", "allow_change_subj")} == {
            "title": 'The "Gärten"',
            "description": "Roses & thorns;",
            "lang": "de",
            "allowpm": "moderators",
            "allow_change_subj": "true",
        }
        assert {entry["jid"]: entry["reason"] for entry in affiliations}[outcast.jid] == "was rude"
        await configure(client, garden, roomname="Its new name")


async def items(client: Client, node: str, owner: str | None = None) -> dict[str | None, str]:
    """The items of a node, as text."""
    answer = await client.query("get", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>", to=owner)
    return {item.get("id"): ET.tostring(item[0], encoding="unicode") for item in answer.iter(f"{{{PUBSUB}}}item")}


async def assert_everything_is_there(
    service: Service, account: Account, friend: Account, blocked: Account, mechanism: str, room: str
) -> None:
    """The same apps find what they left."""
    async with (
        login(service, account, mechanism=mechanism) as client,
        login(service, friend, mechanism=mechanism) as other,
        login(service, blocked, mechanism=mechanism) as unheard,
    ):
        roster = await client.query("get", "<query xmlns='jabber:iq:roster'/>")
        contacts = {item.get("jid"): item for item in roster.iter("{jabber:iq:roster}item")}
        assert contacts.keys() == {friend.jid, "far@elsewhere.test"}
        assert contacts[friend.jid].get("subscription") == "both"
        assert contacts["far@elsewhere.test"].get("name") == "A & B"
        assert contacts["far@elsewhere.test"].findtext("{jabber:iq:roster}group") == "Far away"
        assert (await items(client, BOOKMARKS)).keys() == {room, "kitchen@elsewhere.test"}
        vcard = await client.query("get", "<vCard xmlns='vcard-temp'/>")
        assert vcard.findtext(".//{vcard-temp}FN") == "Änne & Co"
        assert vcard.findtext(".//{vcard-temp}BINVAL") == AVATAR
        prefs = await client.query("get", "<query xmlns='jabber:iq:private'><prefs xmlns='app:prefs'/></query>")
        assert prefs.find(".//{app:prefs}dark") is not None
        assert await client.archive() == ["see you elsewhere"]
        blocklist = await client.query("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
        assert [item.get("jid") for item in blocklist.iter("{urn:xmpp:blocking}item")] == [blocked.jid]
        unheard.say(account.jid, "it is me again")
        await unheard.messages.get(lambda stanza: stanza.get("type") == "error")
        # Friends are friends, and can still encrypt for each other.
        await other.online()
        await client.online()
        await other.presences.get(lambda presence: presence.get("from") == client.boundjid.full)
        assert "4711" in (await items(other, DEVICES, account.jid))["current"]
        assert "QUJD" in (await items(other, BUNDLE, account.jid))["current"]


async def import_on_the_web(service: Service, account: Account, file: Path, folder: Path) -> None:
    """Contacts and bookmarks, as their owner does on the account page, in a browser."""
    places = {service.domain: service.address}
    with installed("mover", folder) as program:
        async with browsing(program, trusting(service.ca, folder / "home"), places) as browser:
            visit = await Visit.begin(browser, service.domain)
            page = await visit.open("/de/account/#import")
            await enter_page(page, account)
            await import_file(page, file, "de", contacts=2, asked=1, bookmarks=2)
            assert await visit.end() == []


def test_people_and_rooms_are_imported_and_people_exported(service: Service, prosody: Prosody, tmp_path: Path) -> None:
    old, old_friend, old_outcast = (prosody.register(OLD) for _ in range(3))
    imported = [Account(one.name, one.password, service.domain) for one in (old, old_friend, old_outcast)]
    account, friend, outcast = imported
    name, password = f"garden-{secrets.token_hex(4)}", 'a;b,c="d'
    room = f"{name}@{service.name('muc')}"
    in_, out = tmp_path / "in", tmp_path / "out"
    in_.mkdir()
    out.mkdir()

    async def at_prosody() -> None:
        async with (
            at_old(service, old, "SCRAM-SHA-256") as client,
            at_old(service, old_friend, "SCRAM-SHA-256") as other,
            at_old(service, old_outcast, "SCRAM-SHA-256") as third,
        ):
            await live(client, other, f"{name}@{ROOMS}")
            await furnish(client, other, third, name, password)
            await block(client, old_outcast.jid)

    def import_(folder: Path, *words: str) -> str:
        return service.succeed("import", f"file={folder}", *words)

    asyncio.run(at_prosody())
    prosody.give_out(OLD, "internal", "SHA-256", in_)
    prosody.give_the_rest_out(in_)
    stranger, taker = service.register(2)
    try:
        # One of the people does it alone, at a service that imports nothing for anybody.
        asyncio.run(import_on_the_web(service, taker, in_ / f"{old.jid}.xml", tmp_path))
        [roster] = service.api(("get_roster", {"user": taker.name, "host": service.domain}))
        found = {item["jid"]: (item["nick"], item["groups"]) for item in roster}
        assert found == {old_friend.jid: ("", []), "far@elsewhere.test": ("A & B", ["Far away"])}
        said = import_(in_, f"domain={OLD}", f"into={service.domain}")
        assert f"{account.jid} was imported" in said
        counts = re.search(rf"{account.jid} was imported.*\(in the files: (.*)\)", said)
        assert counts
        assert counts[1] == "2 contacts, 7 nodes, 1 messages, 2 rooms"
        assert f"{room} was imported" in said
        assert "Rooms: 2 imported, 0 existed already and were not changed." in said
        assert "Accounts: 3 imported, 0 existed already and were not changed." in said
        assert not any(is_newcomer(service, one) for one in imported), "they are known, wherever they were before"
        asyncio.run(assert_everything_is_there(service, account, friend, outcast, "SCRAM-SHA-256", room))
        asyncio.run(assert_rooms_are_the_same(service, account, friend, outcast, stranger, name, password))
        again = import_(in_, f"domain={OLD}")
        assert "Rooms: 0 imported, 2 existed already and were not changed." in again
        assert "Accounts: 0 imported, 3 existed already and were not changed." in again
        assert "changed=0" in again
        [options] = service.api(("get_room_options", {"room": name, "service": service.name("muc")}))
        assert options["title"] == "Its new name"
        for one in (account, friend):
            file = out / f"{one.name}.xml"
            done = service.run_playbook("export", f"user={one.name}", f"file={file}")
            assert done.returncode == 0, done.stdout + done.stderr
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            keys = re.findall("<(?:stored|server)-key>(.*?)<", file.read_text(encoding="utf-8"))
            assert len(keys) == 2
            assert not any(key in done.stdout + done.stderr for key in keys)
        copy = tmp_path / "copy.xml"
        done = service.run_playbook("export", f"user={account.name}", f"file={copy}", "password=false")
        assert done.returncode == 0, done.stdout + done.stderr
        kept, whole = (file.read_text(encoding="utf-8") for file in (copy, out / f"{account.name}.xml"))
        # All the same, but for the keys, which are in no other form there either.
        assert kept == re.sub("<scram-credentials .*?</scram-credentials>", "", whole)
        assert not re.search("scram|password", kept, re.IGNORECASE)
        service.unregister([account, friend])
        import_(out)
        asyncio.run(assert_everything_is_there(service, account, friend, outcast, "SCRAM-SHA-256", room))
    finally:
        service.unregister([*imported, stranger, taker])
        rooms = service.api(("muc_online_rooms", {"service": service.name("muc")}))[0]
        for made in (one.partition("@")[0] for one in rooms if one.startswith(name)):
            service.api(("destroy_room", {"room": made, "service": service.name("muc")}))


def test_accounts_that_could_not_log_in_do_not_come(service: Service, prosody: Prosody, tmp_path: Path) -> None:
    old = prosody.register(OLDER)
    prosody.give_out(OLDER, "sql", "SHA-1", tmp_path)
    done = service.run_playbook("import", f"file={tmp_path}", f"domain={OLDER}")
    assert done.returncode != 0
    assert "1 of 1 accounts have a SHA-1 key" in done.stdout + done.stderr
    assert "xmpp_sha1_passwords: true" in done.stdout + done.stderr
    [accounts] = service.api(("registered_users", {"host": service.domain}))
    assert old.name not in accounts


ROSTER = """return {
  [false] = { ["version"] = 1.0; ["pending"] = { ["asks@far.test"] = true; }; };
  ["asked@far.test"] = {
    ["subscription"] = "none"; ["ask"] = "subscribe"; ["groups"] = { ["%s"] = true; [""] = true; };
  };
};
"""


def test_interrupted_migrator(service: Service, prosody: Prosody, transfer: Transfer) -> None:
    """Prosody's own: a list of contacts that it cannot write ends it, when all accounts are written."""
    accounts = [prosody.register(OLD) for _ in range(2)]
    transfer.names += [one.name for one in accounts]
    folder = f"/var/lib/prosody/{OLD.replace('.', '%2e')}/roster"
    prosody.host.check_output(f"install -d -o prosody -g prosody {folder}")
    for one in accounts:
        file = f"{folder}/{one.name.replace('-', '%2d')}.dat"
        prosody.host.check_output("printf %%s %s > %s", ROSTER % "a\\1b", file)
    with pytest.raises(AssertionError):
        prosody.give_out(OLD, "internal", "SHA-256", transfer.folder)
    copy(prosody.host, f"/var/lib/prosody/*@{OLD}.xml", transfer.folder)
    # What earlier tests have left there.
    for path in transfer.folder.glob("*.xml"):
        if path.name.partition("@")[0] not in transfer.names:
            path.unlink()
    said = transfer.import_file(transfer.folder)
    assert "Accounts: 2 imported" in said
    assert "In the files of these accounts: 0 contacts" in said
    assert "Accounts without contacts in the files" in said
    prosody.host.check_output(f"sed -i 's/a.1b/Work/' {folder}/*.dat")
    prosody.give_out(OLD, "internal", "SHA-256", transfer.folder)
    said = transfer.import_file(transfer.folder)
    assert said.count("exists already and lacks 2 contacts (asked@far.test asks@far.test)") == 2
    transfer.import_file(transfer.folder, "complete=true")
    for one in accounts:
        assert contacts(transfer.export(one.name)) == {
            "asks@far.test": ("none", "", True, []),
            "asked@far.test": ("none", "subscribe", False, ["Work"]),
        }
