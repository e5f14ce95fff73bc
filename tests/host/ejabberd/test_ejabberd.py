# SPDX-License-Identifier: GPL-3.0-or-later
"""What ejabberd keeps and where it listens, seen from the host."""

from __future__ import annotations

import shlex

import pytest
from testinfra.host import Host

DATABASE = "/var/lib/ejabberd/xmpp.db"


def ask(host: Host, statement: str) -> list[str]:
    """Return the first column of what the database answers."""
    script = f"import sqlite3\nfor row in sqlite3.connect({DATABASE!r}).execute({statement!r}): print(row[0])"
    return str(host.check_output(shlex.join(["runuser", "-u", "ejabberd", "--", "python3", "-c", script]))).split()


def test_database_is_in_write_ahead_mode(host: Host) -> None:
    assert ask(host, "PRAGMA journal_mode") == ["wal"]


def test_freed_pages_are_overwritten(host: Host) -> None:
    """Debian's SQLite does so without being asked; retention depends on it."""
    assert ask(host, "PRAGMA secure_delete") == ["1"]
    linked = host.check_output("ldd $(find /usr/lib -name 'sqlite3_drv.so' -path '*p1*')")
    assert "libsqlite3.so.0 => /lib/" in linked or "libsqlite3.so.0 => /usr/lib/" in linked


def test_passwords_are_kept_as_scram_sha_256_and_512_only(host: Host) -> None:
    """Types of ejabberd's table users: 1 is clear text, 2 SCRAM-SHA-1, 3 SCRAM-SHA-256, 4 SCRAM-SHA-512."""
    assert set(ask(host, "SELECT DISTINCT type FROM users")) == {"3", "4"}


def test_nothing_of_a_person_is_in_mnesia(host: Host) -> None:
    """Mnesia never overwrites what it frees."""
    found = host.check_output("find /var/lib/ejabberd -name '*.DAT' -o -name '*.DCD' -o -name '*.DCL' -o -name '*.LOG'")
    names = {path.rpartition("/")[2] for path in found.split()}
    assert names <= {"schema.DAT", "DECISION_TAB.LOG", "LATEST.LOG"}


@pytest.mark.parametrize("port", [4369, 5280])
def test_internal_port_is_on_loopback_only(host: Host, port: int) -> None:
    listening = host.check_output(f"ss -Hlnt 'sport = :{port}'").split("\n")
    assert [line.split()[3] for line in listening] == [f"127.0.0.1:{port}"]


def test_erlang_distribution_is_on_loopback_only(host: Host) -> None:
    port = host.check_output("epmd -names").split("port ")[-1].strip()
    listening = host.check_output(f"ss -Hlnt 'sport = :{port}'").split("\n")
    assert [line.split()[3] for line in listening] == [f"127.0.0.1:{port}"]


@pytest.mark.parametrize("user", ["www-data", "turnserver", "nobody"])
def test_api_is_closed_to_other_accounts(host: Host, user: str) -> None:
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/ejabberd/api.sock')"
    refused = host.run(shlex.join(["runuser", "-u", user, "--", "python3", "-c", connect]))
    assert "PermissionError" in refused.stderr


PORTS = [4369, 5280, 5281]
DOORS = {"root": PORTS, "www-data": [5280, 5281], "ejabberd": [4369], "turnserver": [], "nobody": []}


@pytest.mark.attack("ejabberd's internal ports, from another account on the host")
@pytest.mark.parametrize("user", DOORS)
def test_internal_port_is_for_who_needs_it(host: Host, user: str) -> None:
    """ejabberd takes from whoever connects there whose address he says he has."""
    script = (
        f"import socket\nfor port in {PORTS}:\n    if not socket.socket().connect_ex(('127.0.0.1', port)): print(port)"
    )
    opened = host.check_output(shlex.join(["runuser", "-u", user, "--", "python3", "-c", script]))
    assert [int(port) for port in opened.split()] == DOORS[user]


@pytest.mark.parametrize("user", ["www-data", "turnserver", "nobody"])
def test_settings_with_secrets_are_closed_to_other_accounts(host: Host, user: str) -> None:
    assert host.run(f"runuser -u {user} -- cat /etc/ejabberd/xmpp.yml").rc != 0
    assert host.run(f"runuser -u {user} -- cat /etc/nginx/xmpp.upload-secret.conf").rc != 0
    if user != "turnserver":
        assert host.run(f"runuser -u {user} -- cat /etc/coturn/xmpp.conf").rc != 0


@pytest.mark.parametrize("timer", ["xmpp-expire", "xmpp-checkpoint"])
def test_timer_that_deletes_expired_data_runs(host: Host, timer: str) -> None:
    assert host.service(f"{timer}.timer").is_running
    assert host.service(f"{timer}.timer").is_enabled


# From when on Erlang catches SIGTERM, it takes some tenths of a second until it heeds it.
_STOP_AT_ONCE = """
systemctl stop ejabberd
systemctl start --no-block ejabberd
until grep --quiet '^SigCgt:.*[4567cdef]...$' /proc/$(pgrep --exact beam.smp)/status 2>/dev/null; do :; done
timeout 60 systemctl stop ejabberd
"""


def test_stop_in_the_middle_of_a_start(host: Host) -> None:
    """Whoever restarts it twice does not wait for minutes."""
    try:
        host.check_output(f"timeout 120 bash -c {shlex.quote(_STOP_AT_ONCE)}")
        assert host.run("pgrep --exact beam.smp").rc == 1
    finally:
        host.check_output("systemctl start ejabberd")


def compiled(host: Host) -> str:
    """Which compiled modules ejabberd runs, and since when they are there."""
    folder = "/run/ejabberd-modules"
    assert host.check_output(f"findmnt --noheadings --output FSTYPE --target {folder}") == "tmpfs"
    assert len(host.check_output(f"ls {folder}").split()) == 2, "one folder, and what leads to it"
    return str(host.check_output(f"stat --format='%n %i %Z' {folder}/[0-9a-f]*/*.beam"))


def test_what_is_compiled_is_kept_and_a_folder_that_is_not_its_own_becomes_so(host: Host) -> None:
    """One start for both: ejabberd, which cannot change its modules, runs on with the same; and a disk that was mounted
    at its folder is root's, from which the database could not be opened."""
    assert host.run("runuser -u ejabberd -- touch /run/ejabberd-modules/current/mod_xmpp_archive.beam").rc != 0
    before = compiled(host)
    host.check_output("chown root:root /var/lib/ejabberd && systemctl restart ejabberd")
    assert compiled(host) == before
    folder = host.file("/var/lib/ejabberd")
    assert (folder.user, folder.group, folder.mode) == ("ejabberd", "ejabberd", 0o700)
    assert host.service("ejabberd").is_running


def test_modules_are_compiled_anew_if_a_source_changes_or_not_all_are_there(host: Host) -> None:
    """ejabberd would not start with half of them; a compiler that is killed leaves a folder without the name of the
    sources. Both are tried with two starts: at the second one, the sources are as they were, and half is there."""
    before = compiled(host)
    source = "/usr/local/lib/xmpp/modules/mod_xmpp_archive.erl"
    host.check_output(f"cp --preserve {source} /run/source.erl && echo >> {source} && systemctl restart ejabberd")
    try:
        changed = compiled(host)
        assert changed != before
        assert host.service("ejabberd").is_running
    finally:
        host.check_output(f"cp --preserve /run/source.erl {source} && rm /run/source.erl")
        host.check_output(
            "cd /run/ejabberd-modules && rm current && mv [0-9a-f]* tmphalf && truncate --size=100 tmphalf/*"
        )
        host.check_output("systemctl restart ejabberd")
    after = compiled(host)
    assert after.splitlines()[0].rpartition("/")[0] == before.splitlines()[0].rpartition("/")[0], "of these sources"
    assert len(after.splitlines()) == len(before.splitlines())
    assert after != before
    assert host.service("ejabberd").is_running


@pytest.mark.parametrize("folder", ["/var/lib/ejabberd", "/srv/xmpp/upload"])
def test_unit_needs_the_disk_of_its_data(host: Host, folder: str) -> None:
    """Without it, ejabberd would begin an empty database, where every name is free."""
    needed = host.check_output("systemctl show --property=RequiresMountsFor --value ejabberd.service")
    assert folder in needed.split()


def test_our_modules_compile_without_a_warning(host: Host) -> None:
    """Against the ejabberd that is there: as a rule, what the compiler warns of is a mistake."""
    compiled = host.run(
        "folder=$(mktemp --directory) && erlc -Werror $(printf -- '-pa %s ' /usr/lib/*/*/ebin) -o $folder"
        " /usr/local/lib/xmpp/modules/*.erl; status=$?; rm --recursive $folder; exit $status"
    )
    assert compiled.rc == 0, compiled.stdout + compiled.stderr
