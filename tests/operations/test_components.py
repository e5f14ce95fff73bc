# SPDX-License-Identifier: GPL-3.0-or-later
"""Components (xmpp_components): programs that real clients talk to, on this host and on another one."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import login
from ..kit.component import SECRET, component, started, stop
from ..kit.erlang import run_in_erlang
from ..kit.limited import tim as tim
from ..kit.service import Account, Register, Service, wait_for
from ..kit.strangers import befriended, elsewhere

PING = "<ping xmlns='urn:xmpp:ping'/>"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
ROSTER = "<query xmlns='jabber:iq:roster'/>"
# What another server's connection does with a stanza.
_COMES = """run([Host, Stanza]) ->
    Packet = xmpp:decode(fxml_stream:parse_element(list_to_binary(Stanza)), <<"jabber:client">>, [ignore_els]),
    case ejabberd_hooks:run_fold(s2s_receive_packet, list_to_binary(Host), {Packet, #{}}, []) of
        {drop, _} -> io:format("refused");
        {Passed, _} -> ejabberd_router:route(Passed), io:format("passed")
    end.
"""
# A stranger has created this account today.
_NEW = """run([User, Host]) ->
    xmpp_token_bucket:remember(mod_xmpp_newcomers, {list_to_binary(User), list_to_binary(Host)}, 3600).
"""
# As a reload of the configuration does it, after one of them is taken from the list.
_LIST = """run([Host, Without]) ->
    Server = list_to_binary(Host),
    All = persistent_term:get(components, gen_mod:get_module_opt(Server, mod_xmpp_components, components)),
    persistent_term:put(components, All),
    Left = lists:keydelete(list_to_binary(Without), 1, All),
    gen_mod:update_module(Server, mod_xmpp_components, #{components => Left}).
"""
AWAY = "10.213.0.7"  # molecule/inventory/host_vars/operations.yml
NEWCOMERS_STRANGERS = 10  # docs/security.md


@pytest.fixture(scope="module")
def bridge(service: Service) -> Iterator[str]:
    """A component without a privilege."""
    with component(service, service.name("bridge")):
        yield service.name("bridge")


@pytest.fixture
def other_host(service: Service) -> Iterator[str]:
    """A network of its own, whose only address is that of the setting, and the service's address there."""
    link = "ip link add away0 type veth peer name away1 netns away"
    here = "ip address add 10.213.0.1/24 dev away0 && ip link set away0 up"
    there = f"ip -n away address add {AWAY}/24 dev away1 && ip -n away link set away1 up"
    service.host.check_output(f"ip netns add away && {link} && {here} && {there}")
    yield "10.213.0.1"
    service.host.check_output("ip netns delete away")


def _text(stanza: ET.Element) -> str:
    return stanza.findtext("{jabber:client}body") or ""


@contextlib.contextmanager
def removed(service: Service, name: str) -> Iterator[None]:
    """One that is no longer in the list."""
    run_in_erlang(service, _LIST, service.domain, name)
    try:
        yield
    finally:
        run_in_erlang(service, _LIST, service.domain, "")


async def test_people_here_find_it_and_talk_to_it(service: Service, register: Register, bridge: str) -> None:
    (alice,) = register(1)
    async with login(service, alice) as client:
        answer = await client.query("get", ITEMS, to=service.domain)
        assert bridge in {item.get("jid") for item in answer.iter()}
        client.say(bridge, "hello there")
        await client.hear("hello there")
        assert await client.archive() == ["hello there", "hello there"]


@pytest.mark.attack("a component that speaks for another one, or with a secret that it guesses")
async def test_it_speaks_for_itself_only(service: Service, register: Register, bridge: str) -> None:
    (alice,) = register(1)
    clerk = service.name("clerk")
    with component(service, clerk):
        async with login(service, alice) as client:
            for sender, body in ((bridge, "forged"), (clerk, "own")):
                to = client.boundjid.full
                client.say(clerk, f"raw:<message from='{sender}' to='{to}'><body>{body}</body></message>")
            assert (await client.hear("own")).get("from") == clerk
            assert client.messages.all(lambda stanza: _text(stanza) == "forged") == []


@pytest.mark.attack("a component that speaks for another one, or with a secret that it guesses")
@pytest.mark.parametrize(("name", "secret"), [("clerk", "x" * 40), ("unknown", SECRET)])
def test_wrong_secret_and_unknown_name_are_refused(service: Service, name: str, secret: str) -> None:
    try:
        assert "not-authorized" in started(service, service.name(name), secret)
    finally:
        stop(service, name)


@pytest.mark.attack("reaching a component from another server, or another server from it")
async def test_other_servers_and_it_do_not_reach_each_other(service: Service, register: Register) -> None:
    """Neither way; one that is public is reached."""
    (alice,) = register(1)
    stranger, clerk = elsewhere(), service.name("clerk")
    with component(service, clerk):
        async with login(service, alice) as client:
            client.say(clerk, f"raw:<message from='{clerk}' to='{stranger}'><body>out</body></message>")
            await client.hear(f"got message error {stranger} not-allowed")
            comes = f"<message from='{stranger}' to='TO' type='headline'><body>in</body></message>"
            to = [
                run_in_erlang(service, _COMES, service.domain, comes.replace("TO", name))
                for name in (clerk, service.name("away"))
            ]
            assert to == ["refused", "passed"]


@pytest.mark.attack("getting round limits by a component")
async def test_limited_account_and_it_do_not_reach_each_other(
    service: Service, register: Register, tim: Account
) -> None:
    """Also by its privilege: of this account, it reads what one has that does not exist."""
    (alice,) = register(1)
    clerk, friend = service.name("clerk"), elsewhere()
    with component(service, clerk):
        async with login(service, tim) as client:
            with pytest.raises(IqError) as refused:
                await client.query("get", PING, to=clerk)
            assert refused.value.condition == "not-allowed"
        async with login(service, alice) as client:
            for account, contacts in ((alice, f" {friend}"), (tim, "")):
                befriended(service, account, friend)
                client.say(clerk, f"raw:<iq type='get' id='one' from='{clerk}' to='{account.jid}'>{ROSTER}</iq>")
                await client.hear(f"got iq result {account.jid}{contacts}")


@pytest.mark.attack("getting round limits by a component")
async def test_those_behind_it_are_strangers_for_a_newcomer(service: Service, register: Register, bridge: str) -> None:
    (alice,) = register(1)
    run_in_erlang(service, _NEW, alice.name, service.domain)
    async with login(service, alice) as client:
        for number in range(NEWCOMERS_STRANGERS + 1):
            client.say(f"person{number}@{bridge}", "hello")
        error = await client.messages.get(lambda stanza: stanza.get("type") == "error")
        assert error.get("from") == f"person{NEWCOMERS_STRANGERS}@{bridge}"


async def test_privileges_are_those_of_the_setting(service: Service, register: Register, bridge: str) -> None:
    """This one has none. It is answered, and reaches rooms, although mod_privilege drops such requests."""
    (alice,) = register(1)
    stop(service, bridge)
    with component(service, bridge):
        async with login(service, alice) as client:
            for to, payload, answer in ((alice.jid, ROSTER, "error"), (service.name("muc"), INFO, "result")):
                client.say(bridge, f"raw:<iq type='get' id='one' from='{bridge}' to='{to}'>{payload}</iq>")
                heard = await client.messages.get(lambda stanza: "got iq" in _text(stanza))
                assert _text(heard).startswith(f"got iq {answer} {to}")


def _in_the_name_of(account: Account, to: str, body: str, component: str, service: Service) -> str:
    """What has a component send a message of somebody's (XEP-0356)."""
    message = f"<message xmlns='jabber:client' type='chat' from='{account.jid}' to='{to}'><body>{body}</body></message>"
    forwarded = f"<forwarded xmlns='urn:xmpp:forward:0'>{message}</forwarded>"
    privilege = f"<privilege xmlns='urn:xmpp:privilege:2'>{forwarded}</privilege>"
    return f"raw:<message from='{component}' to='{service.domain}'>{privilege}</message>"


@pytest.mark.attack("getting round limits by a component")
async def test_privilege_of_messages(service: Service, register: Register, tim: Account, bridge: str) -> None:
    """In the names of people here, of limited ones too, who reach nobody elsewhere by it; not without the privilege."""
    alice, bob = register(2)
    clerk = service.name("clerk")
    stop(service, bridge)
    with component(service, clerk), component(service, bridge):
        async with login(service, alice) as client, login(service, bob) as other:
            await other.online()
            # The bridge would obey nobody but the limited account, if it heard of that one first.
            client.say(clerk, _in_the_name_of(tim, bridge, "hello", clerk, service))
            for account in (alice, tim):
                client.say(clerk, _in_the_name_of(account, bob.jid, f"by {account.name}", clerk, service))
                assert (await other.hear(f"by {account.name}")).get("from") == account.jid
            client.say(bridge, _in_the_name_of(alice, bob.jid, "by the bridge", bridge, service))
            await client.hear(f"got message error {service.domain} item-not-found")
            client.say(bob.jid, "the last one")
            await other.hear("the last one")
            assert other.messages.all(lambda stanza: _text(stanza) == "by the bridge") == []


async def test_privilege_of_presence(service: Service, register: Register, tim: Account) -> None:
    """It sees who is online, but for limited accounts."""
    alice, bob = register(2)
    clerk = service.name("clerk")
    with component(service, clerk):
        async with login(service, alice) as client:
            client.say(clerk, "hello there")
            await client.hear("hello there")
            async with login(service, tim) as limited, login(service, bob) as other:
                await limited.online()
                await other.online()
                await client.hear(f"got presence {other.boundjid.full}")
            assert client.messages.all(lambda stanza: tim.jid in _text(stanza)) == []


@pytest.mark.attack("connecting as a component from a host that is not listed")
async def test_only_the_named_host_connects(service: Service, register: Register, other_host: str) -> None:
    """Each from its own place; to the test machine, the port is closed."""
    with socket.socket() as probe:
        probe.settimeout(5)  # seconds; the host answers within one
        with pytest.raises(ConnectionRefusedError):
            probe.connect((service.address, 5348))
    (alice,) = register(1)
    away = service.name("away")
    with component(service, away, address=other_host, port=5348, inside="away"):
        async with login(service, alice) as client:
            client.say(away, "far away")
            await client.hear("far away")
    for name, place in (("away", ("127.0.0.1", 5347, "")), ("clerk", (other_host, 5348, "away"))):
        try:
            assert "not-authorized" in started(service, service.name(name), SECRET, *place)
        finally:
            stop(service, name)


@pytest.mark.attack("a component that speaks for another one, or with a secret that it guesses")
def test_one_that_is_removed_is_disconnected(service: Service) -> None:
    clerk = service.name("clerk")
    with component(service, clerk), removed(service, clerk):
        wait_for(lambda: service.host.run("systemctl is-active --quiet conexizan-clerk").rc != 0)
        assert "not-authorized" in started(service, clerk, SECRET)


async def test_certificate_and_site_name_what_they_must(service: Service) -> None:
    """The name of one that is public is in the certificate, and the pages have all."""
    text = service.host.check_output("openssl x509 -in /etc/xmpp/certificates/site.test/fullchain.pem -noout -text")
    assert (service.name("away") in text, service.name("bridge") in text) == (True, False)
    async with service.web() as web:
        for page in ("en/faq/", "de/faq/", "en/privacy/", "de/privacy/"):
            async with web.get(f"https://{service.domain}/{page}") as answer:
                shown = await answer.text()
            for name, what in (("bridge", "A bridge to the tests"), ("clerk", "Keeps lists of contacts")):
                assert (service.name(name) in shown, what in shown) == (True, True), page


def test_secrets_are_for_the_server_alone(service: Service) -> None:
    found = service.host.check_output(f"grep -rlF {SECRET} /etc /run /srv /tmp /usr/local /var").splitlines()
    assert [(path, service.host.file(path).mode) for path in found] == [("/etc/ejabberd/xmpp.yml", 0o640)]
    assert SECRET not in service.host.check_output("journalctl --no-pager")
