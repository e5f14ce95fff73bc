# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls, firewall and federation were on and are off now: nothing of them is left, and the rest still works."""

from __future__ import annotations

import json
import re
import shlex
import socket
import ssl

import pytest
from testinfra.host import Host

from tests.kit import playbook
from tests.kit.traces import named

CERTIFICATE = "/etc/xmpp/certificates/off.test/fullchain.pem"


def address_of(host: Host) -> str:
    """Return the host's IPv4 address."""
    return str(host.check_output("ip -brief -4 address show dev eth0").split()[2].partition("/")[0])


def test_calls_were_on(host: Host) -> None:
    """Otherwise the other tests prove nothing: dpkg's log remembers that the relay was installed."""
    assert " install coturn" in host.file("/var/log/dpkg.log").content_string


@pytest.mark.parametrize("package", ["coturn", "prometheus-node-exporter"])
def test_package_is_gone(host: Host, package: str) -> None:
    assert not host.package(package).is_installed


@pytest.mark.parametrize("port", [3478, 5349])
def test_relay_does_not_listen(host: Host, port: int) -> None:
    assert host.check_output(f"ss -Hlntu 'sport = :{port}'") == ""


def test_no_file_speaks_of_the_relay(host: Host) -> None:
    """In the places where roles leave things for one another. (ejabberd's modules are all there, whichever it uses.)"""
    places = "/etc/xmpp /etc/nginx /etc/systemd /etc/ejabberd /usr/local/lib/xmpp"
    found = named(host, places, "*turn*", "*relay*")
    assert [path for path in found if not path.startswith("/usr/local/lib/xmpp/modules/")] == []


def test_clients_are_offered_no_relay(host: Host) -> None:
    assert "mod_xmpp_relays" not in host.check_output("cat /etc/ejabberd/xmpp.yml")


@pytest.mark.parametrize("port", [5347, 5348])
def test_components_cannot_connect(host: Host, port: int) -> None:
    assert host.check_output(f"ss -Hlnt 'sport = :{port}'") == ""


def test_no_file_speaks_of_components(host: Host) -> None:
    words = "away[.]off|bridge[.]off|mod_privilege|mod_xmpp_components:"
    assert host.run(f"grep -rE '{words}' /etc /srv/xmpp/website").stdout == ""


def test_web_chat_is_gone(host: Host) -> None:
    """It was there: the list of its files that is left says what has changed since the host was started."""
    assert "converse.min.js.gz" in host.file("/var/lib/xmpp/tree/webchat.json").content_string
    assert not host.file("/srv/xmpp/website/chat").exists
    assert not host.file("/etc/nginx/xmpp.web.d/webchat.conf").exists


def test_circle_is_gone(host: Host) -> None:
    """The administrator was in it: the node for bookmarks that is left says so."""
    script = (
        "import json, sqlite3\nwith sqlite3.connect('/var/lib/ejabberd/xmpp.db', timeout=30) as database:\n"
        "    print(json.dumps([database.execute(one).fetchall() for one in ("
        "'SELECT node FROM pubsub_node WHERE node = \"urn:xmpp:bookmarks:1\"', "
        "'SELECT name FROM sr_group WHERE name LIKE \"%:%\"', 'SELECT jid FROM sr_user WHERE grp LIKE \"%:%\"', "
        "'SELECT itemid FROM pubsub_item NATURAL JOIN pubsub_node WHERE node = \"urn:xmpp:bookmarks:1\"', "
        "'SELECT name FROM muc_room WHERE name LIKE \"pair-%\"')]))"
    )
    command = ["runuser", "-u", "ejabberd", "--", "python3", "-c", script]
    node, *left = json.loads(host.check_output(shlex.join(command)))
    assert node == [["urn:xmpp:bookmarks:1"]]
    assert left == [[], [], [], []]


def test_port_443_is_the_web_servers_alone(host: Host) -> None:
    """It took streams and calls, too: the list of ejabberd's files says so."""
    assert "/etc/nginx/xmpp.stream.d/ejabberd.conf" in host.file("/var/lib/xmpp/tree/ejabberd.json").content_string
    assert not host.file("/etc/nginx/xmpp.stream.d").exists
    for path in ("/etc/nginx/xmpp.conf", "/etc/ejabberd/xmpp.yml"):
        configuration = host.file(path).content_string
        assert [word for word in ("stream {", "ssl_preread", "proxy_protocol") if word in configuration] == []
    assert host.check_output("ss -Hlnt 'sport >= :5282 and sport <= :5286'") == ""


def test_nobody_is_limited(host: Host) -> None:
    assert "limited" not in host.check_output("cat /etc/ejabberd/xmpp.yml")


def test_page_for_moderators_is_gone(host: Host) -> None:
    """It was there (converge.yml). No policy of the web server lets scripts run at its address."""
    assert named(host, "/srv/xmpp/website", "*moderation*") == []
    assert "moderation" not in host.file("/etc/nginx/xmpp.d/website.conf").content_string


def test_nothing_is_counted(host: Host) -> None:
    assert "/usr/local/lib/xmpp/metrics" in host.file("/var/lib/xmpp/tree/metrics.json").content_string
    assert named(host, "/etc /usr/local /run", "*metrics*", "*node-exporter*") == []
    assert host.check_output("ss -Hlnt 'sport = :9100'") == ""


def test_nobody_looks_for_faults(host: Host) -> None:
    manifest = host.file("/var/lib/xmpp/tree/alerts.json").content_string
    assert "/usr/local/sbin/xmpp-alerts" in manifest
    assert "xmpp-alert-command.service" in manifest
    places = "/etc/systemd /etc/tmpfiles.d /etc/xmpp /usr/local /var/lib/xmpp"
    assert named(host, places, "*alert*") == []
    shared = host.check_output("find /usr/local/lib/xmpp/ansible_collections -type f").splitlines()
    assert {path.rpartition("/")[2] for path in shared} == {"addresses.py", "atomic.py", "ejabberd_api.py", "stun.py"}


def test_backup_is_gone_but_not_the_repository(host: Host) -> None:
    assert "/usr/local/sbin/xmpp-backup" in host.file("/var/lib/xmpp/tree/backup.json").content_string
    assert named(host, "/etc /usr /var", "*xmpp-backup*") == []
    assert not host.file("/etc/xmpp/backup").exists
    assert not host.file("/usr/local/lib/xmpp/backup").exists
    assert host.file("/srv/backup").is_directory


def test_firewall_lets_everything_in(host: Host) -> None:
    """The kernel has no rules of ours; nft may be gone, and then there is nobody to ask."""
    assert "table inet xmpp" not in host.run("nft list tables").stdout
    assert host.check_output("find /etc/xmpp -path '/etc/xmpp/firewall*' -type f") == ""
    assert host.run("systemctl is-enabled xmpp-firewall").stdout.strip() == "not-found"


@pytest.mark.parametrize("port", [5269, 5270])
def test_no_port_is_open_for_other_servers(host: Host, port: int) -> None:
    assert host.check_output(f"ss -Hlnt 'sport = :{port}'") == ""


def test_the_rest_works(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
    for port in (443, 5222):
        assert host.check_output(f"ss -Hlnt 'sport = :{port}'")


@pytest.mark.parametrize("port", [443, 5223])
def test_provided_certificate_is_served(host: Host, port: int) -> None:
    """Whoever trusts it and nothing else gets in."""
    with socket.create_connection((address_of(host), port), timeout=10) as plain:
        context = ssl.create_default_context(cadata=host.check_output(f"cat {CERTIFICATE}"))
        context.wrap_socket(plain, server_hostname="off.test").close()


def test_apps_find_rooms_below_another_domain() -> None:
    """A server lists what is below its own name, and what it is told of: else nobody sees that there are rooms."""
    done = playbook.run("playbooks/check.yml", "-e", "format=json", limit="off", seconds=120)
    rows = {row["subject"]: row for row in json.loads(done.stdout)["off"]}
    assert rows["login"]["status"] == "pass", rows["login"]
    assert "XEP-0045" not in rows["XEPs"]["found"], rows["XEPs"]


def test_uploads_come_back_from_another_disk(host: Host) -> None:
    """/srv is a symbolic link on this host."""
    assert host.file("/srv").is_symlink
    done = playbook.run("playbooks/check.yml", "-e", "format=json", limit="off", seconds=120)
    rows = {row["subject"]: row for row in json.loads(done.stdout)["off"]}
    assert rows["file upload"]["status"] == "pass", rows["file upload"]


def test_own_authority_is_gone(host: Host) -> None:
    """After the timer's next run, which is brought forward here."""
    host.check_output("systemctl start xmpp-certificates.service")
    assert named(host, "/etc/xmpp/certificates", "ca.*") == []


def test_small_host_runs_the_small_vm(host: Host) -> None:
    """The profile group_vars/raspberry_pi.yml is in force, and ejabberd starts with its flags."""
    arguments = host.check_output("tr '\\0' ' ' < /proc/$(pgrep --oldest --euid ejabberd beam.smp)/cmdline")
    assert " -S 1:1 " in arguments


def test_registration_is_neither_offered_nor_taken(host: Host) -> None:
    """A client asks for an account all the same, before it logs in (XEP-0077)."""
    stream = (
        "<?xml version='1.0'?><stream:stream to='off.test' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>"
    )
    context = ssl.create_default_context(cadata=host.check_output(f"cat {CERTIFICATE}"))
    with (
        socket.create_connection((address_of(host), 5223), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="off.test") as link,
    ):
        link.sendall(stream.encode())
        offer = read_until(link, "</stream:features>")
        assert "mechanism" in offer
        assert "http://jabber.org/features/iq-register" not in offer
        query = "<query xmlns='jabber:iq:register'><username>eve</username><password>b8Kq0-wXr5_z</password></query>"
        link.sendall(f"<iq type='set' id='r' to='off.test'>{query}</iq>".encode())
        answer = read_until(link, ">")
        assert "type='result'" not in answer
    select = "connect('/var/lib/ejabberd/xmpp.db').execute('SELECT username FROM users').fetchall()"
    names = ["runuser", "-u", "ejabberd", "--", "python3", "-c", f"import sqlite3; print(sqlite3.{select})"]
    assert "eve" not in host.check_output(shlex.join(names))


def read_until(link: ssl.SSLSocket, end: str) -> str:
    """Read until *end* has come."""
    text = ""
    while end not in text:
        received = link.recv(4096)
        if not received:
            break
        text += received.decode()
    return text


def test_invitation_that_nobody_could_use_is_not_made(host: Host) -> None:
    """The setting is there, and site.yml was not run: twice the same, so no name is reserved for nobody."""
    for _ in "first", "again":
        options = ["-e", '{"xmpp_registration": "invite"}', "-e", "user=maria"]
        done = playbook.run("playbooks/invite.yml", *options, limit="off", seconds=120)
        assert done.returncode
        assert "the service on this host takes no invitations yet: run site.yml, then this again" in done.stdout


def test_registration_was_open(host: Host) -> None:
    """Otherwise the next test proves nothing: what draws the pictures was installed, and a library stays."""
    assert " install python3-pil:" in host.file("/var/log/dpkg.log").content_string


def test_nothing_of_registration_is_left(host: Host) -> None:
    assert named(host, "/etc/nginx /srv/xmpp/website", "*regist*", "*captcha*") == []
    assert named(host, "/usr/local/lib/xmpp", "*captcha*") == []
    assert host.check_output("ss -Hlnt 'sport = :5281'") == ""
    configuration = host.check_output("cat /etc/ejabberd/xmpp.yml")
    assert [word for word in ("captcha", "registration_question", "lime", "newcomers") if word in configuration] == []


@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        ({"xmpp_domain": "of.test"}, ["off.test"]),
        ({"xmpp_domain": "of.test", "xmpp_muc_domain": "muc.of.test", "sure": "on.test"}, ["off.test"]),
    ],
)
def test_domain_with_accounts_is_not_taken_out(settings: dict[str, str], gone: list[str]) -> None:
    """Not by mistake; the operator is told who would be out of reach, and how to keep them."""
    done = playbook.run("site.yml", "--check", "-e", json.dumps(settings), limit="off", seconds=120)
    assert done.returncode
    assert all(re.search(rf"^\s*\d+ accounts? of {name}$", done.stdout, re.MULTILINE) for name in gone), done.stdout
    assert "xmpp_more_domains: [off.test]" in done.stdout


def test_domain_is_taken_out_by_a_word() -> None:
    words = {"xmpp_domain": "of.test", "sure": "off.test,muc.off.test,pubsub.off.test,upload.off.test"}
    done = playbook.run("site.yml", "--check", "-e", json.dumps(words), limit="off", seconds=120)
    assert "would become unreachable" not in done.stdout
