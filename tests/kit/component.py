# SPDX-License-Identifier: GPL-3.0-or-later
"""A component (XEP-0114) as operators run it: a program on the host, here of Python's standard library alone.

It answers every message with its text, and sends what begins with "raw:" as it is. Whoever wrote to it first is told of
all else that it gets, but for presence of their own. It ends with its connection.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

from .service import Service, wait_for

_PROGRAM = """
import hashlib, socket, sys
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

name, secret, address, port = sys.argv[1:]
server = socket.create_connection((address, int(port)))
send = lambda text: server.sendall(text.encode())
send(f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{name}'>")
events, depth, first = ET.XMLPullParser(("start", "end")), 0, ""
while data := server.recv(65536):
    events.feed(data)
    for event, element in events.read_events():
        depth += 1 if event == "start" else -1
        if event == "start" and depth == 1:
            send(f"<handshake>{hashlib.sha1((element.get('id') + secret).encode()).hexdigest()}</handshake>")
        if event != "end" or depth != 1:
            continue
        kind = element.tag.rpartition("}")[2]
        sender, body = element.get("from", ""), element.findtext("{*}body")
        if kind == "handshake":
            print("connected", flush=True)
        elif kind == "error":
            print("refused", *(child.tag for child in element), flush=True)
        elif kind == "message" and element.get("type") != "error" and body and (not first or sender == first):
            first = sender
            answer = f"<message type='chat' from='{name}' to={quoteattr(sender)}><body>{escape(body)}</body></message>"
            send(body.removeprefix("raw:") if body.startswith("raw:") else answer)
        elif first and (kind != "presence" or sender.partition("/")[0] != first.partition("/")[0]):
            why = next((child.tag.rpartition("}")[2] for child in element.iterfind("{*}error/*")), "")
            contacts = (item.get("jid") for item in element.iterfind("{*}query/{*}item"))
            words = ("got", kind, element.get("type", ""), sender, why, *contacts)
            got = escape(" ".join(word for word in words if word))
            send(f"<message type='chat' from='{name}' to={quoteattr(first)}><body>{got}</body></message>")
"""
SECRET = "secret-of-the-components-of-the-tests"  # molecule/inventory/host_vars/operations.yml


def started(
    service: Service, name: str, secret: str, address: str = "127.0.0.1", port: int = 5347, inside: str = ""
) -> str:
    """Starts one, and returns what it says of its connection; *inside* is a network namespace."""
    unit = f"conexizan-{name.partition('.')[0]}"
    program = ["python3", "-c", _PROGRAM, name, secret, address, str(port)]
    options = [f"--property=NetworkNamespacePath=/run/netns/{inside}"] if inside else []
    log = f"/run/{unit}.log"
    # Its command line, which has the secret, is not to be in the journal.
    options += [f"--property=StandardOutput=file:{log}", f"--unit={unit}", f"--description={unit}"]
    service.host.check_output(shlex.join(["rm", "-f", log]))
    service.host.check_output(shlex.join(["systemd-run", "--quiet", "--collect", *options, *program]))
    wait_for(lambda: service.host.run(f"test -s {log}").rc == 0)
    return str(service.host.check_output(f"cat {log}"))


@contextlib.contextmanager
def component(
    service: Service, name: str, address: str = "127.0.0.1", port: int = 5347, inside: str = ""
) -> Iterator[None]:
    """One that is connected."""
    try:
        assert started(service, name, SECRET, address, port, inside) == "connected"
        yield
    finally:
        stop(service, name)


def stop(service: Service, name: str) -> None:
    """Ends one, if it runs."""
    service.host.run(f"systemctl stop conexizan-{name.partition('.')[0]}")
