# SPDX-License-Identifier: GPL-3.0-or-later
"""A night's backup into a folder of the host. (The scenario `restore` shows that a service comes back from one.)"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from testinfra.host import Host

from tests.kit.erlang import STATEMENT, run_in_erlang
from tests.kit.service import Service

REPOSITORY = "/srv/backup"
RESTIC = f"restic --repo {REPOSITORY} --password-file /etc/xmpp/backup/password --no-cache"

# What a restore leaves, and how many hours it may stay.
LEFT = {"/var/lib/xmpp-backup/aside": 7 * 24, "/var/lib/xmpp-backup/staged": 24}


class Night(NamedTuple):
    """Which of what a restore left is there after a backup: of too young, and of old enough to go."""

    young: dict[str, bool]
    old: dict[str, bool]


def snapshots(host: Host) -> list[dict[str, Any]]:
    """Return what the repository holds."""
    found: list[dict[str, Any]] = json.loads(host.check_output(f"{RESTIC} snapshots --json"))
    return found


def run_with_leftovers(host: Host, *, more: int) -> dict[str, bool]:
    """Run a backup where a restore left its folders *more* hours longer ago than they may stay; tell which stayed."""
    for path, hours in LEFT.items():
        host.check_output(f"mkdir --parents --mode=0700 {path} && touch {path}/xmpp.db")
        host.check_output(f"touch --date='{hours + more} hours ago' {path}")
    host.check_output("systemctl start xmpp-backup.service")
    return {path: host.file(path).exists for path in LEFT}


@pytest.fixture(scope="module")
def night(host: Host) -> Night:
    """A night has passed, in which a backup of eight days ago was in the repository.

    A backup takes seconds of processor: the two that are made here also show what becomes of what a restore left.
    """
    try:
        young = run_with_leftovers(host, more=-1)
        domain = snapshots(host)[0]["hostname"]
        old = host.check_output("date --utc --date='8 days ago' '+%F %T'")
        host.check_output(f"{RESTIC} backup --host {domain} --tag files --time '{old}' /etc/hostname")
        return Night(young, run_with_leftovers(host, more=0))
    finally:
        host.check_output(f"rm -rf {' '.join(LEFT)}")


@pytest.mark.usefixtures("night")
def test_backup_is_complete_and_the_old_one_deleted(host: Host) -> None:
    times: dict[str, set[str]] = {}
    for one in snapshots(host):
        times.setdefault(one["time"], set()).update(tag for tag in one["tags"] if not tag.startswith("made-"))
        assert "/etc/hostname" not in one["paths"]
    assert all(tags == {"database", "files"} for tags in times.values())
    assert len(times) >= 2


@pytest.mark.usefixtures("night")
def test_backup_holds_what_cannot_be_made_anew(host: Host) -> None:
    """Accounts, the key of the authority that people trust, the folder of the uploads."""
    dump = host.check_output(f"{RESTIC} dump --tag database latest /xmpp.sql")
    assert "INSERT INTO users VALUES('admin'" in dump
    assert dump.endswith("COMMIT;")
    listed = host.check_output(f"{RESTIC} ls --tag files latest").splitlines()
    assert {"/etc/xmpp/certificates/ca.key", "/srv/xmpp/upload/data"} <= set(listed)


@pytest.mark.usefixtures("night")
def test_success_is_written_down(host: Host) -> None:
    status = json.loads(host.file("/var/lib/xmpp-backup/status.json").content_string)
    assert status["success"]
    assert status["error"] == ""


@pytest.mark.usefixtures("night")
def test_night_leaves_nothing_behind(host: Host) -> None:
    assert host.check_output("ls /var/lib/xmpp-backup") == "status.json"


@pytest.mark.parametrize("name", ["settings.json", "password"])
def test_secrets_are_root_s(host: Host, name: str) -> None:
    file = host.file(f"/etc/xmpp/backup/{name}")
    assert (file.user, file.mode) == ("root", 0o600)


@pytest.mark.parametrize("folder", ["/var/lib/xmpp-backup", "/var/cache/xmpp-backup", REPOSITORY])
@pytest.mark.usefixtures("night")
def test_folders_are_root_s(host: Host, folder: str) -> None:
    assert (host.file(folder).user, host.file(folder).mode) == ("root", 0o700)


@pytest.mark.usefixtures("night")
def test_repository_that_is_gone_is_not_made_anew(host: Host) -> None:
    """A disk that is not mounted would look like a success, and nobody would know until it is needed."""
    host.check_output(f"mv {REPOSITORY} {REPOSITORY}.away && mkdir --mode=0700 {REPOSITORY}")
    try:
        assert host.run("systemctl start xmpp-backup.service").rc != 0
        assert "is gone" in json.loads(host.file("/var/lib/xmpp-backup/status.json").content_string)["error"]
    finally:
        host.check_output(f"rmdir {REPOSITORY} && mv {REPOSITORY}.away {REPOSITORY}")
        host.check_output("systemctl reset-failed xmpp-backup.service")
    assert snapshots(host), "it is back; the next test makes a backup in it"


@pytest.mark.usefixtures("night")
def test_night_fails_if_ejabberd_is_stopped(host: Host) -> None:
    """Nobody may believe that there is a backup; what is too old goes nevertheless, the newest one stays."""
    domain = snapshots(host)[0]["hostname"]
    before = {one["id"] for one in snapshots(host)}
    old = host.check_output("date --utc --date='8 days ago' '+%F %T'")
    host.check_output(f"{RESTIC} backup --host {domain} --tag files --time '{old}' /etc/hostname")
    host.check_output("systemctl stop ejabberd.service")
    try:
        assert host.run("systemctl start xmpp-backup.service").rc != 0
    finally:
        host.check_output("systemctl start ejabberd.service")
    assert {one["id"] for one in snapshots(host)} == before
    assert "does not run" in json.loads(host.file("/var/lib/xmpp-backup/status.json").content_string)["error"]
    host.check_output("systemctl start xmpp-backup.service")


def test_damaged_database_is_not_kept(host: Host) -> None:
    """SQLite ends the dump of one with a line, and without an error."""
    dump = (
        "import pathlib, sys; sys.path.insert(0, '/usr/local/lib/xmpp'); from backup import create, paths; "
        "paths.DATABASE = pathlib.Path('/root/bad.db'); create.dump()"
    )
    rows = "CREATE TABLE t (x); INSERT INTO t SELECT randomblob(900) FROM generate_series(1, 2000)"
    host.check_output(
        f"sqlite3 /root/bad.db '{rows}' && "
        "dd if=/dev/zero of=/root/bad.db bs=4096 seek=20 count=200 conv=notrunc status=none"
    )
    done = host.run(f'python3 -B -c "{dump}"')
    host.check_output("rm /root/bad.db")
    assert done.rc == 1
    assert "damaged" in done.stderr


def test_what_a_restore_left_goes(night: Night) -> None:
    """It is not encrypted. Until its time is over, a restore may go on with it."""
    assert night == Night(young=dict.fromkeys(LEFT, True), old=dict.fromkeys(LEFT, False))


@pytest.mark.usefixtures("night")
def test_tokens_are_not_restored(host: Host) -> None:
    """What an account's owner has revoked since would be good again."""
    service = Service.of(host)
    tables = ("auth_fast_tokens", "invite_token")
    # By ejabberd's own connection, so that ejabberd need not be stopped: its start takes longer than the backup.
    run_in_erlang(
        service,
        STATEMENT,
        service.domain,
        "INSERT INTO auth_fast_tokens (username, server_host, ua, type, token, expires)"
        " VALUES ('admin', 'nowhere.test', 'ua', 'c', 'token', '2099-01-01 00:00:00')",
        "INSERT INTO invite_token (token, username, server_host, type, account_name, expires)"
        " VALUES ('token', 'admin', 'nowhere.test', 'R', '', '2099-01-01 00:00:00')",
    )
    staged = "/var/lib/xmpp-backup/staged"
    try:
        host.check_output("systemctl start xmpp-backup.service")
        dump = host.check_output(f"{RESTIC} dump --tag database latest /xmpp.sql")
        host.check_output("xmpp-backup prepare")
        for table in tables:
            assert f"INSERT INTO {table} " in dump, "it was in the backup"
            assert host.check_output(f"sqlite3 -readonly {staged}/xmpp.db 'SELECT count(*) FROM {table}'") == "0"
    finally:
        host.check_output("xmpp-backup commit")
        gone = (f"DELETE FROM {table} WHERE server_host = 'nowhere.test'" for table in tables)
        run_in_erlang(service, STATEMENT, service.domain, *gone)


@pytest.mark.usefixtures("night")
def test_clock_that_is_ahead_deletes_nothing(host: Host) -> None:
    """A night of next year, all at once: the backup is made, and is not the newest afterwards."""
    host.check_output("apt-get install --quiet --yes --no-install-recommends faketime")
    old = host.check_output("date --utc --date='8 days ago' '+%F %T'")
    domain = snapshots(host)[0]["hostname"]
    host.check_output(f"{RESTIC} backup --host {domain} --tag files --time '{old}' /etc/hostname")
    before = {one["id"] for one in snapshots(host)}
    program = "/usr/local/lib/xmpp/clock.py"
    host.check_output(f"{program} look")
    try:
        done = host.run("faketime -f +365d xmpp-backup run")
        assert done.rc == 0, done.stderr
        assert "No backups are deleted: the clock was set 365 days forward" in done.stderr
        assert before < {one["id"] for one in snapshots(host)}
        # Messages and uploads neither.
        refused = host.run(f"faketime -f +366d {program} uploads 14")
        assert refused.rc == 1
        assert "No uploads are deleted: the clock was set" in refused.stderr
        # The next night is right again. What was too old stays until the clock has been right for two days.
        host.check_output("systemctl start xmpp-backup.service")
        status = json.loads(host.file("/var/lib/xmpp-backup/status.json").content_string)
        assert "days back" in status["kept"]
        assert before < {one["id"] for one in snapshots(host)}
        staged = json.loads(host.check_output("xmpp-backup prepare && xmpp-backup commit"))
        assert staged["time"][:10] == host.check_output("date --utc +%F")
        # Or on the operator's word.
        host.check_output(f"{program} trust && systemctl start xmpp-backup.service")
        assert old[:10] not in {one["time"][:10] for one in snapshots(host)}
        assert json.loads(host.file("/var/lib/xmpp-backup/status.json").content_string)["kept"] == ""
    finally:
        ahead = [one["id"] for one in snapshots(host) if one["time"] > host.check_output("date --utc +%F") + "Z"]
        host.check_output(f"{RESTIC} forget --quiet {' '.join(ahead)}")
        host.check_output(f"{program} trust")
