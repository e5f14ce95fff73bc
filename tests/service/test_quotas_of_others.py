# SPDX-License-Identifier: GPL-3.0-or-later
"""What others may fill of an account."""

from __future__ import annotations

import secrets
from xml.etree import ElementTree as ET

import pytest

from ..kit.nodes import PUBSUB
from ..kit.quotas import (
    FORM,
    MIB,
    OWNER,
    POLICY,
    REQUEST,
    filled,
    is_refused,
    private,
    publish,
)
from ..kit.service import Register, Service
from ..kit.sessions import came, logged_in, online
from ..kit.strangers import elsewhere
from ..kit.stream import CLIENT, Stream

OTHERS = 10 * MIB  # of it, what others may fill
# What ejabberd does not look at, or for another node, in front of the node that is meant.
DECOYS = ("<x xmlns='urn:test' node='none'/>", "<publish node='none'/>", "<configure node='none'/>")


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
def test_others_fill_half_of_an_account_by_requests(service: Service, register: Register) -> None:
    """Whoever asks, from here or elsewhere. The account has the other half for itself."""
    alice, bob = register(2)
    filled(service, alice, OTHERS)
    with logged_in(service, alice) as asked, logged_in(service, bob) as asking:
        own = online(asked)
        address = online(asking)
        asking.send(f"<presence to='{alice.jid}' type='subscribe'/>")
        assert any(is_refused(one, f"{OTHERS // MIB} MiB") for one in came(asking, address))
        service.api(("send_stanza", {"from": elsewhere(), "to": alice.jid, "stanza": "<presence type='subscribe'/>"}))
        assert [one for one in came(asked, own) if one.get("type") == "subscribe"] == []
        assert asked.query("set", private("urn:test", "x" * 100_000)).get("type") == "result"


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
def test_others_fill_half_of_an_account_by_its_node(service: Service, register: Register) -> None:
    """One that takes items of everybody."""
    alice, bob = register(2)
    filled(service, alice, OTHERS - 120_000)
    node, there = secrets.token_hex(6), service.name("pubsub")
    open_to_all = FORM.format(
        f"<field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>"
        "<field var='pubsub#publish_model'><value>open</value></field>"
    )
    with logged_in(service, alice) as owner, logged_in(service, bob) as stranger:
        owner.bind()
        stranger.bind()
        made = f"<pubsub xmlns='{PUBSUB}'><create node='{node}'/><configure>{open_to_all}</configure></pubsub>"
        assert owner.query("set", made, there).get("type") == "result"
        assert stranger.query("set", publish(node, "x" * 90_000, "first"), there).get("type") == "result"
        answer = stranger.query("set", publish(node, "x" * 90_000, "second"), there)
        assert is_refused(answer, f"{OTHERS // MIB} MiB"), ET.tostring(answer, "unicode")
        for decoy in DECOYS:
            decoyed = publish(node, "x" * 90_000, "third").replace("<publish", f"{decoy}<publish")
            assert stranger.query("set", decoyed, there).get("type") == "error", decoy
        assert owner.query("set", publish(node, "x" * 90_000, "own"), there).get("type") == "result"


def test_who_made_a_node_stays_its_owner(service: Service, register: Register) -> None:
    """Or what is in it would count for somebody else, or for nobody. Another one can be an owner as well."""
    alice, bob = register(2)
    node, there = secrets.token_hex(6), service.name("pubsub")

    def affiliate(stream: Stream, jid: str, affiliation: str, decoy: str = "") -> ET.Element:
        entry = f"<affiliation jid='{jid}' affiliation='{affiliation}'/>"
        return stream.query(
            "set", f"<pubsub xmlns='{OWNER}'>{decoy}<affiliations node='{node}'>{entry}</affiliations></pubsub>", there
        )

    with logged_in(service, alice) as maker, logged_in(service, bob) as other:
        maker.bind()
        other.bind()
        assert (
            maker.query("set", f"<pubsub xmlns='{PUBSUB}'><create node='{node}'/></pubsub>", there).get("type")
            == "result"
        )
        assert affiliate(maker, bob.jid, "owner").get("type") == "result"
        for stream in (maker, other):
            answer = affiliate(stream, alice.jid, "none")
            assert answer.find(".//{*}not-allowed") is not None, ET.tostring(answer, "unicode")
            assert affiliate(stream, alice.jid, "none", DECOYS[0]).get("type") == "error"
        assert affiliate(maker, bob.jid, "none").get("type") == "result"


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
def test_contact_request_is_short(service: Service, register: Register) -> None:
    alice, bob = register(2)
    with logged_in(service, alice) as asking, logged_in(service, bob) as asked:
        own = online(asking)
        address = online(asked)
        asking.send(f"<presence to='{bob.jid}' type='subscribe'><status>{'x' * (REQUEST + 1)}</status></presence>")
        assert any(one.find(POLICY) is not None for one in came(asking, own))
        stanza = f"<presence type='subscribe'><status>{'x' * (REQUEST + 1)}</status></presence>"
        service.api(("send_stanza", {"from": elsewhere(), "to": bob.jid, "stanza": stanza}))
        asking.send(f"<presence to='{bob.jid}' type='subscribe'><status>{'y' * 1000}</status></presence>")
        came(asking, own)
        texts = [one.findtext(f"{CLIENT}status", "") for one in came(asked, address) if one.get("type") == "subscribe"]
        assert texts == ["y" * 1000]


@pytest.mark.attack("using up a limit, so that others cannot ask somebody for something")
def test_who_fills_an_account_in_vain_keeps_nobody_else_out(service: Service, register: Register) -> None:
    """What was never kept is counted out as soon as somebody else asks."""
    mallory, alice, bob = register(3)
    # Each element counts as a row: up to the last one that fits.
    counts = [4900, 4900, *(2**power for power in range(8, -1, -1)), 0]
    heavy = "<iq type='set' id='h' to='{}'><query xmlns='urn:example:unknown'>{}</query></iq>"
    with (
        logged_in(service, mallory) as attacker,
        logged_in(service, bob) as friend,
        logged_in(service, alice) as victim,
    ):
        for stream in (attacker, friend, victim):
            online(stream)
        attacker.send("".join(heavy.format(alice.jid, "<x/>" * count) for count in counts))
        assert any(is_refused(one, "10 MiB") for one in came(attacker, mallory.jid))
        friend.send(f"<presence type='subscribe' to='{alice.jid}'/>")
        while (asked := victim.read()).get("type") != "subscribe":
            pass
        assert asked.get("from") == bob.jid
