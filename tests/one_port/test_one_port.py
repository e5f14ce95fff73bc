# SPDX-License-Identifier: GPL-3.0-or-later
"""Port 443 for all: each limit knows whose connection it is, nothing else does, and nobody is believed who lies."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shlex
import socket
import ssl
from typing import Any

import pytest

from ..kit.clients import fresh_text, login
from ..kit.guesses import AT_ONCE, PICTURES, fresh_v4, guess, say
from ..kit.handshakes import first_message
from ..kit.ports import ONE_PORT
from ..kit.service import PATIENCE, Register, Service, wait_for
from ..kit.traces import PLACES, SERVICES, forms, holding
from ..kit.web import BIND, FRAMING, authenticate, over_websocket

APP: dict[str, Any] = {"direct_tls": True, "port": ONE_PORT}
INNER = {f"127.0.0.1:{port}" for port in range(5282, 5286)} | {"[::ffff:127.0.0.1]:5286"}
BELIEVING = [5284, 5285]
CROWD = 800  # an address has 1,024 connections, this machine as many open files
HANDSHAKE = b"\x16"  # what TLS begins an answer with; an alert would be another
HEADER = "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:{}' {}>"
STREAMS = "xmlns:stream='http://etherx.jabber.org/streams'"
CLAIMED = ("192.0.2.66", "192.0.2.1")  # nobody's
CLAIMS = {
    "text": f"PROXY TCP4 {' '.join(CLAIMED)} 1025 443\r\n".encode(),
    "binary": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"".join(map(socket.inet_aton, CLAIMED)) + b"\x04\x01\x01\xbb",
}


def read_until(link: socket.socket, end: bytes) -> bytes:
    heard = b""
    while end not in heard and (data := link.recv(65536)):
        heard += data
    return heard


@pytest.mark.attack("guessing passwords")
def test_who_guesses_keeps_nobody_else_out(service: Service, register: Register) -> None:
    """All come from nginx now; and where they came from is written nowhere."""
    owner, _ = register(2)
    attacker, elsewhere = fresh_v4(), fresh_v4()
    wrong = [(attacker, owner, f"guess {number}") for number in range(AT_ONCE)]
    assert set(guess(service, wrong, port=ONE_PORT)) == {"not-authorized"}
    right = (attacker, owner, owner.password)
    assert guess(service, [right], port=ONE_PORT) == ["policy-violation"]
    assert guess(service, [(elsewhere, owner, owner.password)], port=ONE_PORT) == ["success"]
    # One and the same by another way in.
    assert guess(service, [right]) == ["policy-violation"]

    units = " ".join(f"--unit={name}" for name in SERVICES)
    assert attacker not in service.host.check_output(f"journalctl --no-pager --output=json {units}")
    assert holding(service.host, f"--extended-regexp --regexp='{forms(attacker)}'", *PLACES) == []


@pytest.mark.attack("creating many accounts, with `xmpp_registration: open`")
def test_pictures_are_counted_for_each_address(service: Service) -> None:
    greedy, newcomer = fresh_v4(), fresh_v4()
    ask = "<iq type='get' id='ask'><query xmlns='jabber:iq:register'/></iq>"
    answers = say(service, "type='(result|error)'", [(greedy, ask)] * (PICTURES + 1), port=ONE_PORT)
    assert answers == ["type='result'"] * PICTURES + ["type='error'"]
    assert say(service, "type='(result|error)'", [(newcomer, ask)], port=ONE_PORT) == ["type='result'"]


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
async def test_server_knows_whose_stream_it_is(
    service: Service, register: Register, own_addresses: tuple[str, str], ipv6: bool
) -> None:
    """Of IPv6, the network."""
    (alice,) = register(1)
    async with login(service, alice, address=service.address6 if ipv6 else None, **APP):
        (seen,) = seen_from(service, alice.name)
    own = own_addresses[1] + "/64" if ipv6 else own_addresses[0]
    assert ipaddress.ip_address(seen) == ipaddress.ip_interface(own).network.network_address


async def test_server_knows_whose_websocket_it_is(
    service: Service, register: Register, own_addresses: tuple[str, str]
) -> None:
    """nginx hands it over from one part of itself to the other."""
    (alice,) = register(1)
    async with over_websocket(service) as exchange:
        await authenticate(exchange, alice)
        await exchange(f"<open xmlns='{FRAMING}' to='{service.domain}' version='1.0'/>")
        await exchange(BIND)
        wait_for(lambda: seen_from(service, alice.name) == [own_addresses[0]])


def seen_from(service: Service, name: str) -> list[str]:
    """The addresses of somebody's sessions, as ejabberd has them."""
    sessions = service.api(("user_sessions_info", {"user": name, "host": service.domain}))[0]
    return [str(ipaddress.ip_address(session["ip"])) for session in sessions]


def test_other_servers_come_by_the_same_port(service: Service) -> None:
    with socket.create_connection((service.address, ONE_PORT), timeout=PATIENCE) as plain:
        link = service.tls("xmpp-server").wrap_socket(plain, server_hostname=service.domain)
        link.sendall(HEADER.format(service.domain, "server", STREAMS).encode())
        answer = read_until(link, b"</stream:features>")
    assert b"xmlns='jabber:server'" in answer
    assert b"</stream:features>" in answer


@pytest.mark.attack("claiming another address, by the header that proxies send (PROXY protocol)")
@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("port", [ONE_PORT, 5222, 5223, 5269, 5270])
def test_nobody_is_believed_who_claims_another_address(service: Service, port: int, claim: str) -> None:
    """No handshake and no stream begins behind it."""
    kind = "server" if port in (5269, 5270) else "client"
    with socket.create_connection((service.address, port), timeout=PATIENCE) as plain:
        plain.sendall(CLAIMS[claim])
        if port in (5222, 5269):
            plain.sendall(HEADER.format(service.domain, kind, STREAMS).encode())
            assert b"<stream:features" not in read_until(plain, b"</stream:stream>")
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                service.tls(f"xmpp-{kind}").wrap_socket(plain, server_hostname=service.domain)


@pytest.mark.attack("claiming another address, by the header that proxies send (PROXY protocol)")
@pytest.mark.parametrize("user", ["root", "www-data", "ejabberd", "turnserver", "nobody"])
def test_only_nginx_is_believed_on_the_host(service: Service, user: str) -> None:
    """With the header in front, a stream begins: as anybody, from any address."""
    script = f"""
import socket
for port in {BELIEVING}:
    with socket.socket() as link:
        print(port) if not link.connect_ex(("127.0.0.1", port)) else None
"""
    opened = service.host.check_output(shlex.join(["runuser", "-u", user, "--", "python3", "-c", script]))
    assert [int(port) for port in opened.split()] == (BELIEVING if user in ("root", "www-data") else [])


def test_parts_behind_the_port_are_on_loopback_alone(service: Service) -> None:
    """Where a claim is believed, nobody comes from outside, firewall or not."""
    listening = service.host.check_output("ss -Hlnt 'sport >= :5282 and sport <= :5286'").splitlines()
    assert {line.split()[3] for line in listening} == INNER


async def test_streams_outlast_a_reload_of_the_web_server(service: Service, register: Register) -> None:
    """As after each renewal of a certificate."""
    alice, bob = register(2)
    text = fresh_text()
    async with login(service, alice, **APP) as one, login(service, bob) as other:
        await other.online()
        service.host.check_output("systemctl reload nginx")
        one.say(bob.jid, text)
        await other.hear(text)


def test_apps_that_come_all_at_once_are_let_in(service: Service) -> None:
    """As after a restart. nginx accepts them faster than ejabberd takes them from nginx."""
    waiting = service.host.check_output("ss -Hlnt 'sport >= :5284 and sport <= :5285'").splitlines()
    assert all(int(line.split()[2]) >= CROWD for line in waiting), "too few may wait for ejabberd: some would get lost"
    message = first_message(service.domain, "xmpp-client")
    with contextlib.ExitStack() as opened:
        links = [
            opened.enter_context(socket.create_connection((service.address, ONE_PORT), timeout=PATIENCE))
            for _ in range(CROWD)
        ]
        for link in links:
            link.sendall(message)
        assert [link.recv(1) for link in links].count(HANDSHAKE) == CROWD


def test_operator_is_told_that_all_ways_in_work(service: Service) -> None:
    done = service.run_playbook("check", "format=json")
    (rows,) = json.loads(done.stdout).values()
    found = {row["subject"]: row for row in rows}
    domain = service.domain
    for subject in (f"{domain} clients", f"{domain} servers", f"{domain} certificate", "web site"):
        assert found[subject]["status"] == "pass", found[subject]
    assert "TURN over TLS" not in found, "it has a row if it fails"
    for label in ("_xmpps-client", "_xmpps-server", "_turns"):
        assert f"SRV 1 1 {ONE_PORT} " in found[f"{label}._tcp.{domain} SRV"]["fix"]
