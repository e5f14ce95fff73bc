#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search a host's disk for what can be traced to a person, and hold it against the ledger."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: audit
short_description: Find personal data on a host's disk, and hold it against the ledger
description:
  - Reads every file that a service can have written, the journal as journalctl shows it, and what is in compressed
    files, and looks for names of accounts and rooms (C(name@domain), a name beside its domain as in a table's row) and
    for addresses of clients. What no entry of the ledger covers is a failed row.
  - Changes nothing, not even a file's access time. It takes little memory, the disk only while nobody else wants it,
    and a small part of the processor where others want it too.
  - Of ejabberd's database, it reads the bytes as of any file, and looks into the tables as well, by a connection that
    only reads. Rows that are older than the ledger says, rows of accounts and rooms that no longer exist, tables that
    no entry names, and tables that Mnesia keeps on disk are failed rows, with table, number and age, never with what
    is in them. (Not judged by age is what apps can do. It stays while such an app is connected.)
  - Not read are what Debian's packages brought (below C(/usr)), what the roles wrote from the settings, and files that
    people sent (they are counted). Any address is a find where services write; in C(/etc), in C(/usr) and among the
    packages' own lists, where addresses are configuration and version numbers look like some, only those of clients
    that are connected now are. The host's own addresses, its routers and its name servers are nobody's.
  - Who is logged in over ssh now administers the host. Their address is no find in what logind keeps of the session,
    nor in the journal's lines of ssh and of sessions; anywhere else it is.
  - With O(needles), only those texts are looked for, in every file there is, and the tables are left alone. A file
    below C(/usr) that is byte for byte what a package brought is looked at no further.
options:
  ledger:
    description: The entries, as the lookup C(ledger) returns them.
    type: list
    elements: dict
    required: true
  domains:
    description: The service's domains and those of its parts.
    type: list
    elements: str
    default: []
  known_addresses:
    description: Addresses and networks that belong to no client.
    type: list
    elements: str
    default: []
  needles:
    description:
      - Texts or addresses to look for. Each also as UTF-16, hexadecimal, base64 (at each of the three offsets) and in
        an address's other forms; of an account, also the hash that names its folder of sent files.
    type: list
    elements: str
    default: []
  names:
    description: Return what was found, not only how often. Otherwise it does not leave the host.
    type: bool
    default: false
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Search the host
  audit:
    ledger: "{{ lookup('conexizan.xmpp.ledger') }}"
    domains: [example.org, muc.example.org]
"""

RETURN = r"""
rows:
  description: What the filter check_report takes.
  type: list
  returned: always
finds:
  description: Each file with a find, C(path), C(entries) (names in the ledger), C(hits) (kind to number), C(known)
    (whether the ledger covers all) and, if wanted, C(names). Of a table, C(path) is the database with the table's name,
    and C(days) the age of the oldest row, if it has one.
  type: list
  returned: always
searched:
  description: How many C(files) and C(bytes) were read.
  type: dict
  returned: always
"""

import base64
import bz2
import contextlib
import functools
import gzip
import hashlib
import ipaddress
import json
import lzma
import os
import re
import sqlite3
import stat
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import database_tables, tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET, Api, ApiError
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row

PACKAGES = Path("/var/lib/dpkg/info")
JOURNAL = "/run/log/journal"
SESSIONS = Path("/run/systemd/sessions")
# Whose lines of the journal name who logs in over ssh, until the sshd of our settings runs.
SSH_UNITS = ("ssh", "session-", "systemd-logind", "user@")
# What logs no person, so an entry for the journal does not excuse it.
OUR_UNITS = ("ejabberd", "epmd", "nginx", "coturn", "xmpp-")

CHUNK = 1 << 20
# Longer than anything that is looked for, with what stands around it and decides (a name has up to 1023 bytes).
MARGIN = 1 << 11

# Where an address need not be a person's: see the documentation above.
CONFIGURATION = (
    "/boot", "/etc", "/usr", "/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/log/apt", "/var/log/dpkg.log",
)  # fmt: skip
# Of the file systems without a device of their own, those that hold files of this host.
STORAGE = ("overlay", "ramfs", "tmpfs", "zfs")
COMPRESSED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}  # fmt: skip
ZSTANDARD = b"\x28\xb5\x2f\xfd"

# A kind of find, and what an entry must say it holds to cover it. What people wrote can name anybody.
COVERED_BY = {
    "jid": {"jid", "content"},
    "ip": {"ip", "content"},
    "client": {"ip"},
    "text": {"jid", "content", "secret"},
}
KINDS = {
    "jid": ("name", "names"),
    "ip": ("address", "addresses"),
    "client": ("client's address", "clients' addresses"),
    "text": ("match", "matches"),
}
SHOWN = 20

Find = tuple[str, str]  # kind, and what was found
# Yields what begins in buffer[begin:end]; what surrounds it is there to be looked at.
Finder = Callable[[bytes, int, int], Iterator[Find]]


# ------------------------------------------------------------------------------------------- what is looked for


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
    """Return the ways to write a text."""
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


def is_address(text: str) -> bool:
    """Tell whether a text is an address."""
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return False


def needle_finder(needles: Iterable[str], kind: str = "") -> Finder:
    """Return what finds exactly these texts and addresses."""
    forms = [
        (form, (kind or ("client" if is_address(needle) else "text"), needle))
        for needle in needles
        for form in (address_forms if is_address(needle) else text_forms)(needle)
    ]

    def find(buffer: bytes, begin: int, end: int) -> Iterator[Find]:
        for form, found in forms:
            for _ in form.starts(buffer, begin, end):
                yield found

    return find


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


def network_finder(networks: Iterable[str], known: Iterable[str]) -> Finder:
    """Return what finds any address of these networks (IPv6, /64), but not the known ones (addresses, networks).

    In a network that has known ones, it finds plain text only.
    """
    nobodys = [ipaddress.ip_network(one, strict=False) for one in known]
    wanted = {ipaddress.IPv6Network(one, strict=False) for one in networks}
    forms = [
        (form, str(network))
        for network in wanted
        if not any(network.version == one.version and network.overlaps(one) for one in nobodys)
        for form in network_forms(network.network_address.packed[:8])
    ]

    def find(buffer: bytes, begin: int, end: int) -> Iterator[Find]:
        for written in written_addresses(IPV6, COLON, buffer, begin, end):
            if text := address_of(written):
                address = ipaddress.ip_address(text)
                if any(address in one for one in wanted) and not any(address in one for one in nobodys):
                    yield "client", text
        for form, network in forms:
            for _ in form.starts(buffer, begin, end):
                yield "client", network

    return find


# What is not in a name (RFC 7622), nor a byte that is no text, becomes zero. (An expression that ends with $ begins
# anew at each byte: 2 ms for one name behind a long word, instead of 2 µs.)
LOCAL = bytes(0 if one <= 0x20 or one in b"\x7f\"&'/:<>@()[]{},;|=\\" else one for one in range(256))
# Between a name and its domain: in a row of SQLite nothing or a number, and what Erlang and JSON write there.
LONGEST_BETWEEN = 8
BETWEEN = re.compile(rb"(?:m\x00\x00.{2}|[\x00-\x1f]{1,8}|[\"'<>, |]{1,8})$", re.DOTALL)


def name_finder(domains: Sequence[str], accounts: Mapping[str, Iterable[str]]) -> Finder:
    """Return what finds the names of these domains' accounts (those in *accounts* also when bare) and rooms."""
    # In a row of a table, the next column follows at once: what comes after a domain does not matter.
    one_of = b"|".join(re.escape(domain.encode()) for domain in sorted(domains, key=len, reverse=True))
    expression = re.compile(one_of or b"(?!)")
    known = {domain: {name.encode() for name in names if len(name) > 2} for domain, names in accounts.items()}
    lengths = {domain: sorted({len(name) for name in names}, reverse=True) for domain, names in known.items()}

    def bare(before: bytes, domain: str, after: bytes) -> bytes:
        """Return the account that stands beside its domain, or nothing."""
        left = before[:-LONGEST_BETWEEN] + BETWEEN.sub(b"", before[-LONGEST_BETWEEN:])
        for length in lengths.get(domain, ()):
            for candidate in (before[-length:], left[-length:], after[:length]):
                if candidate in known[domain]:
                    return candidate
        return b""

    def find(buffer: bytes, begin: int, end: int) -> Iterator[Find]:
        for match in expression.finditer(buffer, begin):
            if match.start() >= end:
                return
            before = buffer[max(match.start() - 1024, 0) : match.start()]
            domain = match[0].decode()
            if before.endswith(b"@"):
                name = before[:-1].translate(LOCAL).rpartition(b"\0")[2]
            else:
                name = bare(before, domain, buffer[match.end() : match.end() + 1024])
            if name:
                yield "jid", f"{name.decode(errors='replace')}@{domain}"

    return find


# Neither a part of a version number, nor a network.
IPV4 = re.compile(
    rb"(?<![0-9.~+vV-])(?<![0-9]:)(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9]|\.[0-9]|[-+~][0-9a-z]|/(?!32)[0-9])"
)
# Unicast addresses of the Internet and of private networks.
IPV6 = re.compile(
    rb"(?<![0-9A-Za-z:.])(?:[23][0-9A-Fa-f]{3}|[fF][cCdD][0-9A-Fa-f]{2}):[0-9A-Fa-f:]{1,34}(?![0-9A-Za-z:.]|/(?!128)[0-9])"
)
TUPLES = (
    re.compile(rb"\{(?:[0-9]{1,3}, ?){3}[0-9]{1,3}\}"),
    re.compile(rb"65535, ?[0-9]{1,5}, ?[0-9]{1,5}\}"),
)
# A part of each address that begins with a sign of its own, and how far before it the address begins. What may begin
# with any digit is looked for in 13 MB a second, this in 700.
DOTS = re.compile(rb"\.[0-9]{1,3}\.[0-9]{1,3}\.(?=[0-9])"), (1, 2, 3)
COLON = re.compile(rb":(?=[0-9A-Fa-f:])"), (4,)
SMALLEST = 1 << 24  # 0.x.x.x is no address, and looks like a version number


def written_addresses(
    expression: re.Pattern[bytes], part: tuple[re.Pattern[bytes], tuple[int, ...]], buffer: bytes, begin: int, end: int
) -> Iterator[bytes]:
    """Yield what the expression finds that begins in buffer[begin:end], by a part that each address has."""
    signs, before = part
    for sign in signs.finditer(buffer, begin):
        if sign.start() - min(before) >= end:
            return
        for start in (sign.start() - distance for distance in before):
            if begin <= start < end and (match := expression.match(buffer, start)):
                yield match[0]


def address_of(written: bytes) -> str:
    """Return the address of a client that this could be, in its usual form, or nothing."""
    text = written.decode()
    if "," in text:
        numbers = [int(number) for number in re.findall("[0-9]+", text)]
        if len(numbers) == 3:
            numbers = [part for number in numbers[1:] for part in divmod(number, 256)]
        text = ".".join(str(number) for number in numbers)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        # Netmasks are among the reserved ones.
        usual = int(address) >= SMALLEST and not (address.is_reserved or address.is_loopback or address.is_link_local)
        return str(address) if usual and not address.is_multicast and address.packed[3:] != b"\0" else ""
    return "" if address in ipaddress.ip_network("2001:db8::/32") else str(address)


def address_finder(known: Iterable[str]) -> Finder:
    """Return what finds addresses of anybody but these (addresses, networks)."""
    networks = [ipaddress.ip_network(one, strict=False) for one in known]
    documentation = [ipaddress.ip_network(one) for one in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]

    @functools.lru_cache(maxsize=10_000)
    def client(written: bytes) -> str:
        text = address_of(written)
        if not text:
            return ""
        address = ipaddress.ip_address(text)
        return "" if any(address in network for network in (*networks, *documentation)) else text

    def find(buffer: bytes, begin: int, end: int) -> Iterator[Find]:
        for expression, part in ((IPV4, DOTS), (IPV6, COLON)):
            for written in written_addresses(expression, part, buffer, begin, end):
                if text := client(written):
                    yield "ip", text
        for expression in TUPLES:
            for match in expression.finditer(buffer, begin):
                if match.start() >= end:
                    break
                if text := client(match[0]):
                    yield "ip", text

    return find


# ------------------------------------------------------------------------------------------- where it is looked for


def windows(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield a stream piece by piece, as buffer, begin and end: of each byte, once, with its surroundings."""
    buffer, begin = b"", 0
    while fresh := stream.read(CHUNK):
        buffer += fresh
        end = max(begin, len(buffer) - MARGIN)
        yield buffer, begin, end
        cut = max(0, end - MARGIN)
        buffer, begin = buffer[cut:], end - cut
    yield buffer, begin, len(buffer)


def search(stream: BinaryIO, finders: Sequence[Finder], finds: Counter[Find]) -> int:
    """Count what is found in a stream; returns how many bytes it has."""
    size = 0
    for buffer, begin, end in windows(stream):
        size += end - begin
        for finder in finders:
            finds.update(finder(buffer, begin, end))
    return size


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a file to read, without a trace and without a claim on the memory that others' files are cached in."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_NOATIME)
    except PermissionError:  # a file system that lets only the owner ask for it
        descriptor = os.open(path, flags)
    with open(descriptor, "rb", buffering=0) as stream:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_NOREUSE)
        yield stream


def search_file(path: str, finders: Sequence[Finder], finds: Counter[Find]) -> int:
    """Count what is found in a file and, if it is compressed, in what it holds; returns how many bytes were read."""
    with opened(path) as stream:
        magic = stream.read(6)
        stream.seek(0)
        size = search(stream, finders, finds)
        for start, reader in COMPRESSED.items():
            if magic.startswith(start):
                stream.seek(0)
                # Cut off, or only looks like it: what came up to there was searched.
                with contextlib.suppress(OSError, EOFError, lzma.LZMAError, ValueError), reader(stream) as inside:
                    size += search(inside, finders, finds)
        if magic.startswith(ZSTANDARD):
            stream.seek(0)
            command = ["zstd", "--decompress", "--stdout", "--quiet"]
            with (
                contextlib.suppress(FileNotFoundError),
                subprocess.Popen(command, stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program,
            ):
                assert program.stdout is not None  # noqa: S101  # for mypy
                size += search(program.stdout, finders, finds)  # type: ignore[arg-type]
    return size


def journal_by_unit() -> Iterator[tuple[str, bytes]]:
    """Yield the journal's entries with all their fields, each with the unit that it is of."""
    command = ["journalctl", "--output=json", "--all", "--no-pager", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        for line in program.stdout or ():
            fields = {
                name: bytes(value)
                if isinstance(value, list) and value and isinstance(value[0], int)
                else str(value).encode()
                for name, value in json.loads(line).items()
            }
            unit = fields.get("_SYSTEMD_UNIT") or fields.get("SYSLOG_IDENTIFIER") or b"kernel"
            yield unit.decode(errors="replace"), b"\n".join(fields.values())


def file_systems() -> tuple[set[str], set[str]]:
    """Return where file systems are mounted that hold no files of this host, and where swap is."""
    nodev = {
        line.split()[1]
        for line in Path("/proc/filesystems").read_text(encoding="utf-8").splitlines()
        if line.startswith("nodev")
    } - set(STORAGE)
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines())
    elsewhere = {mount[1].replace("\\040", " ") for mount in mounts if mount[2] in nodev}
    return elsewhere, {line.split()[0] for line in Path("/proc/swaps").read_text(encoding="utf-8").splitlines()[1:]}


def walk(folder: str, without: set[str]) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a folder but what is in others; what vanishes meanwhile is left out."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.path in without:
                continue
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from walk(entry.path, without)


def has_checksum(path: str, kind: str, checksum: str) -> bool:
    """Tell whether a file is what it was."""
    with contextlib.suppress(OSError), opened(path) as stream:
        digest = hashlib.new(kind, usedforsecurity=False)
        while fresh := stream.read(CHUNK):
            digest.update(fresh)
        return digest.hexdigest() == checksum
    return False


def packaged() -> dict[str, str]:
    """Return the files below /usr that packages brought, with their checksums (MD5)."""
    return {
        f"/{path}": checksum
        for one in PACKAGES.glob("*.md5sums")
        for checksum, path in (line.split(None, 1) for line in one.read_text(encoding="utf-8").splitlines())
        if path.startswith("usr/")
    }


def written_by_roles() -> set[str]:
    """Return the files that the roles wrote from the settings, as they wrote them."""
    return {
        path
        for manifest in tree_files.MANIFESTS.glob("*.json")
        for path, checksum in (tree_files.read_json(manifest) or {"files": {}})["files"].items()
        if has_checksum(path, "sha256", checksum)
    }


# ------------------------------------------------------------------------------------------- what the host knows


def people() -> tuple[dict[str, list[str]], list[str]]:
    """Return domain to accounts, and the addresses of connected clients; raises ApiError."""
    ejabberd = Api(SOCKET)
    accounts = {host: ejabberd.call("registered_users", host=host) for host in ejabberd.call("registered_vhosts")}
    addresses = {session["ip"] for session in ejabberd.call("connected_users_info")}
    plain = {address.removeprefix("::ffff:") if "." in address else address for address in addresses}
    return accounts, sorted(address for address in plain if is_address(address))


def inside(ledger: list[dict[str, Any]]) -> tuple[int, list[database_tables.Finding]]:
    """Return how many tables there are, and what is in them that should not be; raises ApiError and sqlite3.Error."""
    ejabberd = Api(SOCKET)
    number, found = database_tables.look(
        ledger, ejabberd.call("registered_vhosts"), ejabberd.call("muc_online_rooms", service="global")
    )
    return number, found + database_tables.mnesia(ejabberd.call("mnesia_list_tables"))


def inside_or_why(ledger: list[dict[str, Any]], notes: list[Row]) -> tuple[int, list[database_tables.Finding]]:
    """Return the same; if that cannot be told, nothing, and the reason as a row among the notes."""
    try:
        return inside(ledger)
    except (ApiError, sqlite3.Error) as error:
        notes.append(row(TABLES + "s", WARN, f"cannot be looked into: {error}", START))
    return 0, []


def ssh_addresses() -> set[str]:
    """Return from where somebody is logged in over ssh now."""
    addresses = set()
    for one in SESSIONS.glob("*"):
        with contextlib.suppress(OSError):  # it has ended
            if one.is_file():
                told = dict(line.partition("=")[::2] for line in one.read_text(encoding="utf-8").splitlines())
                addresses.add(told.get("REMOTE_HOST", "").partition("%")[0])
    return {str(ipaddress.ip_address(address)) for address in addresses if is_address(address)}


def own_addresses() -> set[str]:
    """Return this host's addresses with those of its networks that are nobody's, its routers and its name servers."""
    links = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout)
    found: set[str] = set()
    for one in (one for link in links for one in link.get("addr_info", []) if one):
        interface = ipaddress.ip_interface(f"{one['local']}/{one['prefixlen']}")
        found |= {str(interface.ip), str(interface.network.network_address), str(interface.network.broadcast_address)}
    for family in ("-4", "-6"):
        routes = subprocess.run(["ip", "-json", family, "route"], capture_output=True, check=True).stdout
        found |= {route["gateway"] for route in json.loads(routes or "[]") if "gateway" in route}
    resolvers = Path("/etc/resolv.conf")
    if resolvers.exists():
        found |= set(re.findall(r"^nameserver\s+(\S+)", resolvers.read_text(encoding="utf-8"), re.MULTILINE))
    return {address for address in found if is_address(address)}


# ------------------------------------------------------------------------------------------- the ledger


def covers(pattern: str, path: str) -> bool:
    """Tell whether a pattern of the ledger matches this path or a folder that it is in."""
    wanted, given = pattern.rstrip("/").split("/"), path.split("/")
    return len(wanted) <= len(given) and all(map(fnmatchcase, given, wanted))


def own_folders(patterns: Iterable[str]) -> dict[tuple[int, int], str]:
    """Return the folders that patterns of the ledger name, and those they are in, by what tells them from all others.

    The same folder may be met under another name: where a link leads (/srv on another disk), or what is mounted there.
    """
    found = {}
    for pattern in patterns:
        for folder in [Path(pattern), *Path(pattern).parents]:
            with contextlib.suppress(OSError):
                status = folder.stat()
                if stat.S_ISDIR(status.st_mode) and len(folder.parts) > 2:
                    found[status.st_dev, status.st_ino] = str(folder)
    return found


@dataclass
class Place:
    """A file or a folder in which something was found."""

    path: str
    finds: Counter[Find]

    def hits(self) -> dict[str, int]:
        """Return kind to number."""
        total: Counter[str] = Counter()
        for (kind, _), number in self.finds.items():
            total[kind] += number
        return dict(total)


@dataclass
class Audit:
    """What is looked for, and what was found."""

    ledger: list[dict[str, Any]]
    everywhere: list[Finder]
    where_services_write: list[Finder]
    everything: bool
    ssh: set[str] = field(default_factory=set)
    places: list[Place] = field(default_factory=list)
    content: Counter[str] = field(default_factory=Counter)  # entry to number of files that were not read
    files: int = 0
    bytes: int = 0
    swap: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)  # path to reason
    other_names: dict[str, str] = field(default_factory=dict)  # of folders, to the name that the ledger knows

    def entries(self, path: str) -> list[dict[str, Any]]:
        """Return the entries of the ledger that a file belongs to."""
        for other, name in self.other_names.items():
            if path == other or path.startswith(f"{other}/"):
                path = name + path.removeprefix(other)
        path, _, unit = path.partition(" of ") if path.startswith(JOURNAL + " of ") else (path, "", "")
        if unit.startswith(OUR_UNITS):
            return []
        return [entry for entry in self.ledger if any(covers(pattern, path) for pattern in entry["paths"])]

    def of_ssh(self, place: Place) -> Counter[Find]:
        """Return what is the address of somebody who is logged in over ssh, where that is noted."""
        path, _, unit = place.path.partition(" of ")
        if not (
            path.startswith(f"{SESSIONS}/") or (path.startswith(JOURNAL) and (not unit or unit.startswith(SSH_UNITS)))
        ):
            return Counter()
        own = {
            find: count for find, count in place.finds.items() if find[0] in ("ip", "client") and find[1] in self.ssh
        }
        return Counter(own)

    def known(self, place: Place) -> bool:
        """Tell whether the ledger speaks of everything that was found there, but for the operator's own session."""
        holds = {kind for entry in self.entries(place.path) for kind in entry["holds"]}
        return all(holds & COVERED_BY[kind] for kind in Place(place.path, place.finds - self.of_ssh(place)).hits())

    def finders(self, path: str) -> list[Finder]:
        """Return what is looked for in this file."""
        if any(covers(folder, path) for folder in CONFIGURATION):
            return self.everywhere
        return self.everywhere + self.where_services_write

    def sent(self, path: str) -> str:
        """Return the entry whose files are nothing but what people sent, if this is one."""
        entries = self.entries(path)
        only = [entry["name"] for entry in entries if entry["holds"] == ["content"] and not entry["tables"]]
        return only[0] if len(entries) == len(only) and only else ""

    def run(self) -> None:
        """Search the host."""
        elsewhere, self.swap = file_systems()
        brought = packaged()
        own = own_folders(pattern for entry in self.ledger for pattern in entry["paths"])
        skipped = self.swap | (set() if self.everything else written_by_roles())
        for entry in walk("/", elsewhere):
            finds: Counter[Find] = Counter()
            finders = self.finders(entry.path)
            try:
                status = entry.stat(follow_symlinks=False)
                told = entry.name + (f"\n{os.readlink(entry.path)}" if stat.S_ISLNK(status.st_mode) else "")
                search(BytesIO(os.fsencode(told)), finders, finds)
                if (name := own.get((status.st_dev, status.st_ino), entry.path)) != entry.path:
                    self.other_names[entry.path] = name
                if stat.S_ISREG(status.st_mode) and entry.path not in skipped:
                    if not self.everything and (owner := self.sent(entry.path)):
                        self.content[owner] += 1
                    elif entry.path not in brought or (
                        self.everything and not has_checksum(entry.path, "md5", brought[entry.path])
                    ):
                        self.files += 1
                        self.bytes += search_file(entry.path, finders, finds)
            except FileNotFoundError:
                pass  # gone meanwhile
            except OSError as error:
                self.unreadable[entry.path] = str(error.strerror)
            if finds:
                self.places.append(Place(entry.path, finds))
        by_unit: dict[str, Counter[Find]] = {}
        for unit, data in journal_by_unit():
            search(BytesIO(data), self.everywhere + self.where_services_write, by_unit.setdefault(unit, Counter()))
        self.places += [Place(f"{JOURNAL} of {unit}", finds) for unit, finds in by_unit.items() if finds]

    def rows(self, names: bool) -> list[Row]:
        """Return the report: what the ledger speaks of by its places, then what it does not know, one by one."""
        rows = []
        groups: dict[tuple[str, ...], list[str]] = {}
        for entry in self.ledger:
            if entry["paths"]:
                groups.setdefault(tuple(entry["paths"]), []).append(entry["name"])
        for paths, entries in groups.items():
            here = [
                place for place in self.places if self.known(place) and any(covers(one, place.path) for one in paths)
            ]
            unread = sum(self.content[entry] for entry in entries)
            found = summary(here) + (f", {number(unread, 'file', 'files')} that people sent" if unread else "")
            rows.append(row(" ".join(paths), PASS, f"{found} ({', '.join(entries)})", tell(here, names)))
        if logged_in := [Place(place.path, own) for place in self.places if (own := self.of_ssh(place))]:
            found = f"{summary(logged_in)}, of who is logged in over ssh now, until the session ends"
            rows.append(row("ssh", PASS, found, tell(logged_in, names)))
        for place in self.places:
            if not self.known(place):
                path = place.path if names else masked(place)
                rows.append(row(path, FAIL, summary([place]), tell([place], names) + ADVICE))
        rows.extend(row(path, WARN, f"cannot be read: {reason}.", "") for path, reason in self.unreadable.items())
        rows.extend(
            row(path, WARN, "swap: what is in memory can be in it, unless it is encrypted.", SWAP)
            for path in sorted(self.swap)
        )
        return rows


START = "Start it (systemctl start ejabberd), and run this again."
TABLES = f"{database_tables.DATABASE} table"
TOO_OLD = """systemctl status xmpp-forget.service says why it was not deleted. If that went well, it is a fault of this
project: please report it."""
LEFT_OVER = """It should have been deleted, or should not be there. If you put nothing there yourself, it is a fault of
this project: please report it."""
ADVICE = """The ledger does not know of it. If the service wrote it, that is a fault of this project: please report it.
If you did, delete it when you no longer need it. -e names=true shows what was found."""
SWAP = "Switch it off, or encrypt it with a key of each boot: man 5 crypttab, option swap."


def number(count: int, one: str, many: str) -> str:
    """Return a number with its noun."""
    return f"{count} {one if count == 1 else many}"


def table_row(finding: database_tables.Finding) -> Row:
    """Return the row about a table."""
    advice = TOO_OLD if finding.kind == database_tables.OLD else LEFT_OVER
    return row(f"{TABLES} {finding.table}", FAIL, database_tables.words(finding), advice)


def table_find(finding: database_tables.Finding, ledger: Iterable[Mapping[str, Any]], names: bool) -> dict[str, Any]:
    """Return the same for a program."""
    return {
        "path": f"{TABLES} {finding.table}",
        "entries": [entry["name"] for entry in ledger if finding.table in entry["tables"]],
        "known": False,
        "hits": {finding.kind: finding.rows},
        "days": finding.days,
    } | ({"names": []} if names else {})


def summary(places: Sequence[Place]) -> str:
    """Return in words how much was found."""
    total: Counter[str] = Counter()
    for place in places:
        total.update(place.hits())
    if not total:
        return "nothing found"
    kinds = [number(total[kind], *words) for kind, words in KINDS.items() if total[kind]]
    return f"{', '.join(kinds)} in {number(len(places), 'file', 'files')}"


def tell(places: Sequence[Place], names: bool) -> str:
    """Return what was found, if that is wanted, a line for each file."""
    if not names:
        return ""
    lines = []
    for place in places:
        values = sorted({value for _, value in place.finds})
        more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
        lines.append(f"{place.path}: {', '.join(values[:SHOWN])}{more}\n")
    return "".join(lines)


def masked(place: Place) -> str:
    """Return the path without the names in it."""
    path = place.path
    for _, value in place.finds:
        for part in (value, value.partition("@")[0]):
            path = path.replace(part, "…")
    return path


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "ledger": {"type": "list", "elements": "dict", "required": True},
            "domains": {"type": "list", "elements": "str", "default": []},
            "known_addresses": {"type": "list", "elements": "str", "default": []},
            "needles": {"type": "list", "elements": "str", "default": []},
            "names": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    os.nice(10)  # with 19, a host that is busy all the time would never get to the end
    subprocess.run(["ionice", "--class", "idle", "--pid", str(os.getpid())], check=False, capture_output=True)
    notes = []
    if params["needles"]:
        finders, where_services_write = [needle_finder(params["needles"])], []
    else:
        accounts: dict[str, list[str]] = {}
        clients: list[str] = []
        try:
            accounts, clients = people()
        except ApiError as error:
            notes.append(
                row(
                    "accounts",
                    WARN,
                    f"ejabberd cannot be asked for its accounts and who is connected ({error}).",
                    f"Names are found with their domain only. {START}",
                )
            )
        finders = [name_finder([*params["domains"], *accounts], accounts)]
        nobodys = {*own_addresses(), *params["known_addresses"]}
        # Who comes by way of the router, from the same house, has its address.
        clients = [address for address in clients if address not in nobodys]
        if exact := [address for address in clients if ":" not in address]:
            finders.append(needle_finder(exact, "client"))
        # Of an IPv6 address ejabberd is told the /64 only.
        if lines := [f"{address}/64" for address in clients if ":" in address]:
            finders.append(network_finder(lines, nobodys))
        where_services_write = [address_finder(nobodys)]
    everything = bool(params["needles"])
    audit = Audit(params["ledger"], finders, where_services_write, everything, set() if everything else ssh_addresses())
    count, tables = (0, []) if everything else inside_or_why(params["ledger"], notes)
    audit.run()
    if tables:  # What is on its way out, such as an account that is being deleted, is gone now.
        before = {(one.table, one.kind) for one in tables}
        there, again = inside_or_why(params["ledger"], notes)
        tables = [one for one in again if (one.table, one.kind) in before] if there else tables
    if count and not tables:
        notes.append(row(TABLES + "s", PASS, f"{count} tables, nothing in them is too old or nobody's", ""))
    names = params["names"]
    finds = [
        {
            "path": place.path if names else masked(place),
            "entries": [entry["name"] for entry in audit.entries(place.path)],
            "known": audit.known(place),
            "hits": place.hits(),
        }
        | ({"names": sorted({value for _, value in place.finds})} if names else {})
        for place in audit.places
    ]
    finds += [table_find(one, params["ledger"], names) for one in tables]
    rows = notes + audit.rows(names) + [table_row(one) for one in tables]
    module.exit_json(changed=False, rows=rows, finds=finds, searched={"files": audit.files, "bytes": audit.bytes})


if __name__ == "__main__":
    main()
