# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on other people's hosts before the service comes: refused before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from tests.kit import playbook

APT = "DEBIAN_FRONTEND=noninteractive apt-get"
# Files of a host, with what changes when a file of the service, a package or an account comes.
STATE = "find /etc /usr/local /var/lib /srv -newer /run/conexizan-before ! -path '/var/lib/systemd/*' ! -type d"


@pytest.fixture
def before(host: Host) -> Iterator[None]:
    """What the run finds; it changes nothing of it."""
    host.check_output("touch /run/conexizan-before")
    yield
    assert host.check_output(STATE) == ""


@pytest.fixture
def other_ejabberd(host: Host) -> Iterator[None]:
    """Accounts of an ejabberd that somebody else has set up, as its tables lie there."""
    host.check_output("mkdir /var/lib/ejabberd && echo accounts >/var/lib/ejabberd/passwd.DAT")
    yield
    host.check_output("rm -r /var/lib/ejabberd")


@pytest.mark.parametrize("options", [["--check"], []], ids=["check", "run"])
def test_another_ejabberd_is_not_replaced(host: Host, options: list[str], other_ejabberd: None, before: None) -> None:
    done = playbook.run("site.yml", *options, limit="default", seconds=120)
    assert done.returncode
    assert "default has the data of an ejabberd that this project did not set up, in /var/lib/ejabberd." in done.stdout
    assert "ejabberdctl export_piefxis_host /var/lib/ejabberd default.test" in done.stdout


def test_moderators_need_an_account(host: Host, before: None) -> None:
    """Otherwise whoever gets the name would be one."""
    words = ("--extra-vars", '{"xmpp_moderators": ["bob"], "xmpp_admins": ["maria"]}')
    done = playbook.run("site.yml", "--check", *words, limit="default", seconds=120)
    assert done.returncode
    told = "xmpp_moderators names accounts that default does not have: bob@default.test."
    assert told in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("verb", "words", "told"),
    [
        ("user", [], "There is no service on this host yet: run site.yml first."),
        ("user", ["create=maria"], "There is no service on this host yet: run site.yml first."),
        ("room", ["destroy=garden", "sure=garden"], "There is no service on this host yet: run site.yml first."),
        ("export", ["user=maria"], "There is no service on this host yet: run site.yml first."),
        ("notice", [], "default has no web site yet, so there is nothing to do here. Run site.yml first."),
        (
            "backup",
            ["xmpp_backup_repository=/srv/backup"],
            "default has no backups yet, so there is nothing to do here.",
        ),
    ],
)
def test_verb_needs_a_service(verb: str, words: list[str], told: str, before: None) -> None:
    """It says so, and puts nothing there; a notice would be the beginning of a web site."""
    extra = [part for word in words for part in ("--extra-vars", word)]
    done = playbook.run(f"playbooks/{verb}.yml", *extra, limit="default", seconds=120)
    assert done.returncode
    assert done.stdout.count(told) == 1


@pytest.fixture(scope="module")
def guests(host: Host) -> Iterator[None]:
    """A host that was in use: logs on disk, fail2ban, a mail server for other hosts (as a socket of its kind)."""
    host.check_output(f"apt-get update -qq && {APT} install -qq -y --no-install-recommends rsyslog fail2ban")
    host.check_output("systemctl stop fail2ban")  # else it writes something now and then
    host.check_output("echo before >>/var/log/mail.log")
    host.check_output("systemd-run --unit=old-mail --socket-property=ListenStream=25 cat")
    yield
    host.check_output("systemctl stop old-mail.socket")
    host.check_output(f"{APT} purge -qq -y --auto-remove rsyslog fail2ban; rm -f /var/log/mail.log")


@pytest.fixture(scope="module")
def checked(guests: None) -> str:
    """What a run in check mode says on that host."""
    done = playbook.run("site.yml", "--check", "--diff", limit="default", seconds=300)
    assert done.returncode == 0, done.stdout
    return " ".join(f"{done.stdout} {done.stderr}".split())


@pytest.mark.usefixtures("checked")
def test_check_mode_writes_no_secrets() -> None:
    """Neither here nor there; everything else is checked."""
    assert not (playbook.CHECKOUT / ".cache/molecule/default/secrets").exists()


def test_check_mode_says_what_is_taken_away(checked: str) -> None:
    assert "The service removes rsyslog" in checked
    # Not in the rest: --diff shows the patterns of these logs.
    logs = checked.partition("The service deletes what was logged before: ")[2].partition(" If you need")[0]
    assert "/var/log/mail.log" in logs
    assert "fail2ban finds nothing to read any more in these jails: sshd. " in checked
    assert "The firewall of the service closes TCP 25 (old-mail.socket)" in checked


# Of the operator's: a unit and a file where the service has one of the same name, a unit that is masked, a certificate
# that certbot renews on port 80, central logging and a package that needs rsyslog, and what has a port of the service.
MINE = {
    "/etc/systemd/system/xmpp-backup.service": "[Service]\nExecStart=/bin/true",
    "/etc/sudoers.d/xmpp": "# mine",
    "/etc/letsencrypt/renewal/shop.test.conf": "[renewalparams]\nauthenticator = standalone",
    "/etc/rsyslog.d/central.conf": "*.* @@log.test",
}
MASKED = "/etc/systemd/system/nginx.service"


@pytest.fixture
def crowded(host: Host, guests: None) -> Iterator[None]:
    """What cannot be beside the service."""
    host.check_output(f"{APT} install -qq -y --no-install-recommends rsyslog-gnutls")
    for path, text in MINE.items():
        host.check_output("mkdir -p $(dirname %s) && printf '%%s\n' %s >%s", path, text, path)
    host.check_output(f"ln -s /dev/null {MASKED} && systemctl daemon-reload")
    sockets = "--socket-property=ListenStream=5222 --socket-property=ListenDatagram=3478"
    host.check_output(f"systemd-run --unit=old-chat {sockets} cat")
    yield
    host.check_output("systemctl stop old-chat.socket")
    host.check_output(f"rm -r {MASKED} {' '.join(MINE)} /etc/letsencrypt && systemctl daemon-reload")
    host.check_output(f"{APT} purge -qq -y --auto-remove rsyslog-gnutls")


def test_settings_and_host_fit_each_other(host: Host, crowded: None, before: None) -> None:
    """Addresses that the host has not, or has where another's is meant, and what would be taken away from others."""
    address = host.check_output("hostname -I").split()[0]
    settings = ["-e", "xmpp_metrics=10.99.99.99:9100", "-e", f"xmpp_stun_server={address}:3478"]
    done = playbook.run("site.yml", *settings, limit="default", seconds=120)
    assert done.returncode
    assert "xmpp_metrics is 10.99.99.99:9100, which is no address of this host (it has " in done.stdout
    assert f"xmpp_stun_server is {address}:3478, which is this host itself" in done.stdout
    for told in (
        "rsyslog has configuration of yours: /etc/rsyslog.d/central.conf.",
        "apt would remove rsyslog-gnutls with that.",
        "TCP 5222 and UDP 3478: held by old-chat.socket, and coturn and ejabberd would not start.",
        "/etc/systemd/system/xmpp-backup.service is a unit of yours, and the service has one of the same name.",
        "The service would replace /etc/sudoers.d/xmpp, which it has not written.",
        "nginx.service is masked (/etc/systemd/system/nginx.service)",
        "certbot renews the certificate shop.test by its plugin standalone",
    ):
        assert told in " ".join(done.stdout.split())
