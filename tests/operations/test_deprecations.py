# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing in the configuration of a server is deprecated: its own check, or its start, complains of nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from ..kit.service import Service

COPY = "/run/deprecations"
# How the role lets ejabberd check its configuration.
CHECK = (
    "setpriv --reuid=ejabberd --regid=ejabberd --groups=ejabberd,xmpp-certificates,xmpp-upload --reset-env "
    "/usr/local/lib/xmpp/ejabberd-config-check"
)
COMPLAINTS = re.compile(r"warn|error|deprecated|obsolete|unknown|no effect|bad configuration", re.IGNORECASE)
# A relay beside the one that runs, which says what it reads and ends.
RELAY = (
    f"sed -E '/^(log-file|no-stdout-log)/d' /etc/coturn/xmpp.conf > {COPY}/turn.conf && {{ MORE }} "
    f"timeout --preserve-status 3 turnserver -c {COPY}/turn.conf --listening-ip=127.0.0.1 --relay-ip=127.0.0.1 "
    f"--listening-port=13478 --tls-listening-port=15349 --pidfile={COPY}/pid --log-file=stdout 2>&1"
)


@pytest.fixture(autouse=True)
def copies(service: Service) -> Iterator[None]:
    """A folder for copies of configurations, which ejabberd may read. They have secrets, so none stays."""
    service.host.check_output(f"rm -rf {COPY} && install -d -m 0750 -g ejabberd {COPY}")
    yield
    service.host.check_output(f"rm -r {COPY}")


def complaints(text: str) -> list[str]:
    """Return the lines that complain, without the one that names the level of the log."""
    return [line for line in text.splitlines() if COMPLAINTS.search(line) and not line.startswith("Changing loglevel")]


def check(service: Service, change: str = "") -> list[str]:
    """Return what ejabberd complains of, with *change* made to a copy of its configuration."""
    path = f"{COPY}/xmpp.yml"
    service.host.check_output(f"install -m 0640 -g ejabberd /etc/ejabberd/xmpp.yml {path}")
    # The level of the service would hide it.
    service.host.check_output(f"sed -i 's/^loglevel: .*/loglevel: warning/' {path} && printf %s >> {path}", change)
    done = service.host.run(f"cd / && {CHECK} {path}")
    assert done.rc == 0, done.stdout + done.stderr
    return complaints(done.stdout + done.stderr)


def test_ejabberd_finds_nothing_deprecated(service: Service) -> None:
    assert check(service) == []
    found = check(service, "log_rate_limit: 100\n")
    assert any("Option 'log_rate_limit' is deprecated and has no effect anymore" in line for line in found), found


def test_modules_of_ejabberd_exist(service: Service) -> None:
    """One that was merged into another is ignored without a word."""
    configured = yaml.safe_load(service.host.check_output("cat /etc/ejabberd/xmpp.yml"))["modules"]
    files = service.host.check_output("ls /usr/lib/*/ejabberd-*/ebin /usr/local/lib/xmpp/modules").split()
    assert set(configured) - {name.rpartition(".")[0] for name in files} == set()


def test_nginx_finds_nothing_deprecated(service: Service) -> None:
    """It marks what it complains of with [warn], a directive that it has under another name as well."""
    done = service.host.run("nginx -t -c /etc/nginx/xmpp.conf")
    assert (done.rc, complaints(done.stdout + done.stderr)) == (0, []), done.stdout + done.stderr
    old = "http { server { listen 127.0.0.1:18443 ssl http2; } }"
    made = service.host.run(f"echo {shlex.quote('events {} ' + old)} > {COPY}/old.conf && nginx -t -c {COPY}/old.conf")
    assert 'the "listen ... http2" directive is deprecated' in made.stdout + made.stderr


@pytest.mark.parametrize(
    ("more", "seen"), [("true;", False), (f"echo no-such-option-anywhere >> {COPY}/turn.conf;", True)]
)
def test_relay_finds_nothing_deprecated(service: Service, more: str, seen: bool) -> None:
    said = service.host.run(RELAY.replace("{ MORE }", more)).stdout
    assert "Version Coturn" in said
    assert bool(complaints(said)) is seen, complaints(said)
