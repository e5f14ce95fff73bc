# SPDX-License-Identifier: GPL-3.0-or-later
"""Read files, the content of compressed files, and the journal, in chunks, without changing access times."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import json
import lzma
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.finders import Find, Finder

CHUNK = 1 << 20
# Longer than anything that is looked for, with what stands around it and decides (a name has up to 1023 bytes).
MARGIN = 1 << 11
COMPRESSED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}  # fmt: skip
ZSTANDARD = b"\x28\xb5\x2f\xfd"


def windows(stream: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Yield a stream piece by piece, as buffer, begin and end: of each byte, once, with its surroundings."""
    buffer, begin = b"", 0
    while fresh := stream.read(CHUNK):
        buffer += fresh
        end = max(begin, len(buffer) - MARGIN)
        yield buffer, begin, end
        cut = max(0, end - MARGIN)
        buffer, begin = buffer[cut:], end - cut
    yield buffer, begin, len(buffer)


def search(stream: IO[bytes], finders: Sequence[Finder], finds: Counter[Find]) -> int:
    """Count what is found in a stream; returns how many bytes it has."""
    size = 0
    for buffer, begin, end in windows(stream):
        size += end - begin
        for finder in finders:
            finds.update(finder(buffer, begin, end))
    return size


@contextlib.contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
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
                # Truncated, or only looks like it: what came up to there was searched.
                with contextlib.suppress(OSError, EOFError, lzma.LZMAError, ValueError), reader(stream) as inside:
                    size += search(inside, finders, finds)
        if magic.startswith(ZSTANDARD):
            stream.seek(0)
            command = ["zstd", "--decompress", "--stdout", "--quiet"]
            with (
                contextlib.suppress(FileNotFoundError),
                subprocess.Popen(command, stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program,
            ):
                if program.stdout:
                    size += search(program.stdout, finders, finds)
    return size


def has_checksum(path: str, kind: str, checksum: str) -> bool:
    """Tell whether a file is what it was."""
    with contextlib.suppress(OSError), opened(path) as stream:
        digest = hashlib.new(kind, usedforsecurity=False)
        while fresh := stream.read(CHUNK):
            digest.update(fresh)
        return digest.hexdigest() == checksum
    return False


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
