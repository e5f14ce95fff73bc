# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/import.yml and export.yml: people move in from a Prosody of Debian, and out again, with all they have."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from testinfra.host import Host

from .clients import SECONDS, Client, befriend, login
from .service import PLAYBOOK_SECONDS, Account, Service

pytestmark = pytest.mark.timeout(6 * PLAYBOOK_SECONDS)

OLD = "old.test"
OLDER = "older.test"  # as Prosody is by default: it keeps SHA-1
PORT = 15222
PUBSUB = "http://jabber.org/protocol/pubsub"
DEVICES = "eu.siacs.conversations.axolotl.devicelist"
BUNDLE = "eu.siacs.conversations.axolotl.bundles:4711"
BOOKMARKS = "urn:xmpp:bookmarks:1"
AVATAR = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

PROSODY = f"""
modules_enabled = {{ "roster"; "saslauth"; "disco"; "bookmarks"; "pep"; "private"; "vcard4"; "vcard_legacy"; "mam" }}
modules_disabled = {{ "s2s" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {PORT} }}
c2s_require_encryption = false
authentication = "internal_hashed"
VirtualHost "{OLD}"
  password_hash = "SHA-256"
VirtualHost "{OLDER}"
"""
MIGRATOR = """
input {
  hosts = { ["%s"] = { "accounts"; "roster"; "vcard"; "private"; "pep-pubsub"; "archive-archive" } };
  type = "internal";
}
output { type = "xep0227"; config = { password_hash = "%s" } }
"""


class OldClient(Client):
    """A client of the Prosody, which is reached through ssh alone and needs no TLS."""

    async def start(self) -> None:
        """Connects and logs in."""
        self.enable_starttls, self.enable_plaintext = False, True
        self.plugin["feature_mechanisms"].unencrypted_scram = True
        self.ready = asyncio.get_running_loop().create_future()
        self.connect("127.0.0.1", PORT)
        async with asyncio.timeout(SECONDS):
            await self.ready


@dataclass
class Prosody:
    """A Prosody on the host under test, beside the service."""

    host: Host

    def register(self, domain: str) -> Account:
        """A new account."""
        name, password = f"user-{secrets.token_hex(5)}", f"a {secrets.token_urlsafe(12)}"
        self.host.check_output(
            "prosodyctl --config /etc/prosody/test.cfg.lua register %s %s %s", name, domain, password
        )
        return Account(name, password, domain)

    def give_out(self, domain: str, hash: str, folder: Path) -> None:
        """Writes a domain's accounts into a folder of this machine, as docs/operations.md says."""
        self.host.check_output("printf %%s %s > /etc/prosody/moving.cfg.lua", MIGRATOR % (domain, hash))
        self.host.check_output("prosody-migrator --config /etc/prosody/moving.cfg.lua")
        for name in self.host.check_output("ls /var/lib/prosody").splitlines():
            if name.endswith(f"@{domain}.xml"):
                content = self.host.file(f"/var/lib/prosody/{name}").content_string
                (folder / name).write_text(content, encoding="utf-8")

    @contextlib.asynccontextmanager
    async def login(self, service: Service, account: Account, mechanism: str) -> AsyncIterator[OldClient]:
        """A client that is logged in."""
        client = OldClient(service, account, mechanism=mechanism)
        try:
            await client.start()
            yield client
        finally:
            await client.stop()


@pytest.fixture(scope="module")
def prosody(host: Host) -> Iterator[Prosody]:
    """Prosody as Debian has it, from its installation until nothing of it is left."""
    host.check_output("systemctl mask --runtime prosody.service")
    try:
        host.check_output("DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends prosody")
        host.check_output("printf %%s %s > /etc/prosody/test.cfg.lua", PROSODY)
        host.check_output(
            "systemd-run --unit=test-prosody --property=User=prosody --property=RuntimeDirectory=prosody "
            "prosody -F --config /etc/prosody/test.cfg.lua"
        )
        with subprocess.Popen(
            [
                "ssh",
                "-F",
                host.backend.ssh_config,
                "-N",
                "-L",
                f"{PORT}:127.0.0.1:{PORT}",
                host.ansible.get_variables()["ansible_host"],
            ]
        ) as tunnel:
            try:
                wait_for_prosody()
                yield Prosody(host)
            finally:
                tunnel.terminate()
    finally:
        host.run("systemctl stop test-prosody.service")
        host.check_output("DEBIAN_FRONTEND=noninteractive apt-get purge -qy --autoremove prosody")
        host.check_output("rm -rf /var/lib/prosody /etc/prosody && systemctl unmask --runtime prosody.service")


def wait_for_prosody() -> None:
    """Returns when Prosody answers through the tunnel, which is open before Prosody is."""
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), timeout=5) as connection:
            connection.sendall(b"<?xml version='1.0'?>")
            connection.sendall(
                b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
            )
            if connection.recv(100):
                return
        assert time.monotonic() < deadline, "Prosody does not answer within 30 seconds"
        time.sleep(0.2)  # ssh refuses at once: not to be asked in a busy loop


def publication(node: str, item: str, payload: str, **options: str) -> str:
    """A publication with the options that apps ask for."""
    fields = "".join(f"<field var='pubsub#{key}'><value>{value}</value></field>" for key, value in options.items())
    return (
        f"<pubsub xmlns='{PUBSUB}'><publish node='{node}'><item id='{item}'>{payload}</item></publish>"
        "<publish-options><x xmlns='jabber:x:data' type='submit'>"
        f"<field var='FORM_TYPE'><value>{PUBSUB}#publish-options</value></field>{fields}"
        "</x></publish-options></pubsub>"
    )


async def live(client: Client, friend: Client) -> None:
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
    for room in ("garden@rooms.test", "kitchen@rooms.test"):
        bookmark = f"<conference xmlns='{BOOKMARKS}' name='A room' autojoin='true'/>"
        await client.query("set", publication(BOOKMARKS, room, bookmark, access_model="whitelist", max_items="max"))
    await client.query(
        "set",
        "<vCard xmlns='vcard-temp'><FN>Änne &amp; Co</FN>"
        f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{AVATAR}</BINVAL></PHOTO></vCard>",
    )
    await client.query("set", "<query xmlns='jabber:iq:private'><prefs xmlns='app:prefs'><dark/></prefs></query>")
    client.say(friend.boundjid.bare, "see you elsewhere")
    await friend.hear("see you elsewhere")


async def items(client: Client, node: str, owner: str | None = None) -> dict[str | None, str]:
    """The items of a node, as text."""
    answer = await client.query("get", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>", to=owner)
    return {item.get("id"): ET.tostring(item[0], encoding="unicode") for item in answer.iter(f"{{{PUBSUB}}}item")}


async def assert_everything_is_there(service: Service, account: Account, friend: Account, mechanism: str) -> None:
    """The same apps find what they left."""
    async with (
        login(service, account, mechanism=mechanism) as client,
        login(service, friend, mechanism=mechanism) as other,
    ):
        roster = await client.query("get", "<query xmlns='jabber:iq:roster'/>")
        contacts = {item.get("jid"): item for item in roster.iter("{jabber:iq:roster}item")}
        assert contacts.keys() == {friend.jid, "far@elsewhere.test"}
        assert contacts[friend.jid].get("subscription") == "both"
        assert contacts["far@elsewhere.test"].get("name") == "A & B"
        assert contacts["far@elsewhere.test"].findtext("{jabber:iq:roster}group") == "Far away"
        assert (await items(client, BOOKMARKS)).keys() == {"garden@rooms.test", "kitchen@rooms.test"}
        vcard = await client.query("get", "<vCard xmlns='vcard-temp'/>")
        assert vcard.findtext(".//{vcard-temp}FN") == "Änne & Co"
        assert vcard.findtext(".//{vcard-temp}BINVAL") == AVATAR
        prefs = await client.query("get", "<query xmlns='jabber:iq:private'><prefs xmlns='app:prefs'/></query>")
        assert prefs.find(".//{app:prefs}dark") is not None
        assert await client.archive() == ["see you elsewhere"]
        # Friends are friends, and can still encrypt for each other.
        await other.online()
        await client.online()
        await other.presences.get(lambda presence: presence.get("from") == client.boundjid.full)
        assert "4711" in (await items(other, DEVICES, account.jid))["current"]
        assert "QUJD" in (await items(other, BUNDLE, account.jid))["current"]


def test_people_move_in_and_out_with_all_they_have(service: Service, prosody: Prosody, tmp_path: Path) -> None:
    old, old_friend = prosody.register(OLD), prosody.register(OLD)
    account, friend = (Account(one.name, one.password, service.domain) for one in (old, old_friend))
    in_, out = tmp_path / "in", tmp_path / "out"
    in_.mkdir()
    out.mkdir()

    async def at_prosody() -> None:
        async with (
            prosody.login(service, old, "SCRAM-SHA-256") as client,
            prosody.login(service, old_friend, "SCRAM-SHA-256") as other,
        ):
            await live(client, other)

    def bring(folder: Path, *words: str) -> str:
        done = service.run_playbook("import", f"file={folder}", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    asyncio.run(at_prosody())
    prosody.give_out(OLD, "SHA-256", in_)
    try:
        said = bring(in_, f"domain={OLD}")
        assert f"{account.jid} is here now" in said
        assert "Accounts: 2 here now, 0 here before and left alone." in said
        asyncio.run(assert_everything_is_there(service, account, friend, "SCRAM-SHA-256"))
        again = bring(in_, f"domain={OLD}")
        assert "Accounts: 0 here now, 2 here before and left alone." in again
        assert "changed=0" in again
        for one in (account, friend):
            file = out / f"{one.name}.xml"
            done = service.run_playbook("export", f"user={one.name}", f"file={file}")
            assert done.returncode == 0, done.stdout + done.stderr
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            keys = re.findall("<(?:stored|server)-key>(.*?)<", file.read_text(encoding="utf-8"))
            assert len(keys) == 2
            assert not any(key in done.stdout + done.stderr for key in keys)
        service.unregister([account, friend])
        bring(out)
        asyncio.run(assert_everything_is_there(service, account, friend, "SCRAM-SHA-256"))
    finally:
        service.unregister([account, friend])


def test_accounts_that_could_not_log_in_do_not_come(service: Service, prosody: Prosody, tmp_path: Path) -> None:
    old = prosody.register(OLDER)
    prosody.give_out(OLDER, "SHA-1", tmp_path)
    done = service.run_playbook("import", f"file={tmp_path}", f"domain={OLDER}")
    assert done.returncode != 0
    assert "1 of 1 accounts have a SHA-1 key" in done.stdout + done.stderr
    assert "xmpp_sha1_passwords: true" in done.stdout + done.stderr
    [accounts] = service.api(("registered_users", {"host": service.domain}))
    assert old.name not in accounts
