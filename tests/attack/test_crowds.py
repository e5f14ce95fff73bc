# SPDX-License-Identifier: GPL-3.0-or-later
"""Many connections: whoever takes places without using them is limited. (When they are closed: test_dawdlers.py.)"""

from __future__ import annotations

import pytest

from ..kit.service import Service
from .bystander import Bystander
from .dawdlers import APP, HALF_TLS
from .neighbour import Neighbour

ROUNDS = 3
LIMIT = 1024  # of one address, roles/firewall/vars/main.yml
# The kernel forgets a few that it has counted, if it counts again before they are entered (find_or_evict in
# nf_conncount.c): 1 was too many in one of many runs.
FORGOTTEN = LIMIT // 100


@pytest.mark.attack("1,000 idle connections")
@pytest.mark.parametrize(
    ("port", "first"),
    [(443, ""), (443, APP), (5222, ""), (5269, ""), (7777, "")],
    ids=["443", "443 by apps", "5222", "5269", "7777"],
)
def test_others_are_served_beside_a_thousand_idle_connections(
    service: Service, neighbour: Neighbour, bystander: Bystander, port: int, first: str
) -> None:
    """Those of apps by port 443 are two of nginx's each: the other one leads to ejabberd."""
    crowd = {"port": port, "count": 1000, "first": first}
    with neighbour.doing("crowd", {"address": service.address, "crowds": [crowd]}) as connected:
        assert int(connected) == 1000, "the attack was none"
        bystander.wait(ROUNDS)


@pytest.mark.attack("more idle connections than that")
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_one_address_cannot_take_all_places(
    service: Service, neighbour: Neighbour, bystander: Bystander, ipv6: bool
) -> None:
    """Of all services together, it has a thousand or so; others come in as before."""
    address = service.address6 if ipv6 else service.address
    assert address is not None
    crowds = [{"port": 443, "count": 2000, "first": HALF_TLS}, {"port": 5222, "count": 2000}]
    with neighbour.doing("crowd", {"address": address, "crowds": crowds}):
        held = int(
            service.host.check_output(
                "ss -Htn state established '( sport = :443 or sport = :5222 )' "
                f"dst {f'[{neighbour.address6}]' if ipv6 else neighbour.address} | wc -l"
            )
        )
        bystander.wait(ROUNDS)
    assert held <= LIMIT + FORGOTTEN
    assert held > LIMIT // 2, "the attack was none"
