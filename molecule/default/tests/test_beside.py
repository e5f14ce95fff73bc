# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the host already and does not go with the service is named at the front, all of it at once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from tests.kit import playbook

STATE = "find /etc /usr/local /var/lib /srv -newer /run/conexizan-before ! -path '/var/lib/systemd/*' ! -type d"
SOCKET = "[Socket]\\nListenStream=443\\nAccept=yes\\n"


@pytest.fixture
def before(host: Host) -> Iterator[None]:
    """What the run finds; it changes nothing of it."""
    host.check_output("touch /run/conexizan-before")
    yield
    assert host.check_output(STATE) == ""


@pytest.fixture
def strangers(host: Host) -> Iterator[None]:
    """Others on ports of the service: a program, one on loopback alone, a socket of systemd's; and no localhost."""
    serve = "systemd-run --quiet --collect --unit={} python3 -m http.server --bind {} {}"
    host.check_output(serve.format("chat", "::", 5222))
    host.check_output(serve.format("inner", "127.0.0.1", 5280))
    host.check_output(f"printf '{SOCKET}' >/run/systemd/system/web.socket")
    host.check_output("printf '[Service]\\nExecStart=true\\n' >/run/systemd/system/web@.service")
    host.check_output("systemctl daemon-reload && systemctl start web.socket")
    host.check_output("cp /etc/hosts /run/hosts.kept && grep -v localhost /run/hosts.kept >/etc/hosts")
    deadline = time.monotonic() + 60
    while len(host.check_output("ss -Hlnt '( sport = :5222 or sport = :5280 )'").splitlines()) < 2:
        assert time.monotonic() < deadline, "the programs do not listen"
    yield
    host.check_output("cat /run/hosts.kept >/etc/hosts")
    host.check_output("systemctl stop chat inner web.socket && rm /run/systemd/system/web*")
    host.check_output("systemctl daemon-reload")


@pytest.mark.usefixtures("strangers", "before")
def test_strangers_are_named_before_anything_is_changed() -> None:
    done = playbook.run("site.yml", limit="default", seconds=120)
    assert done.returncode
    for words in (
        "TCP 5222: held by chat.service (python3, pid ",
        "TCP 5280: held by inner.service (python3, pid ",
        "TCP 443: held by web.socket, and nginx would not start. Either on the host, if nobody needs it: systemctl "
        "disable --now web.socket; or give the web site another port, for example xmpp_https_port: 8443.",
        "The name localhost is not known here",
    ):
        assert words in done.stdout


@pytest.fixture
def without_python(host: Host) -> Iterator[None]:
    """A host of the smallest kind."""
    host.check_output("mv /usr/bin/python3 /usr/bin/python3.kept")
    yield
    host.check_output("mv /usr/bin/python3.kept /usr/bin/python3")


@pytest.mark.usefixtures("without_python", "before")
def test_missing_python_is_said_in_plain_words() -> None:
    done = playbook.run("site.yml", "--check", limit="default", seconds=120)
    assert done.returncode
    assert "default has no Python: Ansible needs /usr/bin/python3 there." in done.stdout
