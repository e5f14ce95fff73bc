# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/user.yml: who waits to be let in (`xmpp_registration: review`), and the operator's decision."""

from __future__ import annotations

import json
import re

import pytest

from ..kit import clients
from ..kit.newcomer import exists, newcomer
from ..kit.review import arrive, reviewing
from ..kit.service import PLAYBOOK_SECONDS, Service, sql

pytestmark = pytest.mark.timeout(3 * PLAYBOOK_SECONDS)
WORDS = "Zoë & friends, <b>from the choir</b>; 'please'"


async def test_operator_decides_who_is_let_in(service: Service) -> None:
    one, other = newcomer(), newcomer()
    try:
        with reviewing(service):
            for account in one, other:
                arrive(service, account, WORDS)
            table = service.succeed("user")
            assert re.search(rf"^{re.escape(one.jid)} +\d{{4}}-\d\d-\d\d +{re.escape(WORDS)}$", table, re.MULTILINE), (
                table
            )
            (first, second) = json.loads(service.succeed("user", "format=json"))["waiting"]
            assert [first["address"], second["address"], second["words"]] == [one.jid, other.jid, WORDS]
            assert "waits to be let in" in service.fail("export", f"user={one.name}")
            assert "would be let in" in service.succeed("user", f"approve={one.name}", "--check")
            assert "is let in" in service.succeed("user", f"approve={one.name}")
            assert "refused and deleted" in service.succeed("user", f"refuse={other.jid}")
            assert "no account that waits to be let in here" in service.fail("user", f"refuse={one.name}")
            assert sql(service, "SELECT * FROM waiting_accounts") == []
            assert (exists(service, one), exists(service, other)) == (True, False)
            async with clients.login(service, one):
                pass
    finally:
        service.unregister([one, other])
