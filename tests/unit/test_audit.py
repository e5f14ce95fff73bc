# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit finds names, addresses and given strings in files, in every form."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import ipaddress
import lzma
import os
import time
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit import finders, reading

NAME, DOMAIN = "gerda", "example.org"


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK", 1 << 13)


def found(data: bytes, *what: Any) -> list[str]:
    """What the finders find, in the order of the alphabet, as often as it is there."""
    finds: Counter[tuple[str, str]] = Counter()
    assert reading.search(BytesIO(data), what, finds) == len(data)
    return sorted(value for _, value in finds.elements())


@pytest.mark.parametrize("shift", [-20, -5, -1, 0, 1, reading.MARGIN])
@pytest.mark.parametrize("piece", [1, 2, 3])
def test_nothing_is_missed_or_counted_twice_where_pieces_meet(shift: int, piece: int) -> None:
    needle, address, jid = b"needle", b" 198.19.3.4 ", b" gerda@example.org "
    wanted = [
        finders.needle_finder(["needle"]),
        finders.address_finder([]),
        finders.name_finder([DOMAIN], {DOMAIN: [NAME]}),
    ]
    for text, value in ((needle, "needle"), (address, "198.19.3.4"), (jid, "gerda@example.org")):
        data = bytearray(b"." * (3 * reading.CHUNK + 100))
        at = piece * reading.CHUNK + shift
        data[at : at + len(text)] = text
        assert found(bytes(data), *wanted) == [value]


def test_same_place_is_seen_whole_with_all_around_it() -> None:
    data = os.urandom(3 * reading.CHUNK + 17)
    seen = b"".join(buffer[begin:end] for buffer, begin, end in reading.windows(BytesIO(data)))
    assert seen == data
    for buffer, begin, end in reading.windows(BytesIO(data)):
        assert begin in (0, reading.MARGIN)
        assert end == len(buffer) or len(buffer) - end == reading.MARGIN


@pytest.mark.parametrize("before", [b"", b"x", b"xy", b"xyz"])
@pytest.mark.parametrize(
    "encode",
    [
        bytes,
        lambda data: data.decode().encode("utf-16-le"),
        lambda data: data.hex().encode(),
        lambda data: data.hex().upper().encode(),
        base64.b64encode,
        base64.urlsafe_b64encode,
    ],
    ids=["plain", "utf-16", "hex", "HEX", "base64", "base64url"],
)
def test_text_is_found_in_every_form(encode: Any, before: bytes) -> None:
    """Also in the middle of what is encoded."""
    needle = "gerda ??>> schön"
    data = b"<" + encode(before + needle.encode() + b"after") + b">"
    assert found(data, finders.needle_finder([needle])) == [needle]
    assert found(encode(before + b"somebody else" + b"after"), finders.needle_finder([needle])) == []


def test_account_is_found_by_the_folder_of_its_files() -> None:
    finder = finders.needle_finder(["gerda@example.org"])
    assert found(b"/data/8ebd03c1ef3b4bd8bd1ef54d4c4c4ce4", finder) == []
    folder = hashlib.sha1(b"gerda@example.org").hexdigest()
    assert found(folder.encode(), finder) == ["gerda@example.org"]


FOUR = {
    "text": b"from 198.19.3.4:5222",
    "mapped": b"::ffff:198.19.3.4",
    "mapped in hexadecimal": b"::ffff:c613:304",
    "end of a sentence": b"It was 198.19.3.4.",
    "Erlang": b"{{198,19,3,4},5222}",
    "Erlang, mapped": b"{{0,0,0,0,0,65535,50707,772},5222}",
    "term": b"\x83h\x04a\xc6a\x13a\x03a\x04",
    "packed, mapped": b"\0" * 10 + b"\xff\xff\xc6\x13\x03\x04",
    "reverse": b"4.3.19.198.in-addr.arpa",
    "UTF-16": "198.19.3.4".encode("utf-16-le"),
    "base64": base64.b64encode(b"x198.19.3.4"),
}


SIX = {
    "text": b"from [2001:470:1::ab]:5222",
    "upper case": b"2001:470:1::AB",
    "exploded": b"2001:0470:0001:0000:0000:0000:0000:00ab",
    "long": b"2001:470:1:0:0:0:0:ab",
    "Erlang": b"{8193,1136,1,0,0,0,0,171}",
    "term": b"\x83h\x08b\0\0\x20\x01b\0\0\x04\x70a\1a\0a\0a\0a\0a\xab",
    "packed": ipaddress.ip_address("2001:470:1::ab").packed,
}


@pytest.mark.parametrize("data", FOUR.values(), ids=FOUR)
def test_ipv4_address_is_found_in_every_form(data: bytes) -> None:
    assert set(found(data, finders.needle_finder(["198.19.3.4"]))) == {"198.19.3.4"}


@pytest.mark.parametrize("data", SIX.values(), ids=SIX)
def test_ipv6_address_is_found_in_every_form(data: bytes) -> None:
    assert set(found(data, finders.needle_finder(["2001:470:1::ab"]))) == {"2001:470:1::ab"}


@pytest.mark.parametrize(
    "data", [b"198.19.3.45", b"1198.19.3.4", b"7.198.19.3.4", b"1198,19,3,4", b"2001:470:1::abc", b"2001:470:1::ab:1"]
)
def test_another_address_is_not_taken_for_it(data: bytes) -> None:
    assert found(data, finders.needle_finder(["198.19.3.4", "2001:470:1::ab"])) == []


@pytest.mark.parametrize(
    "data",
    [
        *SIX.values(),
        b"{8193,1136,1,0,7,7,7,7}",
        b"8193, 1136, 1, 0, 7, 7, 7, 7",
        ipaddress.ip_address("2001:470:1::ab").reverse_pointer.encode(),
        "2001:470:1:0:7::ab".encode("utf-16-le"),
        base64.b64encode(b"x2001:470:1:0:7::ab"),
    ],
)
def test_any_address_of_a_clients_network_is_found(data: bytes) -> None:
    """ejabberd is told no more of an IPv6 address than that."""
    assert len(found(data, finders.network_finder(["2001:470:1::/64"], ["10.0.0.1"]))) == 1
    assert found(data, finders.network_finder(["2001:470:1:1::/64"], [])) == []


def test_known_address_in_a_clients_network_is_nobodys() -> None:
    finder = finders.network_finder(["2001:470:1::/64"], ["2001:470:1::53"])
    packed = ipaddress.ip_address("2001:470:1::53").packed
    assert found(b"nameserver 2001:470:1::53 " + packed, finder) == []
    assert found(b"2001:470:1::54", finder) == ["2001:470:1::54"]


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (b"client: 192.168.1.23, server", "192.168.1.23"),
        (b"81.2.69.142 - - [22/Nov]", "81.2.69.142"),
        (b"rhost=81.2.69.142", "81.2.69.142"),
        (b"gerda81.2.69.142", "81.2.69.142"),
        (b"::ffff:81.2.69.142", "81.2.69.142"),
        (b"{81,2,69,142}", "81.2.69.142"),
        (b"{0,0,0,0,0,65535,20738,17806}", "81.2.69.142"),
        (b"81.2.69.142/32", "81.2.69.142"),
        (b"[2a02:8108::1234]:443", "2a02:8108::1234"),
        (b"fd12:3456::1", "fd12:3456::1"),
    ],
)
def test_address_is_found(data: bytes, address: str) -> None:
    assert found(data, finders.address_finder([])) == [address]


@pytest.mark.parametrize(
    "data",
    [
        b"version 1.2.3.4.5",
        b"v1.2.3.4",
        b"libfoo_1:1.2.3.4-1",
        b"foo-1.2.3.4.tar",
        b"1.2.3.4+dfsg",
        b"1.2.3.4~rc1",
        b"0.4.1.12",
        b"255.255.255.0",
        b"127.0.0.1",
        b"0.0.0.0",
        b"10.0.0.0/8",
        b"224.0.0.251",
        b"169.254.1.1",
        b"300.1.2.3",
        b"192.0.2.7",
        b"::1",
        b"fe80::1",
        b"ff02::fb",
        b"2001:db8::7",
        b"2a00::/12",
        b"2026:11:22:18:41:05",
        b"std::abcd::fd00",
        b"{2026,11,22}",
        b"203.0.113.9",
        b"192.168.1.1",
        b"192.168.1.255",
    ],
)
def test_what_only_looks_like_a_clients_address_is_none(data: bytes) -> None:
    """Version numbers, masks, networks, the host itself and its router, documentation."""
    assert found(data, finders.address_finder(["192.168.1.1", "192.168.1.255"])) == []


@pytest.mark.parametrize(
    "data",
    [
        b"to='gerda@example.org/phone'",
        b"<gerda@example.org>",
        b"\x02\x09\x17gerdaexample.orgSCRAM",
        b"\x02\x09\x17gerda\x03example.orgSCRAM",
        b"example.orggerda\x04",
        b'{<<"gerda">>,<<"example.org">>}',
        b"m\0\0\0\x05gerdam\0\0\0\x0bexample.org",
    ],
)
def test_account_is_found(data: bytes) -> None:
    assert found(data, finders.name_finder([DOMAIN], {DOMAIN: [NAME, "gert"]})) == ["gerda@example.org"]


def test_names_behind_long_words_are_found_as_fast() -> None:
    """Encrypted messages are such words, and an archive has millions."""
    find = finders.name_finder(["example.org"], {"example.org": ["alice"]})

    def seconds(buffer: bytes) -> float:
        started = time.process_time()
        assert sum(1 for _ in find(buffer, 0, len(buffer))) == 2000
        return time.process_time() - started

    pieces = [b"z" * 1000 + name for name in (b" alice@example.org", b" alice'example.org")]
    assert seconds(b"".join(pieces) * 1000) < 10 * seconds(b" alice@example.org" * 2000)


def test_names_that_nobody_has_are_found_with_their_domain() -> None:
    finder = finders.name_finder([DOMAIN, "muc.example.org"], {})
    assert found(b"gone@example.org, cats@muc.example.org, x@other.org", finder) == [
        "cats@muc.example.org",
        "gone@example.org",
    ]
    assert found(b"https://example.org/ @example.org www.example.org", finder) == []


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_file_is_read(tmp_path: Path, compress: Any) -> None:
    path = tmp_path / "old.log.1"
    path.write_bytes(compress(b"secret word " * 10))
    finds: Counter[tuple[str, str]] = Counter()
    reading.search_file(str(path), [finders.needle_finder(["secret word"])], finds)
    assert finds == {("text", "secret word"): 10}
    path.write_bytes(path.read_bytes()[:-9])
    reading.search_file(str(path), [finders.needle_finder(["secret word"])], finds)  # truncated: no error


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"text")
    os.utime(path, ns=(1, 1))
    before = path.stat()
    reading.search_file(str(path), [], Counter())
    after = path.stat()
    assert (after.st_atime_ns, after.st_mtime_ns, after.st_ctime_ns) == (1, 1, before.st_ctime_ns)
