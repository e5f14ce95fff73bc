# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of other servers: who does not answer for one holds up nobody, and none leads to this host."""

from __future__ import annotations

import contextlib
import secrets
import shlex
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from ..kit.erlang import run_in_erlang
from ..kit.floods import ELSEWHERE, NOT_FOUND
from ..kit.service import Register, Service, wait_for
from ..kit.sessions import SM, came, logged_in, online, until

# A name server that says of services that there are none, and of addresses nothing.
SILENT = "127.0.0.9"
SILENT_SERVER = f"""
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("{SILENT}", 53))
while True:
    asked, who = server.recvfrom(4096)
    end = asked.index(0, 12) + 5
    if asked[end - 4 : end - 2] == bytes([0, 33]):
        server.sendto(asked[:2] + bytes([0x81, 0x83, 0, 1]) + bytes(6) + asked[12:end], who)
"""


@pytest.fixture
def silent_name_server(service: Service) -> Iterator[None]:
    before = service.host.check_output("cat /etc/resolv.conf")
    service.host.check_output(f"systemd-run --quiet --unit=conexizan-silent python3 -c {shlex.quote(SILENT_SERVER)}")
    service.host.check_output(f"echo 'nameserver {SILENT}' >/etc/resolv.conf")
    service.restart()  # Erlang looks into that file now and then
    yield
    service.host.check_output(f"echo {shlex.quote(before)} >/etc/resolv.conf && systemctl stop conexizan-silent")
    service.restart()


@pytest.mark.attack("many names of servers that no name server resolves")
@pytest.mark.usefixtures("silent_name_server")
@pytest.mark.timeout(600)  # ejabberd starts twice in it
def test_names_that_nobody_answers_for_hold_up_no_acknowledgement(service: Service, register: Register) -> None:
    """As many as two accounts may ask for: more than Erlang has threads for what waits outside of it."""
    alice, bob, *mallories = register(4)
    with logged_in(service, alice) as stream, contextlib.ExitStack() as attackers:
        online(stream)
        stream.send(f"<enable xmlns='{SM}'/>")
        until(stream, f"{{{SM}}}enabled")
        question = "<iq to='{}.{}' type='get' id='x'><query xmlns='urn:test'/></iq>"
        for mallory in mallories:
            attacker = attackers.enter_context(logged_in(service, mallory))
            own, server = online(attacker), f"{secrets.token_hex(4)}.example"
            attacker.send("".join(question.format(number, server) for number in range(ELSEWHERE)))
            assert came(attacker, own) == []
        for said in range(1, 101):
            stream.send(f"<message to='{bob.jid}' type='chat'><body>text</body></message><r xmlns='{SM}'/>")
            assert until(stream, f"{{{SM}}}a")["h"] == str(said)


INNER = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "169.254.169.254",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "fe80::1",
]
OWN = ["{0.address}", "{0.address6}", "::ffff:{0.address}"]
# Says whether ejabberd knows all names: Erlang looks into /etc/hosts now and then.
KNOWS = """run(Names) ->
    Known = fun(Name) ->
        [] =/= [ok || Family <- [inet, inet6],
                      {ok, _} <- [inet:gethostbyname(Name, Family)]]
    end,
    io:put_chars(case lists:all(Known, Names) of true -> "yes"; false -> "no" end).
"""


@pytest.fixture(scope="module")
def inner_names(service: Service) -> Iterator[dict[str, str]]:
    """Names of other servers that are said to be at these addresses, by address."""
    names = {address: f"{secrets.token_hex(4)}.example" for address in INNER + OWN}
    lines = "\n".join(f"{address.format(service)} {name}" for address, name in names.items())
    before = service.host.check_output("cat /etc/hosts")
    service.host.check_output(f"echo {shlex.quote(lines)} >>/etc/hosts")
    wait_for(lambda: run_in_erlang(service, KNOWS, *names.values()) == "yes")
    yield names
    service.host.check_output(f"echo {shlex.quote(before)} >/etc/hosts")


@pytest.mark.attack("scanning the host's internal ports, by a name that points to one of its addresses")
@pytest.mark.parametrize("address", INNER + OWN)
def test_other_servers_are_not_at_this_host(
    service: Service, register: Register, inner_names: dict[str, str], address: str
) -> None:
    """Whoever owns a name says where it is; that there is none is all that is told of such a one."""
    (mallory,) = register(1)
    with logged_in(service, mallory) as attacker:
        online(attacker)
        answer = attacker.query("get", "<query xmlns='urn:test'/>", inner_names[address])
    assert answer.find(f".//{NOT_FOUND}") is not None, ET.tostring(answer)
