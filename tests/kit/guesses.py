# SPDX-License-Identifier: GPL-3.0-or-later
"""Guessing passwords, and asking for pictures, from many addresses: those of the host under test itself."""

from __future__ import annotations

import base64
import json
import secrets
import shlex
from collections.abc import Sequence

from .service import Account, Service

AT_ONCE = 60  # wrong passwords
PICTURES = 40  # a minute

# Runs on the host under test, which gets addresses for it: guesses must not come from where all other tests come from.
_SAY = """
import json, re, socket, ssl, sys

def read_until(tls, pattern):
    said = b""
    while not (found := re.search(pattern, said)):
        said += tls.recv(65536) or sys.exit(f"closed after {said}")
    return found[0].decode()

def say(source, words, *more):
    target = ("::1" if ":" in source else "127.0.0.1", port)
    with socket.create_connection(target, timeout=60, source_address=(source, 0)) as plain:
        with context.wrap_socket(plain, server_hostname=domain) as tls:
            tls.sendall(f"<?xml version='1.0'?><stream:stream to='{domain}'{sender} version='1.0' "
                        "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>".encode())
            read_until(tls, b"</stream:features>")
            tls.sendall(words.encode())
            said = read_until(tls, answers.encode())
            for words in more:
                tls.sendall(words.encode())
            while more and tls.recv(65536):
                pass
            return said

context = ssl.create_default_context(cafile="/etc/xmpp/certificates/ca.crt")
context.set_alpn_protocols(["xmpp-client"])
port, domain, sender, answers, sayings = json.loads(sys.argv[1])
print(json.dumps([say(*saying) for saying in sayings]))
"""


def say(
    service: Service, answers: str, sayings: Sequence[tuple[str, ...]], sender: str = "", port: int = 5223
) -> list[str]:
    """Connects from each address, says something without having logged in, and returns what matches of the answer.

    With more to say after that, it says so and waits until the server has closed the connection.
    """
    command = shlex.join(["python3", "-c", _SAY, json.dumps([port, service.domain, sender, answers, sayings])])
    found: list[str] = json.loads(service.host.check_output(command))
    return found


def guess(
    service: Service, guesses: list[tuple[str, Account, str]], sasl2: bool = False, port: int = 5223
) -> list[str]:
    """The answers to logins from these addresses, one after the other."""
    sayings = []
    for source, account, password in guesses:
        proof = base64.b64encode(f"\0{account.name}\0{password}".encode()).decode()
        if sasl2:
            inside = f"<initial-response>{proof}</initial-response>"
            words = f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>{inside}</authenticate>"
        else:
            words = f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>"
        sayings.append((source, words))
    # Who is named in the header is offered SASL 2; the account is the one of all guesses then.
    (named, *others) = {account.jid for _, account, _ in guesses}
    assert not (sasl2 and others)
    sender = f" from='{named}'" if sasl2 else ""
    answers = say(service, "<success|not-authorized|policy-violation", sayings, sender, port)
    return [answer.removeprefix("<") for answer in answers]


def fresh_v4() -> str:
    """A loopback address that nobody has guessed from; loopback has them all."""
    return f"127.{1 + secrets.randbelow(250)}.{secrets.randbelow(250)}.{2 + secrets.randbelow(250)}"
