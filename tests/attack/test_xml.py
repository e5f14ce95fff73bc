# SPDX-License-Identifier: GPL-3.0-or-later
"""XML made to do harm: too much, too deep, without an end, or not XML. Its stream ends, nothing else."""

from __future__ import annotations

import contextlib
import secrets
import ssl
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import login
from ..kit.service import Account, Register, Service
from ..kit.stream import CLIENT, STREAMS, Stream, connected

MEGABYTE = 1_000_000
GROWTH = 150  # MiB of memory that ejabberd may take more than before, whatever comes
WEBSOCKETS = 80  # of one line, on which nobody has logged in: xmpp_websocket.erl
LARGEST = 262144  # bytes of a stanza that clients may send
ELEMENTS = 5000  # of one
CLOSES = 60  # seconds, when 80 connections carry 15 MB each at once

OPEN = "<?xml version='1.0'?>{}<stream:stream to='site.test' version='1.0' xmlns='jabber:{}' xmlns:stream='http://etherx.jabber.org/streams'>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>"
LAUGHS = "".join(f"<!ENTITY {new} '{10 * ('&' + old + ';')}'>" for old, new in zip("abcdefgh", "bcdefghi", strict=True))

# What is sent before a stream is opened (a document type), and after it.
BOMBS = {
    "billion laughs": (f"<!DOCTYPE s [<!ENTITY a 'ha'>{LAUGHS}]>", AUTH.format("&i;")),
    "file of the host": ("<!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>", AUTH.format("&x;")),
    "entity within the stream": ("", "<!DOCTYPE s [<!ENTITY x 'y'>]>"),
    "unknown entity": ("", AUTH.format("&x;")),
    "depth": ("", "<a>" * 40_000),
    "attributes": ("", "<a {}/>".format(" ".join(f"a{number}='a'" for number in range(50_000)))),
    "namespaces": ("", "<a {}/>".format(" ".join(f"xmlns:a{number}='a'" for number in range(50_000)))),
    "attribute without an end": ("", "<a a='" + "a" * 10 * MEGABYTE),
    "text without an end": ("", "<a>" + "a" * 10 * MEGABYTE),
    "name without an end": ("", "<" + "a" * 10 * MEGABYTE),
    "space without an end": ("", " " * 10 * MEGABYTE),
    "no text": ("", "<a>\0</a>"),
    "no tag": ("", "</a>"),
    "stanza of nobody": ("", "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"),
    "message of somebody": ("", "<message from='admin@site.test' to='admin@site.test'><body>me</body></message>"),
}


def memory(service: Service) -> int:
    """MiB that ejabberd holds at most, since it was last asked."""
    status = service.host.check_output(
        "p=$(pgrep --oldest --euid ejabberd beam); grep VmHWM /proc/$p/status; echo 5 > /proc/$p/clear_refs"
    )
    return int(status.split()[1]) // 1024


@pytest.fixture(scope="module", autouse=True)
def moderate(service: Service) -> Iterator[None]:
    """No test here makes ejabberd take much memory, not even for a moment."""
    before = memory(service)
    yield
    assert memory(service) - before < GROWTH


def pour(link: ssl.SSLSocket, data: bytes) -> bytes:
    """What the server says to this, until it closes the connection; that it does in the middle is no error."""
    with contextlib.suppress(OSError):
        for start in range(0, len(data), MEGABYTE):
            link.sendall(data[start : start + MEGABYTE])
    answer = b""
    link.settimeout(CLOSES)
    with contextlib.suppress(ssl.SSLError, ConnectionError):  # not TimeoutError: it must close
        while part := link.recv(65536):
            answer += part
    return answer


@pytest.mark.attack("XML bombs: entities, depth, attributes, no end")
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize(("port", "kind"), [(5223, "client"), (5270, "server")])
def test_bomb_ends_its_stream(service: Service, port: int, kind: str, bomb: str) -> None:
    """Before anybody has logged in: nothing is expanded, looked up, or answered but by an error."""
    before, after = BOMBS[bomb]
    with service.connect_tls(service.domain, port) as link:
        answer = pour(link, (OPEN.format(before, kind) + after).encode())
    assert b"stream:error" in answer
    assert b"hahaha" not in answer
    assert b"root:" not in answer


def frame(data: bytes, kind: int = 1, final: bool = True, length: int | None = None) -> bytes:
    """A frame of RFC 6455, masked by zeros."""
    size = len(data) if length is None else length
    return struct.pack("!BBQ4x", final << 7 | kind, 0x80 | 127, size) + data


@contextlib.contextmanager
def websocket(service: Service) -> Iterator[ssl.SSLSocket]:
    with service.connect_tls(service.domain) as link:
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        link.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {service.domain}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n".encode()
        )
        assert b" 101 " in link.recv(4096)
        yield link


def opened(link: ssl.SSLSocket) -> bytes:
    """The server's answer to the opening of a stream; nginx drops it if ejabberd hangs up before it is passed on."""
    link.sendall(frame(b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='site.test' version='1.0'/>"))
    answer = b""
    while b"</stream:features>" not in answer:
        part = link.recv(65536)
        assert part, answer
        answer += part
    return answer


FILL = b"a" * MEGABYTE
FRAMES: dict[str, tuple[bytes, bytes]] = {  # once, then again and again
    "one without an end": (frame(b"", length=2**40), FILL),
    "parts without an end": (frame(FILL, final=False), frame(FILL, kind=0, final=False)),
    "small parts without an end": (frame(b"a", final=False), frame(b"a" * 100, kind=0, final=False) * 8000),
    "large ones": (b"", frame(b"<a xmlns='jabber:client'>" + 5 * FILL + b"</a>")),
}


@pytest.mark.attack("XML bombs by WebSocket")
@pytest.mark.parametrize("kind", FRAMES)
def test_websocket_has_a_limit_too(service: Service, kind: str) -> None:
    """Before anybody has logged in: 40 MB and more are sent in vain, and the connection is closed."""
    first, again = FRAMES[kind]
    with websocket(service) as link:
        answer = opened(link)
        assert (answer + pour(link, first + 40 * again)).count(b"<stream:features") == 1


@pytest.mark.attack("XML bombs by WebSocket")
@pytest.mark.parametrize("kind", FRAMES)
def test_websockets_of_one_line_have_a_limit_together(service: Service, kind: str) -> None:
    """All that one line may have, at once. (How much that is: moderate.)"""
    first, again = FRAMES[kind]
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(WEBSOCKETS) as pool:
        links = [stack.enter_context(websocket(service)) for _ in range(WEBSOCKETS)]
        answers = [opened(link) for link in links]
        said = pool.map(lambda link: pour(link, first + 3 * again), links)
        counts = [(answer + more).count(b"<stream:features") for answer, more in zip(answers, said, strict=True)]
    assert counts == [1] * WEBSOCKETS


@pytest.mark.attack("XML bombs by WebSocket")
@pytest.mark.parametrize("inside", ["a" * LARGEST, "<a/>" * (ELEMENTS - 1)], ids=["text", "tags"])
def test_websocket_takes_what_the_other_ports_take(service: Service, inside: str) -> None:
    """The largest stanza is read, and refused only for coming from nobody."""
    stanza = f"<message xmlns='jabber:client'>{inside[: LARGEST - 100]}</message>"
    with websocket(service) as link:
        assert opened(link)
        assert b"not-authorized" in pour(link, frame(stanza.encode()))


@pytest.mark.attack("WebSockets without an account")
def test_one_line_has_so_many_websockets(service: Service) -> None:
    """Each may take some memory before it is known whose it is."""
    with contextlib.ExitStack() as stack:
        for _ in range(WEBSOCKETS):
            stack.enter_context(websocket(service))
        with pytest.raises(AssertionError):  # it is not 101
            stack.enter_context(websocket(service))


@contextlib.contextmanager
def session(service: Service, account: Account) -> Iterator[Stream]:
    """Logged in and available."""
    with connected(service, 5223) as stream:
        stream.encrypt(alpn="xmpp-client")
        stream.open()
        stream.scram("SCRAM-SHA-256", account)
        stream.bind()
        stream.send("<presence/>")
        while stream.read().tag != f"{CLIENT}presence":
            pass
        yield stream


@pytest.mark.attack("XML bombs: entities, depth, attributes, no end")
def test_depth_does_not_end_the_server(service: Service, register: Register) -> None:
    """A user's stanza, nested as deep as it can be, to all kinds of receivers."""
    alice, bob = register(2)
    nest = "<a>" * (ELEMENTS - 10) + "</a>" * (ELEMENTS - 10)
    with session(service, alice) as stream:
        for to in (bob.jid, f"nowhere@{service.name('muc')}", service.name("pubsub"), service.domain):
            stream.send(f"<message to='{to}' id='{secrets.token_hex(4)}'><body>deep</body>{nest}</message>")
            stream.send(f"<iq type='set' to='{to}' id='{secrets.token_hex(4)}'>{nest}</iq>")
        stream.send(
            "<iq type='set' id='store'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='deep'>"
            f"<item id='deep'><deep xmlns='test:deep'>{nest}</deep></item></publish></pubsub></iq>"
        )
        assert stream.query("get", "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"


@pytest.mark.attack("XML bombs: entities, depth, attributes, no end")
def test_what_is_nested_deeper_ends_its_stream_only(service: Service, register: Register) -> None:
    """30,000 levels are 210 kB."""
    alice, bob = register(2)
    with session(service, alice) as stream, session(service, bob) as other:
        with pytest.raises(ConnectionError):  # noqa: PT012  # it may end while somebody still talks
            stream.send(f"<message to='{bob.jid}'>{'<a>' * 30_000}{'</a>' * 30_000}</message>")
            while True:
                stream.read()
        assert other.query("get", "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"


@pytest.mark.attack("stanzas that are too large or malformed")
def test_stanza_that_is_too_large_ends_its_stream(service: Service, register: Register) -> None:
    alice, bob = register(2)
    with session(service, alice) as stream:
        stream.send(f"<message to='{bob.jid}'><body>{'a' * LARGEST}</body></message>")
        answer = stream.read()
        assert answer.tag == f"{STREAMS}error"
        assert answer.find("{urn:ietf:params:xml:ns:xmpp-streams}policy-violation") is not None


MALFORMED = {
    "to nobody": "<message to=''><body>{text}</body></message>",
    "to no address": "<message to='@@@'><body>{text}</body></message>",
    "to a name that is too long": "<message to='" + "a" * 5000 + "@site.test'><body>{text}</body></message>",
    "of no kind": "<iq type='destroy' id='1' to='{to}'><query xmlns='{text}'/></iq>",
    "empty": "<iq type='set' id='1' to='{to}'/>",
    "with two contents": "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/><a xmlns='jabber:iq:private'/></iq>",
    "answer to no question": "<iq type='result' id='nobody-asked' to='{to}'/>",
    "delayed": "<message to='{to}'><delay xmlns='urn:xmpp:delay' from='site.test' stamp='tomorrow'/></message>",
    "carbon copy": "<message to='{to}'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
    "<message xmlns='jabber:client' from='admin@site.test' to='{to}'><body>{text}</body></message>"
    "</forwarded></received></message>",
}


@pytest.mark.attack("stanzas that are too large or malformed")
@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_stanza_is_refused_or_dropped(service: Service, register: Register, kind: str) -> None:
    """The session goes on."""
    alice, bob = register(2)
    with session(service, alice) as stream:
        stream.send(MALFORMED[kind].format(to=bob.jid, text=secrets.token_hex(8)))
        assert stream.query("get", "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"


@pytest.mark.attack("a forged sender")
@pytest.mark.parametrize("sender", ["admin@site.test", "site.test", "admin@example.org"])
async def test_sender_cannot_be_forged(service: Service, register: Register, sender: str) -> None:
    """A session that says to be somebody else ends; nothing of it is delivered."""
    alice, bob = register(2)
    text = secrets.token_hex(8)
    async with login(service, bob) as receiver:
        await receiver.online()
        with session(service, alice) as stream:
            stream.send(f"<message from='{sender}' to='{bob.jid}' type='chat'><body>{text}</body></message>")
            answer = stream.read()
            assert answer.find("{urn:ietf:params:xml:ns:xmpp-streams}invalid-from") is not None, ET.tostring(answer)
        async with login(service, alice) as other:
            last = secrets.token_hex(8)
            other.say(bob.jid, last)
            await receiver.hear(last)
        assert receiver.messages.all(lambda stanza: text in "".join(stanza.itertext())) == []
