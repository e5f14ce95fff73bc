# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's audit: all that can be traced to a person is where the ledger says; what is not is reported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from ..kit.clients import login
from ..kit.service import DATABASE, Service, wait_for
from .between import Register, audit, run_playbook
from .day import household

pytestmark = pytest.mark.timeout(600)

ODD = "/var/log/odd.log"
# What the services write themselves meanwhile is not there to be compared; neither is what is read in /etc and /var, as
# by a login.
STAMPS = (
    "find /etc /home /opt /root /srv /usr/local /var -xdev -type f -not -path '/var/lib/ejabberd/*'"
    " -printf '%p %T@ %C@\\n' | sort; find /home /opt /root /srv /usr/local -xdev -type f -printf '%p %A@\\n' | sort"
)


@pytest.fixture
def timers_at_rest(alpha: Service) -> Iterator[None]:
    """What timers start writes down when it ran. That is waited for if it is under way, and nothing new begins."""
    units = alpha.host.check_output("systemctl list-units --type=timer --state=active --plain --no-legend")
    timers = [unit.split()[0] for unit in units.splitlines()]
    alpha.host.check_output(f"systemctl stop {' '.join(timers)}")
    services = " ".join(timer.replace(".timer", ".service") for timer in timers)
    wait_for(lambda: "activating" not in alpha.host.run(f"systemctl is-active {services}").stdout.split())
    yield
    alpha.host.check_output(f"systemctl start {' '.join(timers)}")


@pytest.fixture
def odd_log(alpha: Service) -> Iterator[None]:
    """Something that a service of the operator's wrote down."""
    alpha.host.check_output(f"printf 'gerda@{alpha.domain} came from 81.2.69.142\\n' > {ODD}")
    yield
    alpha.host.check_output(f"rm {ODD}")


@pytest.mark.usefixtures("timers_at_rest")
async def test_everything_is_in_the_ledger_and_nothing_is_touched(
    alpha: Service, names: Host, register: Register
) -> None:
    """Also the address of somebody who is connected, which is looked for everywhere."""
    account = register(alpha)
    async with login(household(alpha, names), account) as client:
        await client.online()
        before = alpha.host.check_output(STAMPS)
        code, finds = audit()
        assert alpha.host.check_output(STAMPS) == before, "neither a file more, nor one that was written or read by it"
    assert {path: find["names"] for path, find in finds.items() if not find["known"]} == {}
    assert code == 0
    found = {name for path, find in finds.items() if path.startswith(DATABASE) for name in find["names"]}
    assert account.jid in found, "the search looks at the right place"


@pytest.mark.usefixtures("odd_log")
def test_what_the_ledger_does_not_know_of_is_reported(alpha: Service) -> None:
    done = run_playbook("playbooks/audit.yml", limit="alpha")
    assert done.returncode != 0
    (line,) = (line for line in done.stdout.splitlines() if ODD in line)
    assert line.split() == f"FAIL {ODD} 1 name, 1 address in 1 file".split()
    assert "gerda" not in done.stdout, "whom it found is not printed unasked"
    asked = ["81.2.69.142", f"gerda@{alpha.domain}"]
    code, finds = audit(*asked)
    assert code != 0
    assert {path: find["names"] for path, find in finds.items() if not find["known"]} == {ODD: asked}
