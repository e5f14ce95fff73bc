# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on other people's hosts before the service comes: refused before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from tests import playbook

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
