# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the listeners of the service from outside: whether each serves the certificate on the disk and speaks its
protocol. Roles list their listeners in /etc/xmpp/certificates.d/*.json.

Run as a program with the name of a unit, it ends the unit's reload, which succeeds once all its listeners pass.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DROPINS = Path("/etc/xmpp/certificates.d")
CERTIFICATES = Path("/etc/xmpp/certificates")
# Local address and state of every connection. (/proc/net is hidden in a sandbox.)
TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
LISTENS = "0A"
SECONDS_PER_ANSWER = 10
SECONDS = 20  # until a start or reload has taken effect on a busy host
PAUSE = 0.05  # seconds between two checks
LIMIT = 65536  # bytes of a greeting
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
COOKIE = bytes.fromhex("2112a442")  # RFC 8489
ADVICE = (
    "Clients meet the same fault. On the host, journalctl --unit=UNIT may say why, and systemctl restart UNIT "
    "reads the files again; then run site.yml. All of the service can use certificates with RSA keys of 2048 bits "
    "or more, or on the curves P-256 and P-384."
)


class ShutError(Exception):
    """What is wrong with a port, to follow its name."""


@dataclass(frozen=True)
class Listener:
    """A port, its protocol, the name to ask for, and the domain whose certificate it serves for that name."""

    unit: str
    port: int
    speaks: str  # https, turn, client, server, or the last two with starttls- before them
    name: str
    domain: str


def known(unit: str | None = None) -> list[Listener]:
    """Return the listeners that the roles have listed, of one unit or of all."""
    found = []
    for path in sorted(DROPINS.glob("*.json")):
        entry = json.loads(path.read_text(encoding="utf-8"))
        if unit in (None, entry["unit"]):
            # Files of earlier releases have this key as well, so it keeps its name.
            found += [Listener(entry["unit"], **one) for one in entry["doors"]]
    return found


def listening(port: int) -> list[str]:
    """Return the addresses of the sockets that listen on a port, as this host reaches them."""
    found = []
    for table in TABLES:
        for line in table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else []:
            _, local, _, state = line.split()[:4]
            digits, _, number = local.partition(":")
            if state != LISTENS or int(number, 16) != port:
                continue
            # Words of 32 bits, each in the machine's own order of bytes.
            words = (int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
            address = ipaddress.ip_address(b"".join(words))
            if not address.is_unspecified:
                found.append(str(address))
            elif address.version == 4:
                found.append("127.0.0.1")
            else:
                found += ["127.0.0.1", "::1"]  # the first of them if it takes both kinds
    return list(dict.fromkeys(found))


def connect(port: int) -> socket.socket:
    """Connect to whatever listens on a port."""
    addresses = listening(port)
    if not addresses:
        raise ShutError("nothing listens there")
    for address in addresses:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), SECONDS_PER_ANSWER)
    raise ShutError(f"no connection to {', '.join(addresses)} succeeds")


def read_until(link: socket.socket, pattern: str) -> str:
    """Return the received text up to the first match."""
    heard = b""
    while not re.search(pattern, heard.decode("utf-8", "replace")):
        data = link.recv(4096)
        heard += data
        if not data or len(heard) > LIMIT:
            raise ShutError(f"says {heard.decode('utf-8', 'replace')[:200]!r} where a greeting is expected")
    return heard.decode("utf-8", "replace")


def stream(link: socket.socket, listener: Listener) -> str:
    """Begin a stream; return what the server offers (RFC 6120 4.3)."""
    kind = listener.speaks.removeprefix("starttls-")
    link.sendall(
        f"<?xml version='1.0'?><stream:stream to='{listener.name}' version='1.0' xmlns='jabber:{kind}' "
        "xmlns:stream='http://etherx.jabber.org/streams'>".encode()
    )
    return read_until(link, r"</stream:features>|<stream:features\s*/>|</stream:stream>")


def greet(link: ssl.SSLSocket, listener: Listener) -> None:
    """Make one request in the port's protocol."""
    if listener.speaks == "https":
        link.sendall(f"HEAD / HTTP/1.1\r\nHost: {listener.name}\r\nConnection: close\r\n\r\n".encode())
        read_until(link, r"^HTTP/1\.1 \d")
    elif listener.speaks == "turn":
        link.sendall(b"\x00\x01\x00\x00" + COOKIE + b"conexizan001")
        if link.recv(1024)[:2] != b"\x01\x01":
            raise ShutError("does not answer a STUN request")
    else:
        offered = stream(link, listener)
        if "<stream:features" not in offered:
            raise ShutError(f"begins no stream for {listener.name}: {offered[-200:]!r}")
        with contextlib.suppress(OSError):
            link.sendall(b"</stream:stream>")


def ask(listener: Listener) -> bytes:
    """Return the certificate that a port serves (DER), after one request; raises ShutError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is compared with the file, whoever signed it
    try:
        with connect(listener.port) as link:
            if listener.speaks.startswith("starttls-"):
                if TLS not in stream(link, listener):
                    raise ShutError(f"offers no STARTTLS for {listener.name}")
                link.sendall(f"<starttls xmlns='{TLS}'/>".encode())
                if "<proceed" not in read_until(link, r"<(proceed|failure)\b"):
                    raise ShutError(f"refuses STARTTLS for {listener.name}")
            with context.wrap_socket(link, server_hostname=listener.name) as secure:
                shown = secure.getpeercert(binary_form=True)
                greet(secure, listener)
    except ssl.SSLError as error:
        raise ShutError(f"ends the handshake of TLS for {listener.name} ({error.reason or error})") from error
    except TimeoutError as error:
        raise ShutError(f"has not answered within {SECONDS_PER_ANSWER} seconds") from error
    except OSError as error:
        raise ShutError(f"cuts the connection for {listener.name} ({error.strerror or error})") from error
    return shown or b""


def first_in(path: Path) -> bytes:
    """Return the first certificate of a file (DER); raises ShutError."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ShutError(f"has no certificate to show: {path}: {error.strerror}") from error
    blocks = re.findall(r"(?s)-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text)
    try:
        return ssl.PEM_cert_to_DER_cert(blocks[0])
    except (IndexError, ValueError) as error:
        raise ShutError(f"has no certificate to show: {path} holds none") from error


def wrong_with(listener: Listener) -> str | None:
    """Return what is wrong with a port now."""
    file = CERTIFICATES / listener.domain / "fullchain.pem"
    try:
        if ask(listener) != first_in(file):
            raise ShutError(f"shows another certificate for {listener.name} than {file}")
    except ShutError as error:
        return f"Port {listener.port} of {listener.unit}: {error}."
    return None


def wrong(listeners: list[Listener], seconds: float = SECONDS) -> Iterator[str]:
    """Yield what is still wrong with the listeners after at most this many seconds."""
    deadline = time.monotonic() + seconds
    for listener in listeners:
        while trouble := wrong_with(listener):
            if time.monotonic() > deadline:
                yield f"{trouble} (Asked for {seconds:.0f} seconds.)"
                break
            time.sleep(PAUSE)  # a service does not say when its reload is in force


if __name__ == "__main__":
    sys.exit("\n".join(wrong(known(sys.argv[1]))) or None)
