# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on other people's hosts before the service comes: refused before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from tests.kit import playbook

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


def test_another_ejabberd_is_not_replaced(host: Host, other_ejabberd: None, before: None) -> None:
    done = playbook.run("site.yml", limit="default", seconds=120)
    assert done.returncode
    assert "default has the data of an ejabberd that this project did not set up, in /var/lib/ejabberd." in done.stdout
    assert "ejabberdctl export_piefxis_host /var/lib/ejabberd default.test" in done.stdout


@pytest.mark.parametrize(
    ("verb", "words", "told"),
    [
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


def test_check_mode_writes_no_secrets() -> None:
    """Neither here nor there; everything else is checked."""
    done = playbook.run("site.yml", "--check", "--diff", limit="default", seconds=300)
    assert done.returncode == 0, done.stdout
    assert not (playbook.CHECKOUT / ".cache/molecule/default/secrets").exists()


@pytest.fixture
def central_logging(host: Host) -> Iterator[None]:
    """An rsyslog that sends what it gets to another host."""
    host.check_output("apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y rsyslog")
    host.check_output("echo '*.* @@log.test' >/etc/rsyslog.d/central.conf")
    yield
    host.check_output("rm /etc/rsyslog.d/central.conf && DEBIAN_FRONTEND=noninteractive apt-get purge -qq -y rsyslog")


def test_settings_and_host_fit_each_other(host: Host, central_logging: None, before: None) -> None:
    """Addresses that the host has not, or has where another's is meant, and logging that would be taken away."""
    address = host.check_output("hostname -I").split()[0]
    settings = ["-e", "xmpp_metrics=10.99.99.99:9100", "-e", f"xmpp_stun_server={address}:3478"]
    done = playbook.run("site.yml", *settings, limit="default", seconds=120)
    assert done.returncode
    assert "xmpp_metrics is 10.99.99.99:9100, which is no address of this host (it has " in done.stdout
    assert f"xmpp_stun_server is {address}:3478, which is this host itself" in done.stdout
    assert "rsyslog has configuration of yours: /etc/rsyslog.d/central.conf." in done.stdout
