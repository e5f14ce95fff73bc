# SPDX-License-Identifier: GPL-3.0-or-later
"""A new configuration that a server would refuse: the old one goes on, and the next good run fixes everything."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest

from ..kit.clients import Client, login
from ..kit.service import PLAYBOOK_SECONDS, Register, Service

# Mistakes in roles: words that ejabberd and nginx do not take, with changes for which they have to be started anew.
MISTAKE = {
    "__ejabberd_registration_seconds": "soon",
    "ejabberd_small_host": True,
    "uploads_max_mib": 99,
    "registration_domain": "site.test; lisen 80",
}
# And what an operator's own site can do.
BROKEN_SITE = "/etc/nginx/conf.d/broken.conf"

pytestmark = pytest.mark.timeout(3 * PLAYBOOK_SECONDS)


@pytest.fixture
def broken_site(service: Service) -> Iterator[None]:
    service.host.check_output(f"echo 'server {{ lisen 80; }}' > {BROKEN_SITE}")
    yield
    service.host.check_output(f"rm -f {BROKEN_SITE}")


def running(service: Service) -> str:
    """The first processes of the servers, which change when they are started anew."""
    units = "ejabberd.service nginx.service coturn.service"
    pids: str = service.host.check_output(f"systemctl show --property=MainPID --value {units}")
    return pids


def files(service: Service) -> str:
    """What servers read when they start anew, and what is remembered of it."""
    folders = "/etc/ejabberd /etc/nginx /etc/systemd/system /etc/coturn /etc/xmpp /usr/local/lib/xmpp"
    listed: str = service.host.check_output(
        f"find {folders} /var/lib/xmpp/tree -type f -printf '%p %m %u ' -exec sha256sum {{}} \\;"
    )
    return listed


async def assert_talk(alice: Client, bob: Client) -> None:
    text = secrets.token_hex(8)
    alice.say(bob.boundjid.bare, text)
    await bob.hear(text)


@pytest.mark.usefixtures("broken_site")
def test_broken_site_of_the_operator_is_refused_before_anything_changes(service: Service) -> None:
    files_before = files(service)
    done = service.run_playbook("../site")
    assert done.returncode
    assert 'unknown directive "lisen"' in " ".join(done.stdout.split())
    assert files(service) == files_before


async def test_bad_configuration_leaves_the_old_one_running(service: Service, register: Register) -> None:
    before, files_before = running(service), files(service)
    accounts = register(2)
    async with login(service, accounts[0]) as alice, login(service, accounts[1]) as bob:
        await alice.online()
        await bob.online()

        done = service.run_playbook("../site", json.dumps(MISTAKE))
        told = " ".join(done.stdout.split())
        assert done.returncode
        assert "ejabberd.service stays as it was, its new configuration is refused" in told
        assert "Invalid value of option registration_timeout" in told
        assert "nginx.service stays as it was, its new configuration is refused" in told
        assert 'unknown directive "lisen"' in told
        assert running(service) == before
        assert files(service) == files_before, "what starts anew meanwhile finds the old one"
        await assert_talk(alice, bob)
        assert (await service.fetch("GET", f"https://{service.domain}/")).status in (200, 302)

    done = service.run_playbook("../site")
    assert done.returncode == 0, done.stdout
    service.wait_until_ready()
    assert "registration_timeout: soon" not in service.host.check_output("cat /etc/ejabberd/xmpp.yml")
    async with login(service, accounts[0]) as alice:
        await alice.online()
    done = service.run_playbook("../site")
    assert "changed=0" in done.stdout, done.stdout
