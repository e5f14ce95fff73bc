# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts are imported with a SHA-1 key of their password and no other, as ejabberd and Prosody keep it by default.

This host lets them log in (xmpp_sha1_passwords). What becomes of them elsewhere is in
tests/operations/test_import_export.py.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.kit.clients import Refused, befriend, login
from tests.kit.old_server import PORT, at_old, copy, tunnel
from tests.kit.service import Account, Service

OLD = "old.test"
PLACE = "/run/old-ejabberd"  # in memory
# What matters of Debian's own.
CONFIGURATION = f"""
hosts: [{OLD}]
loglevel: none
auth_password_format: scram
listen:
  - {{port: {PORT}, ip: "127.0.0.1", module: ejabberd_c2s}}
modules: {{mod_last: {{}}, mod_offline: {{}}, mod_private: {{}}, mod_privacy: {{}}, mod_roster: {{}}, mod_vcard: {{}}}}
"""
CONTROL = (
    f"ejabberdctl --node old@localhost --config {PLACE}/ejabberd.yml --ctl-config {PLACE}/ejabberdctl.cfg "
    f"--spool {PLACE}/spool --logs {PLACE}/logs"
)


@pytest.fixture(scope="module")
def service(host: Host) -> Service:
    return Service.of(host, "off.test", host.check_output("cat /etc/xmpp/certificates/off.test/fullchain.pem"))


@pytest.fixture(scope="module")
def old_ejabberd(host: Host) -> Iterator[str]:
    """Another ejabberd beside the service; the command by which it is told what to do."""
    try:
        host.check_output(f"install -d -o ejabberd -g ejabberd -m 0700 {PLACE} {PLACE}/out")
        # Root's umask is 077 on this host.
        host.check_output(
            f"umask 022 && touch {PLACE}/ejabberdctl.cfg && printf %%s %s > {PLACE}/ejabberd.yml", CONFIGURATION
        )
        unit = "systemd-run --unit=old-ejabberd --property=User=ejabberd --property=UMask=0077"
        host.check_output(f"{unit} {CONTROL} foreground-quiet")
        host.check_output(f"timeout 60 {CONTROL} started")
        with tunnel(host):
            yield CONTROL
    finally:
        host.run("systemctl stop old-ejabberd.service")
        host.check_output(f"rm -rf {PLACE}")


def as_prosody_gives_out(account: Account) -> str:
    """An account with a SHA-1 key, as Debian's prosody-migrator writes it."""
    salt, rounds = secrets.token_hex(16).encode(), 10000
    salted = hashlib.pbkdf2_hmac("sha1", account.password.encode(), salt, rounds)
    stored = hashlib.sha1(hmac.digest(salted, b"Client Key", "sha1")).digest()
    keys = {"server-key": hmac.digest(salted, b"Server Key", "sha1"), "stored-key": stored, "salt": salt}
    parts = "".join(f"<{name}>{base64.b64encode(value).decode()}</{name}>" for name, value in keys.items())
    return (
        f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{account.domain}'><user name='{account.name}'>"
        "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'>"
        f"<iter-count>{rounds}</iter-count>{parts}</scram-credentials></user></host></server-data>"
    )


async def live(service: Service, one: Account, other: Account) -> None:
    """What somebody's apps leave on an ejabberd that its own export gives out."""
    # (PLAIN, as without TLS ejabberd takes a client's word that it could bind to the channel for an attack.)
    async with at_old(service, one, "PLAIN") as client, at_old(service, other, "PLAIN") as friend:
        await client.online()
        await friend.online()
        await befriend(client, friend)
        await client.query("set", "<vCard xmlns='vcard-temp'><FN>Änne &amp; Co</FN></vCard>")
        await client.query("set", "<query xmlns='jabber:iq:private'><prefs xmlns='app:prefs'><dark/></prefs></query>")


async def assert_it_is_there(service: Service, one: Account, other: Account) -> None:
    async with login(service, one, mechanism="SCRAM-SHA-1") as client:
        roster = await client.query("get", "<query xmlns='jabber:iq:roster'/>")
        contacts = {item.get("jid"): item.get("subscription") for item in roster.iter("{jabber:iq:roster}item")}
        assert contacts == {other.jid: "both"}
        vcard = await client.query("get", "<vCard xmlns='vcard-temp'/>")
        assert vcard.findtext(".//{vcard-temp}FN") == "Änne & Co"
        prefs = await client.query("get", "<query xmlns='jabber:iq:private'><prefs xmlns='app:prefs'/></query>")
        assert prefs.find(".//{app:prefs}dark") is not None


def test_people_with_a_sha1_key_move_in_and_log_in(service: Service, old_ejabberd: str, tmp_path: Path) -> None:
    """From an ejabberd by its own export (PIEFXIS), with their contacts; and from a Prosody."""
    old = [Account(f"user-{secrets.token_hex(5)}", secrets.token_urlsafe(12), OLD) for _ in range(3)]
    moved = [replace(account, domain=service.domain) for account in old]
    for account in old[:2]:
        register = [account.name, OLD, account.password]
        service.host.check_output(f"{old_ejabberd} register {shlex.join(register)}")
    asyncio.run(live(service, *old[:2]))
    service.host.check_output(f"{old_ejabberd} export_piefxis_host {PLACE}/out {OLD}")
    copy(service.host, f"{PLACE}/out/*", tmp_path)
    (tmp_path / "prosody.xml").write_text(as_prosody_gives_out(old[2]), encoding="utf-8")
    try:
        said = service.succeed("import", f"file={tmp_path}", f"domain={OLD}")
        assert "Accounts: 3 imported, 0 existed already and were not changed." in said
        asyncio.run(assert_it_is_there(service, *moved[:2]))
        asyncio.run(assert_password_alone_lets_in(service, moved[2]))
    finally:
        service.unregister(moved)


async def assert_password_alone_lets_in(service: Service, account: Account) -> None:
    async with login(service, account, mechanism="SCRAM-SHA-1"):
        pass
    async with login(service, account, mechanism="PLAIN"):
        pass
    for mechanism in ("SCRAM-SHA-1", "PLAIN"):
        with pytest.raises(Refused, match="not-authorized"):
            async with login(service, replace(account, password="wrong"), mechanism=mechanism):
                pass
