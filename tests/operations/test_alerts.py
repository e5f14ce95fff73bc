# SPDX-License-Identifier: GPL-3.0-or-later
"""The administrator is told once of what breaks, and once that it is well again; so is a program of the operator's."""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import Client, login
from ..kit.erlang import CLEAR_REFUSAL, run_in_erlang
from ..kit.service import Account, Service, sql, wait_for

pytestmark = pytest.mark.timeout(400)

BODY = "{jabber:client}body"
STATE = "/var/lib/xmpp/alerts/state.json"
SETTINGS = "/etc/xmpp/alerts.json"
STATUS = "/var/lib/xmpp-backup/status.json"
PROGRAM, UNIT = "/usr/local/bin/tell-operator", "xmpp-alert-command.service"
LOOKS = 3  # after as many, it tells what is well again; after two what is broken
# The timer is not stopped, which would be a fault.
LATER = "/run/systemd/system/xmpp-alerts.timer.d/later.conf"
# What Debian has published since the image was made is no fault of the host.
NEWS = {"security updates", "ejabberd version"}


def look(service: Service, times: int = LOOKS) -> None:
    """What the timer does, without the time between."""
    for _ in range(times):
        done = service.host.run("systemctl reset-failed xmpp-alerts.service; systemctl start xmpp-alerts.service")
        assert done.rc == 0, service.host.check_output("journalctl --no-pager --lines=20 --unit=xmpp-alerts.service")


def age(service: Service) -> None:
    """Nobody has worked on this host for an hour."""
    service.host.check_output("touch --date='1 hour ago' /var/lib/xmpp/tree /var/lib/dpkg/status")


@pytest.fixture(scope="module", autouse=True)
def timer(service: Service) -> Iterator[str]:
    """When the timer starts it. Here it does not: a look that was under way has ended, and the next one is far away."""
    shown = service.host.check_output("systemctl show --property=TimersMonotonic xmpp-alerts.timer")
    restart = "systemctl daemon-reload && systemctl restart xmpp-alerts.timer"
    content = "[Timer]\\nOnBootSec=\\nOnActiveSec=1d\\n"
    service.host.check_output(f"mkdir -p $(dirname {LATER}) && printf '{content}' > {LATER} && {restart}")
    state = "systemctl show --property=ActiveState --value xmpp-alerts.service"
    wait_for(lambda: service.host.check_output(state) != "activating")
    yield shown
    service.host.check_output(f"rm -r $(dirname {LATER}) && {restart}")


@pytest.fixture(autouse=True)
def fresh(service: Service) -> Iterator[None]:
    """It has told nothing so far, and has nothing to tell of this test afterwards."""
    age(service)
    service.host.check_output(f"rm -f {STATE}")
    yield
    service.host.check_output(f"rm -f {STATE}")


def problems(service: Service) -> dict[str, dict[str, object]]:
    """What it knows, by subject."""
    if not service.host.file(STATE).exists:
        return {}
    found: dict[str, dict[str, object]] = json.loads(service.host.check_output(f"cat {STATE}")).get("problems", {})
    return found


def about(words: str) -> Callable[[ET.Element], bool]:
    """Is it a message with these words in it?"""
    return lambda stanza: words in stanza.findtext(BODY, "")


async def told(client: Client, service: Service) -> list[str]:
    """What the domain has told so far, also while nobody was online; the server has delivered all that it had."""
    await client.query("get", "<ping xmlns='urn:xmpp:ping'/>", to=service.domain)
    messages = client.messages.all(lambda stanza: stanza.get("from") == service.domain)
    return [stanza.findtext(BODY, "") for stanza in messages]


async def assert_told_once(client: Client, service: Service, words: str) -> str:
    """The one message with these words; the server has delivered all that it had."""
    message = await client.messages.get(about(words))
    assert message.get("from") == service.domain
    assert [text for text in await told(client, service) if words in text] == []
    return message.findtext(BODY, "")


async def test_host_that_is_well(service: Service, admin: Account) -> None:
    """Nothing is told, nor would be later. What the program's sandbox cannot read would be a fault on every host."""
    service.host.check_output("systemctl start xmpp-backup.service")  # the first night is still to come
    run_in_erlang(service, CLEAR_REFUSAL)  # what a test before this one made the database refuse
    async with login(service, admin) as client:
        await client.online()
        before = await told(client, service)
        look(service)
        broken = {subject: one for subject, one in problems(service).items() if one["bad"] and subject not in NEWS}
        assert broken == {}
        assert await told(client, service) == before


def test_timer_waits_after_a_start_of_the_host(timer: str) -> None:
    """What starts takes its time."""
    assert "OnBootUSec=15min" in timer
    assert "OnUnitActiveUSec=10min" in timer


async def test_apt_that_does_not_work(service: Service, admin: Account) -> None:
    """As after a slip in a file of sources: no update is installed, which is told at once."""
    source = "/etc/apt/sources.list.d/slip.list"
    async with login(service, admin) as client:
        await client.online()
        try:
            service.host.check_output(f"echo 'deb nonsense' > {source}")
            look(service)
            text = await assert_told_once(client, service, "security updates: apt does not work: ")
            assert source in text
        finally:
            service.host.check_output(f"rm -f {source}")


async def test_service_that_stops(service: Service, admin: Account) -> None:
    async with login(service, admin) as client:
        await client.online()
        service.host.check_output("systemctl stop coturn.service")
        try:
            look(service, 5)
            text = await assert_told_once(client, service, "not running: coturn.service")
            assert "Fix: systemctl restart coturn.service" in text
        finally:
            service.host.check_output("systemctl start coturn.service")
        look(service, 5)
        text = await assert_told_once(client, service, "Well again: services")
        assert "coturn" in text
        assert admin.name not in service.host.check_output(f"cat {STATE}")
    # In the archive of who got it, and in nobody's.
    stored = sql(service, "SELECT DISTINCT username FROM archive WHERE txt LIKE '%not running: coturn.service%'")
    assert stored == [[admin.name]]


async def test_backup_that_fails_for_two_nights(service: Service, admin: Account) -> None:
    failed = {"repository": "/srv/backup", "success": "2026-01-01T02:00:00+00:00", "error": "the disk is full"}
    service.host.check_output("systemctl start xmpp-backup.service")
    async with login(service, admin) as client:
        await client.online()
        service.host.check_output(f"cp -a {STATUS} /root/status")
        try:
            service.host.check_output(f"printf %s '{json.dumps(failed)}' > {STATUS}")
            look(service)
            text = await assert_told_once(client, service, "backup: failed; the last good one is of 2026-01-01")
            assert "Fix: the disk is full" in text
        finally:
            service.host.check_output(f"mv /root/status {STATUS}")
        look(service)
        await assert_told_once(client, service, "Well again: backup")


async def test_nothing_is_told_while_somebody_works_on_the_host(service: Service, admin: Account) -> None:
    """site.yml has changed something a moment ago; or something holds the lock of restores."""
    async with login(service, admin) as client:
        await client.online()
        service.host.check_output("systemctl stop coturn.service")
        try:
            service.host.check_output("touch /var/lib/xmpp/tree")
            look(service)
            age(service)
            hold = "systemd-run --quiet --collect --unit=holds-the-lock"
            service.host.check_output(f"{hold} --property=Type=exec flock /var/lib/xmpp-backup sleep infinity")
            held = "until flock --nonblock /var/lib/xmpp-backup true; [ $? = 1 ]; do :; done"
            service.host.check_output(f"timeout 60 sh -c '{held}'")
            look(service)
            service.host.check_output("systemctl stop holds-the-lock.service")
            assert problems(service) == {}
            look(service, 2)
            await assert_told_once(client, service, "not running: coturn.service")
        finally:
            service.host.run("systemctl stop holds-the-lock.service")
            service.host.check_output("systemctl start coturn.service")


@pytest.fixture
def program(service: Service) -> Iterator[None]:
    """xmpp_alert_command is set, to a program that only root may read and that shows in the journal what it gets."""

    def deploy(*settings: str) -> None:
        service.succeed("../site", "--tags=alerts", *settings)
        age(service)

    lines = ["#!/bin/sh", "while read -r line; do echo got: $line; done"]
    write = f"printf '%s\\n' '{lines[0]}' '{lines[1]}' > {PROGRAM} && chmod 0700 {PROGRAM}"
    service.host.check_output(write)
    deploy(f"xmpp_alert_command={PROGRAM}")
    yield
    deploy()
    service.host.check_output(f"rm {PROGRAM}")
    assert not service.host.file(f"/etc/systemd/system/{UNIT}").exists


async def test_program_of_the_operator_is_told_of_a_dead_server(
    service: Service, admin: Account, program: None
) -> None:
    """At once; the administrator is told as soon as the server runs again."""
    last = service.host.check_output("journalctl --sync && journalctl --no-pager --lines=1 --output=cat --show-cursor")
    cursor = shlex.quote(last.rpartition("-- cursor: ")[2])

    def got(words: str) -> int:
        read = f"journalctl --no-pager --quiet --output=cat --after-cursor={cursor} --unit={UNIT}"
        journal: str = service.host.check_output(f"journalctl --sync && {read}")
        return len([line for line in journal.splitlines() if line.startswith("got: ") and words in line])

    service.host.check_output("systemctl stop ejabberd.service")
    try:
        look(service, 4)
        assert got("services: not running: ejabberd.service") == 1
        assert got("Fix: systemctl restart ejabberd.service") == 1
    finally:
        service.host.check_output("systemctl start ejabberd.service")
        service.wait_until_ready()
    look(service, 5)
    assert got("Well again: services") == 1
    assert got("services: not running") == 1
    async with login(service, admin) as client:
        await client.online()
        await assert_told_once(client, service, "not running: ejabberd.service")
        await assert_told_once(client, service, "Well again: services")


def test_test_message(service: Service) -> None:
    done = service.host.run("xmpp-alerts --test")
    assert (done.rc, done.stdout) == (0, "Delivered.\n"), done.stderr


@contextlib.contextmanager
def settings_with(service: Service, **settings: object) -> Iterator[None]:
    """The program's settings, some of them others."""
    before = service.host.check_output(f"cat {SETTINGS}")
    after = json.dumps(json.loads(before) | settings)
    service.host.check_output(f"cp -a {SETTINGS} /root/alerts")
    try:
        service.host.check_output("printf %%s %s > %s", after, SETTINGS)
        yield
    finally:
        service.host.check_output(f"mv /root/alerts {SETTINGS}")


def test_test_message_says_who_cannot_be_reached(service: Service, admin: Account) -> None:
    """ejabberd takes a message for anybody."""
    nobody = f"nobody-{secrets.token_hex(5)}"
    with settings_with(service, admins=[admin.name, nobody]):
        done = service.host.run("xmpp-alerts --test")
    assert (done.rc, done.stdout) == (1, f"Not delivered: {nobody}@{service.domain}: there is no such account\n")


def test_program_that_is_not_there_is_a_row_of_the_check(service: Service) -> None:
    """So the operator knows before it is needed."""
    with settings_with(service, command="/no"):
        assert service.host.run("systemctl start xmpp-alerts.service").rc != 0
        journal = service.host.check_output(
            "journalctl --sync; journalctl --no-pager --lines=20 --unit=xmpp-alerts.service"
        )
        assert "xmpp_alert_command is /no: no program" in journal
        assert service.host.check_output("systemctl is-failed xmpp-alerts.service") == "failed"
    service.host.check_output("systemctl start xmpp-alerts.service")
