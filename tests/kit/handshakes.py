# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server gives to each kind of client in TLS, asked for by the first message alone, as scanners of TLS do.

Clients of OpenSSL cannot ask for what is forbidden, so the messages are written here. It needs the standard library
alone, and runs on the host under test as well, where there are ports that nobody else reaches.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import struct
import sys
from typing import Any

SECONDS = 20
VERSIONS = {"SSL 3.0": 0x0300, "TLS 1.0": 0x0301, "TLS 1.1": 0x0302, "TLS 1.2": 0x0303, "TLS 1.3": 0x0304}
# All that IANA has a number for, without the two that are no ciphers but signs (0x00FF, 0x5600).
CIPHERS = [*range(0x0001, 0x00C8), *range(0x1301, 0x1308), *range(0xC001, 0xC0B8), *range(0xCCA8, 0xCCAF)]
GROUPS = [*range(0x0001, 0x002A), *range(0x0100, 0x0105), 0x0200, 0x0201, 0x0202, 0x11EB, 0x11EC, 0x11ED, 0x6399]
SIGNATURES = [hashed << 8 | signed for hashed in range(1, 7) for signed in (1, 2, 3)] + list(range(0x0804, 0x0810))
ALERT, HANDSHAKE = 21, 22
HELLO, CERTIFICATE, KEY_EXCHANGE, CERTIFICATE_REQUEST, DONE = 2, 11, 12, 13, 14
# The hello that asks for another key (RFC 8446, 4.1.3) says so by this number.
RETRY = hashlib.sha256(b"HelloRetryRequest").digest()
NAMED_CURVE, KEY_SHARE, SUPPORTED_VERSIONS = 3, 51, 43

Answer = dict[str, Any]
"""What the server said: `alert`, or `version`, `cipher`, `group` …"""


def _with_length(content: bytes, size: int) -> bytes:
    return len(content).to_bytes(size, "big") + content


def _numbers(values: list[int], size: int = 2) -> bytes:
    return _with_length(struct.pack(f"!{len(values)}H", *values), size)


def hello(name: str, alpn: str, version: int, ciphers: list[int], groups: list[int], signatures: list[int]) -> bytes:
    """The first message of a client that knows one version and no other."""
    extensions = {
        0: _with_length(b"\0" + _with_length(name.encode(), 2), 2),
        5: b"\x01\0\0\0\0",  # the state of the certificate (OCSP)
        10: _numbers(groups),
        11: b"\x01\0",
        13: _numbers(signatures),
        15: b"\x01",  # heartbeats
        22: b"",  # encrypt, then MAC
        23: b"",  # extended master secret
        35: b"",  # session tickets
        0xFF01: b"\0",  # secure renegotiation
    }
    if alpn:
        extensions[16] = _with_length(_with_length(alpn.encode(), 1), 2)
    if version == VERSIONS["TLS 1.3"]:
        # No key, so that the server says which group it wants.
        extensions |= {SUPPORTED_VERSIONS: b"\x02\x03\x04", 45: b"\x01\x01", KEY_SHARE: b"\0\0"}
    encoded = b"".join(struct.pack("!H", kind) + _with_length(content, 2) for kind, content in extensions.items())
    body = struct.pack("!H", min(version, 0x0303)) + os.urandom(32) + _with_length(os.urandom(32), 1)
    # Compression (DEFLATE) is offered, too, where one may.
    packed = b"\0" if version == VERSIONS["TLS 1.3"] else b"\x01\0"
    body += _numbers(ciphers) + _with_length(packed, 1) + _with_length(encoded, 2)
    return b"\x16\x03\x01" + _with_length(b"\x01" + _with_length(body, 3), 2)


def first_message(name: str, alpn: str = "") -> bytes:
    """Of a client of TLS 1.2 that takes anything: a server answers, and waits for what comes next."""
    return hello(name, alpn, VERSIONS["TLS 1.2"], CIPHERS, GROUPS, SIGNATURES)


def _read_hello(body: bytes) -> Answer:
    (version,) = struct.unpack_from("!H", body)
    place = 35 + body[34]
    cipher, compression = struct.unpack_from("!HB", body, place)
    extensions: dict[int, bytes] = {}
    place += 5
    while place < len(body):
        kind, size = struct.unpack_from("!HH", body, place)
        extensions[kind] = body[place + 4 : place + 4 + size]
        place += 4 + size
    answer = {"version": version, "cipher": cipher, "compression": compression, "extensions": sorted(extensions)}
    if SUPPORTED_VERSIONS in extensions:
        (answer["version"],) = struct.unpack("!H", extensions[SUPPORTED_VERSIONS])
        answer["retry"] = body[2:34] == RETRY
        (answer["group"],) = struct.unpack_from("!H", extensions.get(KEY_SHARE, b"\0\0"))
    return answer


def _read_key_exchange(body: bytes) -> Answer:
    if body[0] != NAMED_CURVE:
        return {}
    (group,) = struct.unpack_from("!H", body, 1)
    (signature,) = struct.unpack_from("!H", body, 4 + body[3])
    return {"group": group, "signature": signature}


def ask(address: str, port: int, message: bytes) -> Answer:
    """What the server says to a first message, up to where it waits for the client, or encrypts."""
    said, answer = b"", Answer()
    # Whoever refuses may hang up without a word, and before all is read.
    with socket.create_connection((address, port), timeout=SECONDS) as link, contextlib.suppress(ConnectionError):
        link.sendall(message)
        stream = link.makefile("rb")
        while header := stream.read(5):
            record = stream.read(int.from_bytes(header[3:], "big"))
            if header[0] == ALERT:
                return {"alert": record[1]}
            if header[0] != HANDSHAKE:
                return answer
            said += record
            while len(said) > 3 and len(said) >= (end := 4 + int.from_bytes(said[1:4], "big")):
                kind, body, said = said[0], said[4:end], said[end:]
                if kind == HELLO:
                    answer |= _read_hello(body)
                elif kind == CERTIFICATE:
                    answer["certificates"] = hashlib.sha256(body).hexdigest()
                elif kind == KEY_EXCHANGE:
                    answer |= _read_key_exchange(body)
                elif kind == CERTIFICATE_REQUEST:
                    answer["asks for a certificate"] = True
                if kind == DONE or answer.get("version") == VERSIONS["TLS 1.3"]:
                    return answer
    return answer


def given(address: str, port: int, name: str, alpn: str = "") -> dict[str, Any]:
    """All that a first message can find out: versions, ciphers, groups, signatures, certificates and extensions."""

    def exchange(
        version: int, ciphers: list[int] = CIPHERS, groups: list[int] = GROUPS, signatures: list[int] = SIGNATURES
    ) -> Answer:
        return ask(address, port, hello(name, alpn, version, ciphers, groups, signatures))

    def in_order(version: int, offer: str, offered: list[int], what: str) -> list[int]:
        """What the server takes of what is offered, the dearest first: what it has taken is not offered again."""
        left, taken = list(offered), list[int]()
        while (one := exchange(version, **{offer: left}).get(what)) in left:
            left.remove(one)
            taken.append(one)
        return taken

    found: dict[str, Any] = {}
    for title, version in VERSIONS.items():
        answer = exchange(version)
        found[title] = {"answer": answer}
        if "cipher" in answer:
            found[title] |= {
                "ciphers": in_order(version, "ciphers", CIPHERS, "cipher"),
                "groups": in_order(version, "groups", GROUPS, "group"),
                "signatures": in_order(version, "signatures", SIGNATURES, "signature"),
            }
    return found


if __name__ == "__main__":
    print(json.dumps([given(*one) for one in json.loads(sys.argv[1])]))
