# SPDX-License-Identifier: GPL-3.0-or-later
"""The host is gone, and nobody has lost anything: a service comes back from its backup on another host.

The tests are one story, in their order.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable

import pytest
from slixmpp.exceptions import IqError
from testinfra.host import Host

from ..federation.between import run_playbook
from ..service.clients import ADMIN, Refused, login
from ..service.service import Account, Service
from ..service.test_rooms import enter, refusal
from .conftest import BUNDLE, DOMAIN, REPOSITORY, ROOT, Life, live

STATUS = "/var/lib/xmpp-backup/status.json"
PLACES = "/var/lib/xmpp-backup /var/cache/xmpp-backup /tmp /var/tmp"


@pytest.fixture(scope="module")
def lost(host_named: Callable[[str], Host]) -> Service:
    return Service.of(host_named("lost"), DOMAIN)


@pytest.fixture(scope="module")
def life(lost: Service) -> Life:
    return asyncio.run(live(lost))


def data(service: Service) -> str:
    """What a refused restore must leave as it is."""
    answer: str = service.host.check_output(
        "systemctl show --property=MainPID ejabberd.service; "
        "stat --format='%n %i' /var/lib/ejabberd/xmpp.db /srv/xmpp/upload/data; "
        "cat /etc/xmpp/certificates/ca.crt; ls /var/lib/xmpp-backup"
    )
    return answer


def test_failed_night_is_told(lost: Service) -> None:
    """The server does not let anybody in yet: the operator learns that there is no backup, why, and what to do."""
    done = run_playbook("playbooks/backup.yml", limit="lost")
    assert done.returncode, done.stdout
    assert "the last good one is none" in done.stdout
    assert "backup-ssh.pub" in done.stdout
    assert "ermission denied" in json.loads(lost.host.file(STATUS).content_string)["error"]


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


@pytest.fixture(scope="module")
def found(life: Life, host_named: Callable[[str], Host]) -> Service:
    """The service on a bare host of another name, after the first one is gone."""
    subprocess.run([ROOT / "script/testbed", "down", "lost"], check=True, timeout=60)
    done = run_playbook("playbooks/restore.yml", limit="found")
    assert done.returncode == 0, done.stdout
    # Who trusted the first one's authority trusts this one.
    return Service.of(host_named("found"), DOMAIN, life.service.ca)


async def test_accounts_contacts_and_messages_are_back(found: Service, life: Life) -> None:
    """The same passwords, contacts, archives, keys; and what waited for somebody."""
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
        assert life.said in await alice.archive()


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
    folder, _, name = life.file.partition("/upload/")[2].rpartition("/")
    folder = f"/srv/xmpp/upload/data/{folder}"
    assert f"e {folder} - - - bB:{30 * 24}h" in found.host.file(rules).content_string.splitlines()
    found.host.check_output("systemd-tmpfiles --clean")
    assert found.host.file(f"{folder}/{name}").exists
    found.host.check_output(f"sed -i 's/bB:{30 * 24}h/bB:0h/' {rules}; systemd-tmpfiles --clean")
    assert not found.host.file(f"{folder}/{name}").exists


def test_nothing_is_left_of_the_restore(found: Service) -> None:
    assert found.host.check_output("ls /var/lib/xmpp-backup") == "known_hosts"


def test_restored_host_goes_on_with_the_backups(found: Service) -> None:
    done = run_playbook("playbooks/backup.yml", limit="found")
    assert done.returncode == 0, done.stdout
    assert json.loads(found.host.file(STATUS).content_string)["error"] == ""
