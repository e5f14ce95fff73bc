# SPDX-License-Identifier: GPL-3.0-or-later
"""The host is gone, and nobody has lost anything: a service comes back from its backup on another host.

The tests are one story, in their order (therefore more than 300 lines).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shlex
import subprocess
from dataclasses import dataclass

import pytest
from slixmpp.exceptions import IqError
from testinfra.host import Host

from ..kit import testbed
from ..kit.clients import ADMIN, Refused, fresh_text, login
from ..kit.hosts import host_named
from ..kit.rooms import enter, refusal
from ..kit.service import Account, Service
from .conftest import BUNDLE, DOMAIN, REPOSITORY, Life, in_s3, live, run_playbook, send_file

STATUS = "/var/lib/xmpp-backup/status.json"
PLACES = "/var/lib/xmpp-backup /var/cache/xmpp-backup /tmp /var/tmp"
STAGED = "/var/lib/xmpp-backup/staged"
# A verb of xmpp-backup that ends as if the power were cut, just before it does something (an audit event) to a path.
CUT = """
import os, runpy, signal, sys
_, verb, step, path = sys.argv
def cut(event, arguments):
    if event == step and path in map(str, arguments):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(cut)
sys.argv = ["xmpp-backup", verb]
runpy.run_path("/usr/local/sbin/xmpp-backup", run_name="__main__")
"""


@pytest.fixture(scope="module")
def lost(pytestconfig: pytest.Config) -> Service:
    return Service.of(host_named("lost", pytestconfig), DOMAIN)


@pytest.fixture(scope="module")
def life(lost: Service) -> Life:
    return asyncio.run(live(lost))


@pytest.fixture(scope="module")
def late(lost: Service) -> Account:
    """Who came after the backup."""
    return lost.register(1)[0]


def data(service: Service) -> str:
    """What a refused run must leave as it is."""
    answer: str = service.host.check_output(
        "systemctl show --property=MainPID ejabberd.service; "
        "stat --format='%n %i' /var/lib/ejabberd/xmpp.db /srv/xmpp/upload/data; "
        "find /etc/xmpp/certificates /var/lib/xmpp-backup -printf '%p %i\\n' | sort"
    )
    return answer


def cut(service: Service, verb: str, step: str, path: str) -> None:
    """Interrupts a verb of xmpp-backup."""
    words = shlex.join(["python3", "-c", CUT, verb, step, path])
    assert service.host.check_output(f"{words}; echo $?") == "137"


def cut_apply(service: Service) -> None:
    """Interrupts a restore when the new database is in place, and no certificate is, neither old nor new."""
    service.host.check_output("xmpp-backup prepare")
    cut(service, "apply", "os.rename", f"{STAGED}/files/etc/xmpp/certificates/ca.crt")
    assert not service.host.file("/etc/xmpp/certificates/ca.key").exists


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a playbook said, however its lines were broken."""
    return " ".join(done.stdout.split())


async def is_whole(service: Service, account: Account) -> None:
    """Who has an account logs in and sends a file, and nothing is left of a restore."""
    async with login(service, account) as client:
        await send_file(service, client, b"content")
    assert sorted(service.host.check_output("ls /var/lib/xmpp-backup").split()) == ["known_hosts", "status.json"]


def test_failed_night_is_told(lost: Service) -> None:
    """The server does not let anybody in yet: the operator learns that there is no backup, why, and what to do."""
    done = run_playbook("playbooks/backup.yml", limit="lost")
    assert done.returncode, done.stdout
    assert "the last good one is none" in done.stdout
    assert "restore.test/backup-ssh.pub.txt" in done.stdout
    # (ssh's own words, that it was not let in, are sometimes lost: restic ends before it has read them.)
    assert "unable to start the sftp session" in json.loads(lost.host.file(STATUS).content_string)["error"]


def test_backup(lost: Service, life: Life, vault: Host) -> None:
    """A backup is made, and says nothing to whoever keeps it, nor leaves anything on the host."""
    done = run_playbook("playbooks/backup.yml", limit="lost")
    assert done.returncode == 0, done.stdout
    assert vault.run(f"test -f {REPOSITORY}/config").rc == 0
    for text in (life.said, life.alice.name, life.key):
        assert lost.stored(text), "it is in the database"
        assert vault.run(f"grep -rqaF -e '{text}' {REPOSITORY}").rc == 1
        assert lost.host.run(f"grep -rqaF -e '{text}' {PLACES}").rc == 1


def test_service_is_not_replaced_without_a_word(lost: Service, vault: Host) -> None:
    before = data(lost)
    done = run_playbook("playbooks/restore.yml", limit="lost")
    assert done.returncode, done.stdout
    assert f"-e replace={DOMAIN}" in done.stdout
    assert data(lost) == before


def test_damaged_backup_is_refused(lost: Service, vault: Host) -> None:
    """One byte is wrong in the largest file of the repository: nothing is changed, and the operator is told."""
    vault.check_output(
        f"cp -a {REPOSITORY} {REPOSITORY}.damaged && "
        f"file=$(find {REPOSITORY}.damaged/data -type f -printf '%s %p\\n' | sort -n | tail -1 | cut -d' ' -f2) && "
        "printf X | dd of=$file bs=1 seek=100000 conv=notrunc status=none"
    )
    before = data(lost)
    done = run_playbook(
        "playbooks/restore.yml",
        limit="lost",
        settings={"repository": f"sftp:keeper@vault.test:{REPOSITORY}.damaged", "replace": DOMAIN},
    )
    assert done.returncode, done.stdout
    assert "The service was not changed." in done.stdout
    assert data(lost) == before


def test_restore_that_is_interrupted_as_it_fetches_is_told(lost: Service, vault: Host) -> None:
    """The service has nothing to do with it. What was fetched is in nobody's way: the next test begins anew."""
    cut(lost, "prepare", "sqlite3.connect", f"{STAGED}/xmpp.db")
    done = run_playbook("playbooks/check.yml", limit="lost")
    assert f"WARN restore was not finished, and left unencrypted data in {STAGED} " in said(done)
    done = run_playbook("site.yml", "--tags=backup", limit="lost")
    assert " changed=0 " in done.stdout
    assert done.returncode == 0, done.stdout


async def test_restore_is_rolled_back(lost: Service, vault: Host, late: Account) -> None:
    lost.host.check_output("xmpp-backup prepare && xmpp-backup apply")
    accounts = "sqlite3 -readonly /var/lib/ejabberd/xmpp.db 'SELECT username FROM users'"
    assert late.name not in lost.host.check_output(accounts)
    lost.host.check_output("xmpp-backup rollback")
    await is_whole(lost, late)


async def test_restore_that_is_interrupted_is_told_and_rolled_back(lost: Service, vault: Host, late: Account) -> None:
    """Nothing builds on half of a service: the operator learns what is so, and how to get out of it."""
    cut_apply(lost)
    assert lost.host.run("systemctl start ejabberd.service").rc, "nobody shall talk to half of a service"
    assert "interrupted" in lost.host.run("xmpp-backup commit").stderr
    before = data(lost)
    ways_out = (
        f"Run playbooks/restore.yml -e replace={DOMAIN} again. "
        "Or, on the host: xmpp-backup rollback puts back the data from before."
    )
    done = run_playbook("playbooks/check.yml", limit="lost")
    assert done.returncode, done.stdout
    assert "FAIL restore was interrupted while data was exchanged" in said(done)
    assert ways_out in said(done)
    done = run_playbook("site.yml", limit="lost")
    assert done.returncode, done.stdout
    assert "A previous restore was interrupted on lost" in said(done)
    assert ways_out in said(done)
    assert data(lost) == before
    lost.host.check_output("xmpp-backup rollback")
    await is_whole(lost, late)


async def test_restore_that_is_interrupted_is_repeated(lost: Service, vault: Host, life: Life, late: Account) -> None:
    cut_apply(lost)
    done = run_playbook("playbooks/restore.yml", limit="lost", settings={"replace": DOMAIN})
    assert done.returncode == 0, done.stdout
    await is_whole(lost, life.alice)
    with pytest.raises(Refused):
        async with login(lost, late):
            pass


@dataclass(frozen=True)
class Choice:
    """Not the newest backup, but the one before it, and what only the newest one has."""

    snapshot: str
    later: str


@pytest.fixture(scope="module")
def choice(lost: Service, life: Life, vault: Host) -> Choice:
    """Two backups in S3."""
    for playbook, *arguments in (("site.yml", "--tags=backup"), ("playbooks/backup.yml",)):
        done = run_playbook(playbook, *arguments, limit="lost", settings=in_s3())
        assert done.returncode == 0, done.stdout
    listed = re.search(r"it has (\w+) ", lost.host.run("xmpp-backup prepare --snapshot=wrong").stderr)
    assert listed, "a wrong id lists those there are"
    later = fresh_text()

    async def say() -> None:
        async with login(lost, life.alice) as alice, login(lost, life.bob) as bob:
            await bob.online()
            alice.say(life.bob.jid, later)
            await bob.hear(later)

    asyncio.run(say())
    lost.host.check_output("systemctl start xmpp-backup.service")
    return Choice(listed[1], later)


@pytest.fixture(scope="module")
def found(life: Life, choice: Choice, pytestconfig: pytest.Config) -> Service:
    """The service on a bare host of another name and architecture, after the first one is gone."""
    testbed.down("lost")
    done = run_playbook("playbooks/restore.yml", limit="found", settings=in_s3() | {"snapshot": choice.snapshot})
    assert done.returncode == 0, done.stdout
    # Who trusted the first one's authority trusts this one.
    return Service.of(host_named("found", pytestconfig), DOMAIN, life.service.ca)


def test_host_is_of_another_architecture(found: Service) -> None:
    """What makes a database of the backup, and serves it. (molecule/restore/emulate says how.)"""
    for name in ("sqlite3", "ejabberd", "erlang-base", "erlang-p1-sqlite3"):
        assert found.host.check_output(f"dpkg-query --show --showformat='${{Architecture}}' {name}") == "arm64"
    assert "beam.smp.arm64" in found.host.check_output("ps -o args= -u ejabberd")


async def test_accounts_contacts_and_messages_are_back(found: Service, life: Life, choice: Choice) -> None:
    """The same passwords, contacts, archives, keys; what waited for somebody; nothing that came after the backup."""
    async with login(found, life.bob) as bob:
        roster = await bob.query("get", "<query xmlns='jabber:iq:roster'/>")
        item = roster.find(f".//*[@jid='{life.alice.jid}']")
        assert item is not None
        assert item.get("subscription") == "both"
        assert life.said in await bob.archive()
        items = f"<items node='{BUNDLE}'/>"
        query = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{items}</pubsub>"
        keys = await bob.query("get", query, life.alice.jid)
        assert life.key in [element.text for element in keys.iter()]
        await bob.online()
        await bob.hear(life.waiting)
    async with login(found, life.alice) as alice:
        archive = await alice.archive()
        assert life.said in archive
        assert choice.later not in archive


async def test_wrong_password_is_still_wrong(found: Service, life: Life) -> None:
    with pytest.raises(Refused):
        async with login(found, Account(life.alice.name, "wrong", DOMAIN)):
            pass


async def test_room_is_back_with_its_members(found: Service, life: Life) -> None:
    (mallory,) = found.register(1)
    async with login(found, life.bob) as bob, login(found, mallory) as stranger:
        assert (await enter(bob, life.room, "bob")).get("type") is None
        assert life.told in await bob.archive(life.room)
        assert refusal(await enter(stranger, life.room, "mallory")) == "registration-required"
        with pytest.raises(IqError):
            await stranger.archive(life.room)
    async with login(found, life.alice) as alice:
        owners = f"<query xmlns='{ADMIN}'><item affiliation='owner'/></query>"
        listed = await alice.query("get", owners, to=life.room)
        assert [item.get("jid") for item in listed.iter(f"{{{ADMIN}}}item")] == [life.alice.jid]


async def test_upload_is_back_and_another_can_be_sent(found: Service, life: Life) -> None:
    answer = await found.fetch("GET", life.file)
    assert (answer.status, answer.body) == (200, life.content)
    again = await live(found)
    assert (await found.fetch("GET", again.file)).body == again.content


def test_restored_upload_goes_when_it_would_have_gone(found: Service, life: Life) -> None:
    """It is born anew, but has a rule of its own, with the days that it had left: here all 30, and then none."""
    rules = "/etc/tmpfiles.d/xmpp-restored.conf"
    # A link does not say where its file lies.
    sums = found.host.check_output("find /srv/xmpp/upload/data -type f -exec sha256sum {} +").splitlines()
    (path,) = (line[66:] for line in sums if line.startswith(hashlib.sha256(life.content).hexdigest()))
    folder, _, name = path.rpartition("/")
    assert f"e {folder} - - - cB:{30 * 24}h" in found.host.file(rules).content_string.splitlines()
    found.host.check_output("systemd-tmpfiles --clean")
    assert found.host.file(f"{folder}/{name}").exists
    found.host.check_output(f"sed -i 's/cB:{30 * 24}h/cB:0h/' {rules}; systemd-tmpfiles --clean")
    assert not found.host.file(f"{folder}/{name}").exists


def test_nothing_is_left_of_the_restore(found: Service) -> None:
    assert found.host.check_output("ls /var/lib/xmpp-backup") == ""


def test_restored_host_goes_on_with_the_backups(found: Service) -> None:
    done = run_playbook("playbooks/backup.yml", limit="found", settings=in_s3())
    assert done.returncode == 0, done.stdout
    assert json.loads(found.host.file(STATUS).content_string)["error"] == ""
