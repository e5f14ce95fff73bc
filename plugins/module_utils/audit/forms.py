# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms in which a string or an address can stand in a file."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Form:
    """One way to write something: its bytes, and bytes that make it something else if they stand beside it."""

    literal: bytes
    not_before: bytes = b""
    not_after: bytes = b""

    def starts(self, buffer: bytes, begin: int, end: int) -> Iterator[int]:
        """Yield where it stands in the buffer, of the places from *begin* to before *end*."""
        size = len(self.literal)
        start = buffer.find(self.literal, begin, end + size - 1)
        while start >= 0:
            before, after = buffer[max(start - 1, 0) : start], buffer[start + size : start + size + 1]
            if not (before and before in self.not_before) and not (after and after in self.not_after):
                yield start
            start = buffer.find(self.literal, start + 1, end + size - 1)


def text_forms(text: str) -> set[Form]:
    """Return the forms of a string."""
    data = text.encode()
    # Either byte order: the last byte is zero, or the first one of what follows.
    literals = {data, text.encode("utf-16-le").rstrip(b"\0"), quote(text).encode()}
    literals |= {data.hex().encode(), data.hex().upper().encode()}
    for offset in range(3):  # of three bytes that become four letters; the letters at both ends hold strange bits too
        first, last = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
        for alphabet in (b"+/", b"-_"):
            literals.add(base64.b64encode(bytes(offset) + data, alphabet)[first:last])
    if "@" in text:
        # mod_http_upload's folder of an account.
        literals.add(hashlib.sha1(data, usedforsecurity=False).hexdigest().encode())
    return {Form(literal) for literal in literals}


def erlang_term(numbers: Iterable[int]) -> bytes:
    """Return a tuple of small numbers in Erlang's external term format, without its header."""
    return b"".join(b"a" + bytes([one]) if one < 256 else b"b" + one.to_bytes(4, "big") for one in numbers)


def address_forms(text: str) -> set[Form]:
    """Return the ways to write an address; raises ValueError if it is none.

    Four packed bytes alone come up by chance in some gigabytes: they count as part of an IPv4-mapped address or of an
    Erlang term.
    """
    digits, hexadecimal = b"0123456789", b"0123456789abcdefABCDEF"
    address = ipaddress.ip_address(text)
    groups = [int.from_bytes(address.packed[at : at + 2], "big") for at in range(0, len(address.packed), 2)]
    forms = {Form(address.reverse_pointer.encode(), digits + b".")}
    if isinstance(address, ipaddress.IPv4Address):
        high, low = groups
        mapped = bytes(10) + b"\xff\xff" + address.packed
        numbers = list(address.packed)
        forms |= {
            Form(str(address).encode(), digits + b".", digits),
            Form(b"65535,%d,%d" % (high, low), digits, digits),
            Form(b"ffff:%x:%x" % (high, low), hexadecimal, hexadecimal + b":"),
            Form(b"FFFF:%X:%X" % (high, low), hexadecimal, hexadecimal + b":"),
            Form(mapped),
            Form(mapped.hex().encode()),
            Form(b"h\x08" + erlang_term([0] * 5 + [0xFFFF, high, low])),
            Form(b"h\x04" + erlang_term(numbers)),
        }
    else:
        numbers = groups
        texts = {str(address), address.exploded, ":".join(f"{group:x}" for group in groups)}
        forms |= {
            Form(one.encode(), hexadecimal + b":", hexadecimal + b":") for one in texts | set(map(str.upper, texts))
        }
        forms |= {Form(address.packed), Form(address.packed.hex().encode()), Form(b"h\x08" + erlang_term(groups))}
    forms |= {Form(joint.join(b"%d" % one for one in numbers), digits, digits) for joint in (b",", b", ")}
    return forms | {Form(form.literal) for form in text_forms(text) if len(form.literal) > len(text)}


def network_forms(half: bytes) -> set[Form]:
    """Return the ways to write the first half of an IPv6 address (8 bytes), but as plain text."""
    digits = b"0123456789"
    groups = [int.from_bytes(half[at : at + 2], "big") for at in range(0, 8, 2)]
    plain = ":".join(f"{group:x}" for group in groups) + ":"
    return {
        Form(half),
        Form(half.hex().encode()),
        Form(b"h\x08" + erlang_term(groups)),
        Form(".".join(reversed(half.hex())).encode() + b".ip6.arpa"),
        *(Form(joint.join(b"%d" % group for group in groups) + joint, digits) for joint in (b",", b", ")),
        *(form for form in text_forms(plain) if form.literal != plain.encode()),
    }


def is_address(text: str) -> bool:
    """Tell whether a string is an address."""
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return False
