# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/import.yml and export.yml: from a Prosody of Debian, people move in with their rooms, and out again."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from testinfra.host import Host

from ..kit.clients import Client, affiliate, befriend, login
from ..kit.newcomer import REGISTER
from ..kit.old_server import PORT, at_old, copy, tunnel, wait_for_answer
from ..kit.rooms import USER, configure, enter, refusal
from ..kit.service import PLAYBOOK_SECONDS, Account, Service

pytestmark = pytest.mark.timeout(6 * PLAYBOOK_SECONDS)

OLD = "old.test"
OLDER = "older.test"  # as Prosody is by default: it keeps SHA-1; its data is in SQL
ROOMS = f"rooms.{OLD}"  # in files
HALLS = f"halls.{OLD}"  # in SQL
PACKAGES = "prosody lua-dbi-sqlite3"
PUBSUB = "http://jabber.org/protocol/pubsub"
DEVICES = "eu.siacs.conversations.axolotl.devicelist"
BUNDLE = "eu.siacs.conversations.axolotl.bundles:4711"
BOOKMARKS = "urn:xmpp:bookmarks:1"
AVATAR = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

SQL = 'storage = "sql"; sql = { driver = "SQLite3"; database = "prosody.sqlite" }'
PROSODY = f"""
modules_enabled = {{
  "roster"; "saslauth"; "disco"; "bookmarks"; "pep"; "private"; "vcard4"; "vcard_legacy"; "mam"; "blocklist"
}}
modules_disabled = {{ "s2s" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {PORT} }}
c2s_require_encryption = false
authentication = "internal_hashed"
VirtualHost "{OLD}"
  password_hash = "SHA-256"
VirtualHost "{OLDER}"
  {SQL}
Component "{ROOMS}" "muc"
Component "{HALLS}" "muc"
  {SQL}
"""
MIGRATOR = """
input {
  hosts = { ["%s"] = { "accounts"; "roster"; "vcard"; "private"; "pep-pubsub"; "archive-archive" } };
  type = "%s"; driver = "SQLite3"; database = "prosody.sqlite";
}
output { type = "xep0227"; config = { password_hash = "%s" } }
"""
REST_MIGRATOR = f"""
input {{
  hosts = {{ ["{OLDER}"] = {{ "blocklist" }}; ["{HALLS}"] = {{ "config"; "vcard_muc" }} }};
  type = "sql"; driver = "SQLite3"; database = "prosody.sqlite";
}}
output {{ type = "internal"; path = "/var/lib/prosody/moving" }}
"""


@dataclass
class Prosody:
    """A Prosody on the host under test, beside the service."""

    host: Host

    def start(self) -> None:
        """Starts the server."""
        self.host.check_output(
            "systemd-run --unit=test-prosody --property=User=prosody --property=RuntimeDirectory=prosody "
            "prosody -F --config /etc/prosody/test.cfg.lua"
        )

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """The server does not run, as docs/import-export.md says: the migrator uses the same database."""
        self.host.check_output("systemctl stop test-prosody.service")
        try:
            yield
        finally:
            self.start()
            wait_for_answer()

    def register(self, domain: str) -> Account:
        """A new account."""
        name, password = f"person-{secrets.token_hex(5)}", f"a {secrets.token_urlsafe(12)}"
        self.host.check_output(
            "prosodyctl --config /etc/prosody/test.cfg.lua register %s %s %s", name, domain, password
        )
        return Account(name, password, domain)

    def give_out(self, domain: str, storage: str, hash: str, folder: Path) -> None:
        """Writes a domain's accounts into a folder of this machine, as docs/import-export.md says."""
        self.host.check_output("printf %%s %s > /etc/prosody/moving.cfg.lua", MIGRATOR % (domain, storage, hash))
        with self.stopped():
            self.host.check_output("prosody-migrator --config /etc/prosody/moving.cfg.lua")
        copy(self.host, f"/var/lib/prosody/*@{domain}.xml", folder)

    def give_the_rest_out(self, folder: Path) -> None:
        """Copies block lists and rooms into a folder of this machine, as docs/import-export.md says."""
        self.host.check_output("printf %%s %s > /etc/prosody/rest.cfg.lua", REST_MIGRATOR)
        with self.stopped():
            self.host.check_output("prosody-migrator --config /etc/prosody/rest.cfg.lua")
        for place in (OLD, ROOMS, f"moving/{HALLS}"):
            copy(self.host, f"/var/lib/prosody/{place.replace('.', '%2e')}", folder)


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


def test_people_and_rooms_move_in_and_people_out(service: Service, prosody: Prosody, tmp_path: Path) -> None:
    old, old_friend, old_outcast = (prosody.register(OLD) for _ in range(3))
    moved = [Account(one.name, one.password, service.domain) for one in (old, old_friend, old_outcast)]
    account, friend, outcast = moved
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

    def bring(folder: Path, *words: str) -> str:
        done = service.run_playbook("import", f"file={folder}", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    asyncio.run(at_prosody())
    prosody.give_out(OLD, "internal", "SHA-256", in_)
    prosody.give_the_rest_out(in_)
    (stranger,) = service.register(1)
    try:
        said = bring(in_, f"domain={OLD}", f"into={service.domain}")
        assert f"{account.jid} was imported" in said
        counts = re.search(rf"{account.jid} was imported.*\(in the files: (.*)\)", said)
        assert counts
        assert counts[1] == "2 contacts, 7 nodes, 1 messages, 2 rooms"
        assert f"{room} was imported" in said
        assert "Rooms: 2 imported, 0 existed already and were not changed." in said
        assert "Accounts: 3 imported, 0 existed already and were not changed." in said
        asyncio.run(assert_everything_is_there(service, account, friend, outcast, "SCRAM-SHA-256", room))
        asyncio.run(assert_rooms_are_the_same(service, account, friend, outcast, stranger, name, password))
        again = bring(in_, f"domain={OLD}")
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
        bring(out)
        asyncio.run(assert_everything_is_there(service, account, friend, outcast, "SCRAM-SHA-256", room))
    finally:
        service.unregister([*moved, stranger])
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


def roster(*items: str) -> str:
    """A list of contacts."""
    return f"<query xmlns='jabber:iq:roster'>{''.join(items)}</query>"


def write(folder: Path, users: dict[str, str], password: str = "password='good one'") -> Path:
    """A file with accounts of the old server, each with what belongs to it."""
    inside = "".join(f"<user name='{name}' {password}>{data}</user>" for name, data in users.items())
    path = folder / "accounts.xml"
    path.write_text(f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{OLD}'>{inside}</host></server-data>", "utf-8")
    return path


@dataclass
class Move:
    """Moves accounts in and out; what was moved in is gone at the end."""

    service: Service
    folder: Path
    names: list[str] = field(default_factory=list)

    def name(self) -> str:
        """One that nobody has."""
        self.names.append(f"moved-{secrets.token_hex(4)}")
        return self.names[-1]

    def bring(self, file: Path, *words: str) -> str:
        """What import.yml says, in one line."""
        words = (f"file={file}", f"domain={OLD}", f"into={self.service.domain}", *words)
        done = self.service.run_playbook("import", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return re.sub(r"\s+", " ", done.stdout)

    def give(self, name: str) -> ET.Element:
        """What export.yml writes of an account."""
        file = self.folder / f"{secrets.token_hex(4)}.xml"
        done = self.service.run_playbook("export", f"user={name}", f"file={file}")
        assert done.returncode == 0, done.stdout + done.stderr
        return ET.parse(file).getroot()


@pytest.fixture
def move(service: Service, tmp_path: Path) -> Iterator[Move]:
    made = Move(service, tmp_path)
    yield made
    service.unregister([Account(name, "", service.domain) for name in made.names])


def contacts(document: ET.Element) -> dict[str, tuple[str, str, bool, list[str]]]:
    """How somebody stands to each contact: who sees whom, who was asked, who asks, and the groups."""
    asking: dict[str, tuple[str, str, bool, list[str]]] = {
        one.get("from", ""): ("none", "", True, []) for one in document.iter("{jabber:client}presence")
    }
    return asking | {
        one.get("jid", ""): (
            one.get("subscription", "none"),
            one.get("ask", ""),
            one.get("jid", "") in asking,
            [group.text or "" for group in one],
        )
        for one in document.iter("{jabber:iq:roster}item")
    }


def test_how_somebody_stands_to_a_contact_is_kept(move: Move) -> None:
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
    name = move.name()
    said = move.bring(write(move.folder, {name: roster(*items) + "".join(requests)}))
    assert "(in the files: 9 contacts, 0 nodes, 0 messages, 0 rooms)" in said
    first = move.give(name)
    assert {jid: stands[:3] for jid, stands in contacts(first).items()} == wanted
    ours = move.folder / "ours.xml"
    ET.ElementTree(first).write(ours)
    move.service.unregister([Account(name, "", move.service.domain)])
    done = move.service.run_playbook("import", f"file={ours}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert without_keys(move.give(name)) == without_keys(first)


def without_keys(document: ET.Element) -> tuple[str, set[str | None]]:
    """A document, and the keys of the password, which come in any order."""
    keys = {element.text for element in document.iter("{urn:xmpp:pie:0#scram}stored-key")}
    for user in document.iter("{urn:xmpp:pie:0}user"):
        for element in user.findall("{urn:xmpp:pie:0#scram}scram-credentials"):
            user.remove(element)
    return ET.canonicalize(ET.tostring(document, encoding="unicode")), keys


def test_who_was_asked_before_the_move_can_still_say_yes(move: Move, service: Service) -> None:
    name, other_name = move.name(), move.name()
    item = f"<item jid='{other_name}@{OLD}' subscription='none' ask='subscribe'/>"
    asks = f"<presence xmlns='jabber:client' type='subscribe' from='{name}@{OLD}'/>"
    move.bring(write(move.folder, {name: roster(item), other_name: asks}))

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


def test_what_is_odd_and_harmless_is_mended_and_counted(move: Move) -> None:
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
    names = {move.name(): what for what in odd}
    said = move.bring(write(move.folder, {name: odd[what] for name, what in names.items()}))
    for name, what in names.items():
        assert f"{name}@{move.service.domain} was imported: fixed: {what} (in" in said
    first, *_ = names
    assert contacts(move.give(first))["a@far.test"][3] == ["Work"]
    [without_namespace] = [name for name, what in names.items() if "presence that asks nothing (1), m" in what]
    assert contacts(move.give(without_namespace))["c@far.test"][2]


@pytest.mark.parametrize("count", ["10000", "10000.0", "1e+04", "1.0E4", "010000", " 10000 "])
def test_count_of_iterations_as_lua_writes_it(move: Move, count: str) -> None:
    name = move.name()
    move.bring(write(move.folder, {name: credentials(count)}, ""))
    assert move.give(name).findtext(".//{urn:xmpp:pie:0#scram}iter-count") == "10000"


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


def test_second_run_says_what_is_missing_and_completes_it_if_told_to(move: Move) -> None:
    """As after a program that broke off: the accounts were there, what belongs to them was not."""
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
    empty, half = move.name(), move.name()
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
    said = move.bring(write(move.folder, {empty: "", half: own}))
    assert f"Accounts without contacts in the files: {empty}@{move.service.domain}. If they have" in said
    file = write(move.folder, {empty: whole, half: whole})
    said = move.bring(file)
    missing = (
        "1 node (urn:xmpp:bookmarks:1), 2 of the messages, the profile, settings of apps, who is blocked (in the files:"
        " 2 contacts, 1 nodes, 2 messages, 0 rooms)"
    )
    assert (
        f"{empty}@{move.service.domain} exists already and lacks 2 contacts (a@far.test b@far.test), {missing}" in said
    )
    of_half = f"1 contact (b@far.test), {missing.replace('the profile, ', '')}"
    assert f"{half}@{move.service.domain} exists already and lacks {of_half}" in said
    assert "changed=0" in said
    assert contacts(move.give(empty)) == {}
    said = move.bring(file, "complete=true")
    assert f"{half}@{move.service.domain} existed already and got {of_half}" in said
    assert "Accounts: 0 imported, 0 existed already and were not changed, 2 existed already and were completed." in said
    for name, called in ((empty, ("Anna", "Me")), (half, ("My own name for her", "My own name"))):
        there = move.give(name)
        assert [one.get("name") for one in there.iter("{jabber:iq:roster}item")] == [called[0], "Bob"]
        assert there.findtext(".//{vcard-temp}FN") == called[1]
        assert len(list(there.iter("{urn:xmpp:mam:2}result"))) == 1
        [node_here] = [one for one in there.iter(f"{{{PUBSUB}}}items") if one.get("node") == BOOKMARKS]
        assert [one.get("id") for one in node_here] == ["a@far.test", "b@far.test"]
    said = move.bring(file)
    assert "lacks" not in said
    assert "changed=0" in said


ROSTER = """return {
  [false] = { ["version"] = 1.0; ["pending"] = { ["asks@far.test"] = true; }; };
  ["asked@far.test"] = {
    ["subscription"] = "none"; ["ask"] = "subscribe"; ["groups"] = { ["%s"] = true; [""] = true; };
  };
};
"""


def test_migrator_that_breaks_off(service: Service, prosody: Prosody, move: Move) -> None:
    """Prosody's own: a list of contacts that it cannot write ends it, when all accounts are written."""
    accounts = [prosody.register(OLD) for _ in range(2)]
    move.names += [one.name for one in accounts]
    folder = f"/var/lib/prosody/{OLD.replace('.', '%2e')}/roster"
    prosody.host.check_output(f"install -d -o prosody -g prosody {folder}")
    for one in accounts:
        file = f"{folder}/{one.name.replace('-', '%2d')}.dat"
        prosody.host.check_output("printf %%s %s > %s", ROSTER % "a\\1b", file)
    with pytest.raises(AssertionError):
        prosody.give_out(OLD, "internal", "SHA-256", move.folder)
    copy(prosody.host, f"/var/lib/prosody/*@{OLD}.xml", move.folder)
    # What earlier tests have left there.
    for path in move.folder.glob("*.xml"):
        if path.name.partition("@")[0] not in move.names:
            path.unlink()
    said = move.bring(move.folder)
    assert "Accounts: 2 imported" in said
    assert "In the files of these accounts: 0 contacts" in said
    assert "Accounts without contacts in the files" in said
    prosody.host.check_output(f"sed -i 's/a.1b/Work/' {folder}/*.dat")
    prosody.give_out(OLD, "internal", "SHA-256", move.folder)
    said = move.bring(move.folder)
    assert said.count("exists already and lacks 2 contacts (asked@far.test asks@far.test)") == 2
    move.bring(move.folder, "complete=true")
    for one in accounts:
        assert contacts(move.give(one.name)) == {
            "asks@far.test": ("none", "", True, []),
            "asked@far.test": ("none", "subscribe", False, ["Work"]),
        }
