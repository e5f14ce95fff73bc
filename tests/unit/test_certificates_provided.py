# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that the operator provides."""

from __future__ import annotations

import datetime

import certificates.x509
import pytest
from certificates import cli
from certificates.x509 import key_pem
from cryptography.hazmat.primitives.asymmetric import ec

from .certificates import CHAT, Paths, certificate, provide, told


@pytest.mark.parametrize("names", [["chat.test", "upload.chat.test"], ["chat.test", "*.chat.test"]])
def test_provided_files_are_installed(certificate_folders: Paths, names: list[str]) -> None:
    home, hooks = certificate_folders
    provide(home, names)
    assert cli.main() == 0
    assert (home / "chat.test/fullchain.pem").read_bytes() == (home / "provided/fullchain.pem").read_bytes()
    assert told(hooks) == 1


@pytest.mark.parametrize("odd", ["capitals", "CRLF", "mark", "one line", "bag", "parameters"])
def test_provided_files_are_written_in_plain_pem(certificate_folders: Paths, odd: str) -> None:
    home, _ = certificate_folders
    provide(home, ["Chat.TEST", "*.CHAT.test"] if odd == "capitals" else CHAT)
    chain, key = (home / "provided" / name for name in ("fullchain.pem", "privkey.pem"))
    wanted = chain.read_bytes(), key.read_bytes()
    for path in (chain, key):
        content = path.read_bytes()
        if odd == "CRLF":
            content = content.replace(b"\n", b"\r\n")
        elif odd == "mark":
            content = b"\xef\xbb\xbf" + content
        elif odd == "one line":
            begin, *lines, end = content.decode().splitlines()
            content = "\n".join([begin, "".join(lines), end]).encode()
        elif odd == "bag":
            content = b"Bag Attributes\n    localKeyID: 01\n" + content
        elif odd == "parameters" and path == key:
            content = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + content
        path.write_bytes(content)
    assert cli.main() == 0
    assert tuple((home / "chat.test" / path.name).read_bytes() for path in (chain, key)) == wanted


@pytest.mark.parametrize("fault", ["name", "expired", "key", "missing"])
def test_invalid_provided_files_leave_the_old_certificate(
    certificate_folders: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    home, hooks = certificate_folders
    cli.main()
    before = certificate(home)
    provide(home, ["chat.test"] if fault == "name" else ["chat.test", "upload.chat.test"])
    if fault == "expired":
        later = certificates.x509.now() + datetime.timedelta(days=91)
        monkeypatch.setattr(certificates.x509, "now", lambda: later)
    if fault == "key":
        other = ec.generate_private_key(ec.SECP256R1())
        (home / "provided/privkey.pem").write_bytes(key_pem(other))
    if fault == "missing":
        (home / "provided/fullchain.pem").unlink()
    assert cli.main() == 1
    words = {
        "name": "does not cover upload.chat.test (it covers chat.test)",
        "expired": "expired at",
        "key": "private key does not belong",
        "missing": "is missing",
    }
    assert words[fault] in capsys.readouterr().err
    assert certificate(home) == before
    assert told(hooks) == 1


def test_new_file_is_younger_than_the_one_before(certificate_folders: Paths) -> None:
    """By a whole second at least, or ejabberd would not read it."""
    home, _ = certificate_folders
    cli.main()
    files = [home / "chat.test" / name for name in ("fullchain.pem", "privkey.pem")]
    for _ in range(3):
        before = [int(path.stat().st_mtime) for path in files]
        provide(home, CHAT)
        cli.main()
        assert all(int(path.stat().st_mtime) > then for path, then in zip(files, before, strict=True))
