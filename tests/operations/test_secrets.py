# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: replaced by deleting their files and running site.yml again, and seen by nobody meanwhile or after."""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from aioice import stun
from testinfra.host import Host

from ..kit.clients import Refused, login
from ..kit.newcomer import REGISTER
from ..kit.playbook import run_on
from ..kit.service import Account, Register, Service
from ..kit.traces import holding
from ..kit.turn import Credentials, credentials_of, relay
from ..kit.uploads import Slot, ask_slot

PLAYBOOK_SECONDS = 300
FILES = ("coturn", "upload", "account-admin")
# Where a secret could lie, and where it does.
PLACES = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")
HOLDERS = {
    "/etc/coturn/xmpp.conf": ["coturn"],
    "/etc/ejabberd/xmpp.yml": ["coturn", "upload"],
    "/etc/nginx/xmpp.upload-secret.conf": ["upload"],
}
# The keys, and the copy that ejabberd makes of them together with their chain.
CERTIFICATES = ("/etc/xmpp/certificates/", "/etc/letsencrypt/", "/var/lib/ejabberd/certs/")
PATTERNS = "/run/conexizan-test-secrets"
SEEN = "/run/conexizan-test-seen"
# Writes down every command line there is on the host, until it is stopped.
WATCH = f"""
import glob, json, signal, sys, time
seen = set()
def stop(*_):
    json.dump(sorted(seen), open("{SEEN}", "w"))
    sys.exit()
signal.signal(signal.SIGTERM, stop)
while True:
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            seen.add(open(path, "rb").read().decode("utf-8", "replace"))
        except OSError:  # it has ended
            pass
    time.sleep(0.01)
"""

pytestmark = pytest.mark.timeout(2 * PLAYBOOK_SECONDS)


def attempt(host: Host, *options: str) -> subprocess.CompletedProcess[str]:
    """Run site.yml on the host under test."""
    return run_on(host, "site.yml", *options, seconds=PLAYBOOK_SECONDS)


def site(host: Host, tags: str, *options: str) -> str:
    """What site.yml says that has succeeded, with the diffs of everything that it changes."""
    done = attempt(host, "--diff", f"--tags={tags}", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def in_force(host: Host) -> str:
    """What changes with a secret on the host."""
    return str(host.check_output("sha256sum /etc/xmpp/backup/* /var/lib/xmpp/passwords.json " + " ".join(HOLDERS)))


def read(folder: Path) -> dict[str, str]:
    return {name: (folder / f"{name}.txt").read_text(encoding="utf-8").strip() for name in FILES}


async def ask(service: Service, account: Account) -> tuple[Credentials, Slot]:
    """What an app asks for that is made with the secrets: for a call, and for a file of 5 bytes."""
    async with login(service, account) as client:
        return await credentials_of(client), await ask_slot(client, "note.txt", 5)


@dataclass(frozen=True)
class Rotation:
    """What there was before the secrets were replaced, and what was seen meanwhile."""

    old: dict[str, str]
    new: dict[str, str]
    call: Credentials
    slot: Slot
    output: str
    command_lines: list[str]


@pytest.fixture(scope="module")
def rotation(service: Service, register: Register, secrets_dir: Path) -> Rotation:
    """All generated secrets are replaced, as the operator does it."""
    host, (alice,) = service.host, register(1)
    old = read(secrets_dir)
    call, slot = asyncio.run(ask(service, alice))
    before = in_force(host)
    for name in FILES:
        (secrets_dir / f"{name}.txt").unlink()
    for options in ["--check"], []:
        refused = attempt(host, *options)
        assert refused.returncode, "they may be in another clone"
        assert all(f"{name} is missing there" in refused.stdout for name in FILES)
        assert "-e new_secrets=account-admin,coturn,upload" in refused.stdout
    assert in_force(host) == before
    host.check_output(f"systemd-run --quiet --collect --unit=conexizan-test-watch python3 -c {shlex.quote(WATCH)}")
    try:
        output = site(host, "coturn,uploads,ejabberd,accounts", f"-e new_secrets={','.join(FILES)}")
    finally:
        host.check_output("systemctl stop conexizan-test-watch")
    seen = json.loads(host.check_output(f"cat {SEEN} && rm {SEEN}"))
    service.wait_until_ready()
    return Rotation(old, read(secrets_dir), call, slot, output, seen)


async def test_new_secrets_are_in_force_and_old_ones_are_not(
    service: Service, register: Register, rotation: Rotation
) -> None:
    """The administrator's password, the relay's and the upload's: in all services that share them."""
    assert all(rotation.old[name] != rotation.new[name] for name in FILES)
    async with login(service, Account("admin", rotation.new["account-admin"])):
        pass
    with pytest.raises(Refused, match="not-authorized"):
        async with login(service, Account("admin", rotation.old["account-admin"])):
            pass

    (bob,) = register(1)
    call, slot = await ask(service, bob)
    async with relay(service, call):
        pass
    with pytest.raises(stun.TransactionFailed):
        async with relay(service, rotation.call):
            pass
    assert (await service.fetch("PUT", slot.put, data=b"hello")).status == 201
    assert (await service.fetch("PUT", rotation.slot.put, data=b"hello")).status == 403


def test_secrets_are_in_no_command_line(rotation: Rotation) -> None:
    assert any("coturn.service" in line for line in rotation.command_lines), "what the run did was seen"
    every = [*rotation.old.values(), *rotation.new.values()]
    assert [line for line in rotation.command_lines if any(secret in line for secret in every)] == []


def test_secrets_are_in_no_output_of_ansible(rotation: Rotation) -> None:
    """With --diff."""
    assert "/etc/coturn/xmpp.conf" in rotation.output
    assert [secret for secret in (*rotation.old.values(), *rotation.new.values()) if secret in rotation.output] == []


def test_secrets_can_be_read_by_those_who_need_them(service: Service, rotation: Rotation, tmp_path: Path) -> None:
    """By none of the others: an account of the host's searches the whole disk. And nothing is left of the old ones."""
    host = service.host
    cookie = host.check_output("cat /var/lib/ejabberd/.erlang.cookie")
    # The lines with the secret number; the public key follows, which the certificate may show in the same letters.
    keys = host.check_output("sed --separate --quiet 2,3p /etc/xmpp/certificates/*/privkey.pem").splitlines()
    every = [*rotation.old.values(), *rotation.new.values(), cookie, *keys]
    # As a file: what is in no command line of the service's is in none of the test's.
    patterns = tmp_path / "patterns"
    patterns.write_text("".join(f"{secret}\n" for secret in every), encoding="utf-8")
    host.ansible("ansible.builtin.copy", f"src={patterns} dest={PATTERNS} mode=0600", check=False)
    patterns.unlink()
    search = f"--fixed-strings --file=- < {PATTERNS}"
    read = "journalctl --no-pager --output=export | grep --text --fixed-strings"
    try:
        assert holding(host, search, *PLACES, account="nobody") == []
        found = set(holding(host, search, *PLACES)) - {PATTERNS}
        host.check_output(f"{read} --count --regexp=MESSAGE=")  # there is something to search
        journal = host.run(f"{read} --file={PATTERNS}")
    finally:
        host.check_output(f"rm {PATTERNS}")
    assert (journal.rc, journal.stdout) == (1, "")
    certificates = {path for path in found if path.startswith(CERTIFICATES)}
    assert found - certificates == {*HOLDERS, "/var/lib/ejabberd/.erlang.cookie"}
    for path, names in HOLDERS.items():
        text = host.check_output(f"cat {path}")
        assert [name for name in FILES if rotation.new[name] in text] == names, path
        assert [name for name in FILES if rotation.old[name] in text] == [], path


@pytest.mark.parametrize("kind", ["none", "others", "another domain's"])
def test_secrets_of_another_folder_are_not_put_in_force(
    kind: str, service: Service, secrets_dir: Path, rotation: Rotation, tmp_path: Path
) -> None:
    """A clone without them, one with others, and one with the right ones in the wrong place, which is named."""
    folder = tmp_path / service.domain
    if kind == "others":
        folder.mkdir()
        for name in (*FILES, "backup"):
            (folder / f"{name}.txt").write_text("another\n", encoding="ascii")
    elif kind != "none":
        shutil.copytree(secrets_dir, tmp_path / "old.test")
    before = in_force(service.host)
    done = attempt(service.host, "-e", f"xmpp_secrets_dir={tmp_path}")
    assert done.returncode
    said = " ".join(done.stdout.split())
    state = "another one" if kind == "others" else "missing"
    found = f", and the host's is in {tmp_path}/old.test" if kind == "another domain's" else ""
    for name in (*FILES, "backup"):
        assert f"{name} is {state} there{found}" in said, said
    assert "the host still has it, in /etc/xmpp/backup/password" in said
    assert in_force(service.host) == before
    assert sorted(tmp_path.rglob(".*")) == [], "nothing was begun"


async def test_password_that_the_administrator_chose_stays(service: Service, rotation: Rotation) -> None:
    """Until the operator replaces the one in the file."""
    given = Account("admin", rotation.new["account-admin"])
    chosen = Account("admin", secrets.token_urlsafe(12))
    await change(service, given, chosen.password)
    try:
        await asyncio.to_thread(site, service.host, "accounts")
        async with login(service, chosen):
            pass
    finally:
        await change(service, chosen, given.password)


async def change(service: Service, account: Account, password: str) -> None:
    """Set another password in the app."""
    request = f"<username>{account.name}</username><password>{password}</password>"
    async with login(service, account) as client:
        await client.query("set", f"<query xmlns='{REGISTER}'>{request}</query>", to=service.domain)
