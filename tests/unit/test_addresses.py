# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that change: what a STUN server's answer says, and what the relay and the name server are told."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import addresses
import pytest
import yaml
from aioice import stun

from .loading import ROOT, load

relay = load("roles/coturn/templates/usr/local/lib/xmpp/relay")
dynamic_dns = load("roles/dynamic_dns/templates/usr/local/lib/xmpp/dynamic-dns")

TRANSACTION = bytes(range(12))
KEY = {"name": "update.test", "algorithm": "hmac-sha256", "secret": "c2VjcmV0"}


def answer(attributes: dict[str, object], transaction: bytes = TRANSACTION) -> bytes:
    """Return a STUN answer as another implementation writes it."""
    message = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction)
    message.attributes.update(attributes)
    return bytes(message)


MAPPED: dict[str, object] = {"XOR-MAPPED-ADDRESS": ("203.0.113.7", 40000)}


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (answer(MAPPED), "203.0.113.7"),
        (answer({"SOFTWARE": "odd"} | MAPPED), "203.0.113.7"),
        (answer(MAPPED, bytes(12)), ""),
        (answer({"XOR-MAPPED-ADDRESS": ("2001:db8::7", 40000)}), ""),
        (answer({"SOFTWARE": "nothing else"}), ""),
        (answer(MAPPED)[:-1], ""),
        (answer(MAPPED)[:22], ""),
        (b"", ""),
    ],
)
def test_answer_of_a_stun_server(received: bytes, expected: str) -> None:
    """Only one to this request, only an IPv4 address, and nothing from a truncated datagram."""
    assert addresses.mapped_address(received, TRANSACTION) == expected


@contextmanager
def stun_server(silent_for: int) -> Iterator[str]:
    """A STUN server that leaves so many requests without an answer, after one that answers none of ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def serve() -> None:
            for turn in range(silent_for + 1):
                request, peer = server.recvfrom(2048)
                server.sendto(answer(MAPPED, bytes(12)), peer)
                if turn == silent_for:
                    server.sendto(answer(MAPPED, stun.parse_message(request).transaction_id), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"localhost:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("silent_for", [0, 1])
def test_lost_request_is_sent_again(silent_for: int) -> None:
    with stun_server(silent_for) as server:
        assert addresses.ask_stun(server) == "203.0.113.7"


def test_silent_stun_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "STUN_WAITS", (0.05, 0.05))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(TimeoutError):
            addresses.ask_stun(f"127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        (["9.9.9.9", "2620:fe::fe"], [], ["9.9.9.9", "2620:fe::fe"]),
        (["192.168.1.7", "2620:fe::fe"], [], ["149.112.112.112", "2620:fe::fe"]),
        (["192.168.1.7", "fd00::7"], ["198.51.100.7"], ["198.51.100.7"]),
        (["2620:fe::fe"], [], ["2620:fe::fe"]),
        (["100.64.0.7"], [], ["149.112.112.112"]),
    ],
)
def test_public_addresses(
    own: list[str], given: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the operator says, else the host's own, else what the STUN server sees: only then is it asked."""
    asked: list[str] = []

    def ask_stun(server: str) -> str:
        asked.append(server)
        return "149.112.112.112"

    monkeypatch.setattr(addresses, "ask_stun", ask_stun)
    assert addresses.public(own, given, "stun.test") == expected
    assert asked == ["stun.test"] * ("149.112.112.112" in expected)


def test_stun_server_cannot_name_a_private_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay would be open to it: to the router's own pages, for example."""
    monkeypatch.setattr(addresses, "ask_stun", lambda _: "192.168.1.1")
    with pytest.raises(OSError, match=r"it answered 192\.168\.1\.1, which is not public"):
        addresses.public(["192.168.1.7"], [], "stun.test")


def test_relay_is_told_its_addresses() -> None:
    told = relay.arguments(["192.168.1.7", "2620:fe::fe"], ["203.0.113.7", "2620:fe::fe"], ["2620:fe::-2620:fe::ffff"])
    assert told == [
        "--listening-ip=192.168.1.7",
        "--relay-ip=192.168.1.7",
        "--listening-ip=2620:fe::fe",
        "--relay-ip=2620:fe::fe",
        "--external-ip=203.0.113.7/192.168.1.7",
        "--allowed-peer-ip=192.168.1.7",
        "--allowed-peer-ip=2620:fe::fe",
        "--allowed-peer-ip=203.0.113.7",
        "--denied-peer-ip=2620:fe::-2620:fe::ffff",
    ]
    assert relay.mapped(told) == ["203.0.113.7"]


def test_networks_that_are_not_told_are_denied_anyway() -> None:
    """addresses.neighbours() leaves out what Python takes for not public: coturn's own list must have all of that."""
    constants = yaml.safe_load((ROOT / "roles/coturn/vars/main.yml").read_text())["__coturn_denied_peers"]
    denied = [tuple(int(ipaddress.ip_address(end)) for end in entry.split("-")) for entry in constants]
    for version, private in ((4, ipaddress._IPv4Constants), (6, ipaddress._IPv6Constants)):  # type: ignore[attr-defined]  # private
        for network in private._private_networks:
            first, last = int(network[0]), int(network[-1])
            known = [ends for ends, entry in zip(denied, constants, strict=True) if (":" in entry) == (version == 6)]
            assert any(low <= max(first, 1) and last <= high for low, high in known), network


def test_server_without_a_name_is_named() -> None:
    with pytest.raises(dynamic_dns.Problem, match=re.escape("The name server nowhere.invalid (xmpp_dns_server)")):
        dynamic_dns.Server("nowhere.invalid", KEY)


def test_stun_server_that_fails_keeps_ipv6_going(monkeypatch: pytest.MonkeyPatch) -> None:
    """One address that is not known is told as a problem, the other one is still good."""
    monkeypatch.setattr(addresses, "own", lambda: ["192.168.1.7", "2620:fe::fe"])
    problems: list[str] = []
    assert dynamic_dns.present([], "nowhere.invalid", problems) == {"AAAA": ["2620:fe::fe"]}
    assert [problem.partition(":")[0] for problem in problems] == [
        "Asking the STUN server nowhere.invalid (xmpp_stun_server) failed"
    ]


def test_private_addresses_are_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "own", lambda: ["192.168.1.7", "fd00::7"])
    problems: list[str] = []
    assert dynamic_dns.present([], "", problems) == {}
    assert len(problems) == 1
