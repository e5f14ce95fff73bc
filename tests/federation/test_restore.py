# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of an authority, and the account there, outlive the host: they come back from the backup."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from ..kit.service import Service
from .between import run_playbook
from .certificates import certificate_at, time_to_renew

ACCOUNT = "find /etc/letsencrypt/accounts -name '*.json' -exec sha256sum {} +"
# Each as pebble says it to its journal.
ORDERS = "journalctl --unit=pebble.service --output=cat | grep -c 'POST /order-plz'"
NEW_DISK = (
    "systemctl stop ejabberd.service && "
    "rm -rf /etc/letsencrypt /etc/xmpp/certificates/*/ /var/lib/ejabberd/xmpp.db* /srv/xmpp/upload/data/*"
)


@pytest.mark.timeout(800)
def test_certificates_come_back_and_nothing_is_ordered(beta: Service, gamma: Service, names: Host) -> None:
    """Authorities have limits, and a restore is when nothing more may go wrong. Renewal goes on afterwards."""
    done = run_playbook("playbooks/backup.yml", limit="beta")
    assert done.returncode == 0, done.stdout
    shown = {one.domain: certificate_at(one, one.domain, 5223) for one in (beta, gamma)}
    account, orders = beta.host.check_output(ACCOUNT), names.check_output(ORDERS)
    beta.host.check_output(NEW_DISK)
    done = run_playbook("playbooks/restore.yml", limit="beta")
    assert done.returncode == 0, done.stdout
    assert {one.domain: certificate_at(one, one.domain, 5223) for one in (beta, gamma)} == shown
    assert (beta.host.check_output(ACCOUNT), names.check_output(ORDERS)) == (account, orders)
    with time_to_renew(beta):
        beta.host.check_output("systemctl start certbot.service")
    assert certificate_at(beta, beta.domain, 5223) != shown[beta.domain]
    assert beta.host.check_output(ACCOUNT) == account
