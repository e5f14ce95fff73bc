# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the ports of a service for their certificate and a greeting, against servers of the test's own."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import listeners
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "chat.test"
FEATURES = b"<stream:stream id='1'><stream:features><mechanisms/></stream:features>"
WITH_TLS = FEATURES.replace(b"<mechanisms/>", b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
HELLOS = {
    "https": b"HTTP/1.1 302 Moved\r\n\r\n",
    "turn": b"\x01\x01\x00\x00\x21\x12\xa4\x42conexizan001",
    "client": FEATURES,
    "server": b"<stream:stream><stream:features/>",
}


def make(folder: Path) -> Path:
    """A certificate in use, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    today = datetime.datetime.now(datetime.UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / "fullchain.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the certificates in use, with one."""
    monkeypatch.setattr(listeners, "CERTIFICATES", tmp_path)
    monkeypatch.setattr(listeners, "SECONDS_PER_ANSWER", 0.5)
    make(tmp_path / NAME)
    return tmp_path


@contextlib.contextmanager
def served(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server, which talks to whoever comes; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    link, _ = listener.accept()
                    with link, contextlib.suppress(OSError):
                        talk(link)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def secured(link: socket.socket, folder: Path, hello: bytes, stay: bool = True) -> None:
    """TLS with the certificate of a folder, then a greeting."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    with context.wrap_socket(link, server_side=True) as secure:
        secure.recv(4096)
        secure.sendall(hello)
        if stay:
            secure.recv(4096)


def upgraded(link: socket.socket, folder: Path, offer: bytes, answer: bytes) -> None:
    """STARTTLS before it."""
    link.recv(4096)
    link.sendall(offer)
    link.recv(4096)
    link.sendall(answer)
    secured(link, folder, FEATURES)


def listener(port: int, speaks: str = "client") -> listeners.Listener:
    return listeners.Listener("ejabberd.service", port, speaks, NAME, NAME)


@pytest.mark.parametrize("speaks", HELLOS)
def test_port_that_is_right(home: Path, speaks: str) -> None:
    with served(lambda link: secured(link, home / NAME, HELLOS[speaks])) as port:
        assert listeners.wrong_with(listener(port, speaks)) is None


@pytest.mark.parametrize("speaks", ["starttls-client", "starttls-server"])
def test_port_with_starttls(home: Path, speaks: str) -> None:
    with served(lambda link: upgraded(link, home / NAME, WITH_TLS, b"<proceed/>")) as port:
        assert listeners.wrong_with(listener(port, speaks)) is None


def talks(home: Path) -> dict[str, tuple[str, Callable[[socket.socket], None], str]]:
    """What can be wrong: how the port speaks, what it does, what is said about it."""
    other = make(home / "other.test")
    return {
        "another certificate": (
            "client",
            lambda link: secured(link, other, FEATURES),
            f"shows another certificate for {NAME} than {home}/{NAME}/fullchain.pem",
        ),
        "no TLS": ("client", lambda link: link.sendall(b"SSH-2.0-none\r\n"), "ends the handshake of TLS"),
        "cut": ("client", lambda link: None, "cuts the connection|ends the handshake"),
        "silent": ("client", lambda link: time.sleep(1), "has not answered within 0.5 seconds"),
        "no stream": (
            "client",
            lambda link: secured(link, home / NAME, b"<stream:error><host-unknown/></stream:error></stream:stream>"),
            "begins no stream for chat.test: .*host-unknown",
        ),
        "no web": (
            "https",
            lambda link: secured(link, home / NAME, b"\x00\x00\x12", stay=False),
            "where a greeting is expected",
        ),
        "no relay": ("turn", lambda link: secured(link, home / NAME, b"?"), "does not answer a STUN request"),
        "no STARTTLS": (
            "starttls-client",
            lambda link: upgraded(link, home / NAME, FEATURES, b""),
            "offers no STARTTLS",
        ),
        "refused": (
            "starttls-server",
            lambda link: upgraded(link, home / NAME, WITH_TLS, b"<failure/>"),
            "refuses STARTTLS",
        ),
    }


@pytest.mark.parametrize(
    "fault",
    ["another certificate", "no TLS", "cut", "silent", "no stream", "no web", "no relay", "no STARTTLS", "refused"],
)
def test_port_that_is_wrong_says_what_was_found(home: Path, fault: str) -> None:
    speaks, talk, words = talks(home)[fault]
    with served(talk) as port:
        found = list(listeners.wrong([listener(port, speaks)], seconds=0))
    assert len(found) == 1
    assert found[0].startswith(f"Port {port} of ejabberd.service: ")
    assert re.search(words, found[0]), found[0]


def test_port_where_nothing_listens(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert listeners.wrong_with(listener(port)) == f"Port {port} of ejabberd.service: nothing listens there."


@pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"])
def test_file_without_a_certificate(home: Path, content: str | None) -> None:
    file = home / NAME / "fullchain.pem"
    with served(lambda link: secured(link, make(home / "other.test"), FEATURES)) as port:
        file.unlink()
        if content is not None:
            file.write_text(content, encoding="ascii")
        assert "has no certificate to show" in (listeners.wrong_with(listener(port)) or "")


def test_what_comes_a_moment_later_is_waited_for(home: Path) -> None:
    """As after a reload: the old certificate a few times, then the new one."""
    old, asked = make(home / "other.test"), []

    def talk(link: socket.socket) -> None:
        asked.append(link)
        secured(link, home / NAME if len(asked) > 3 else old, FEATURES)

    with served(talk) as port:
        assert list(listeners.wrong([listener(port)], seconds=5)) == []
    assert len(asked) == 4


@pytest.mark.parametrize(("address", "found"), [("127.0.0.1", ["127.0.0.1"]), ("::", ["127.0.0.1", "::1"])])
def test_where_something_listens(address: str, found: list[str]) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        assert listeners.listening(listener.getsockname()[1]) == found


def test_ports_are_named_by_the_roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "DROPINS", tmp_path)
    assert listeners.known() == []
    one: dict[str, Any] = {"port": 443, "speaks": "https", "name": NAME, "domain": NAME}
    for unit in ("nginx", "coturn"):
        entry = {"managed": "by", "unit": f"{unit}.service", "doors": [one]}
        (tmp_path / f"{unit}.json").write_text(json.dumps(entry), encoding="utf-8")
    assert [found.unit for found in listeners.known()] == ["coturn.service", "nginx.service"]
    assert listeners.known("nginx.service") == [listeners.Listener("nginx.service", **one)]
