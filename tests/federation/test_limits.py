# SPDX-License-Identifier: GPL-3.0-or-later
"""What limits accounts here limits those of other servers."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from ..kit.nodes import ids, items, publish
from ..kit.service import Service
from ..kit.sessions import logged_in
from .between import Register

MIB = 1024 * 1024


@pytest.mark.attack("requesting large nodes (XEP-0060), also from other servers")
def test_items_of_a_node_are_bounded_in_bytes(alpha: Service, beta: Service, register: Register) -> None:
    """Asked for many times at once, each answer is bounded; a small node comes whole."""
    alice, bob = register(alpha), register(beta)
    with logged_in(alpha, alice) as owner, logged_in(beta, bob) as asker:
        owner.bind()
        asker.bind()
        publish(owner, "urn:test", 5, access_model="open")
        assert len(ids(asker.query("get", items(), alice.jid))) == 5
        publish(owner, "urn:test", 8, access_model="open")
        answer = asker.query("get", items(), alice.jid)
        assert ids(answer) == {f"i{number}" for number in range(3, 8)}
        assert len(ET.tostring(answer)) < MIB + 10_000
        asker.send("".join(f"<iq type='get' id='q{number}' to='{alice.jid}'>{items()}</iq>" for number in range(20)))
        answers = [asker.read() for _ in range(20)]
        assert {one.get("id") for one in answers} == {f"q{number}" for number in range(20)}
        assert {len(ids(one)) for one in answers} == {5}
