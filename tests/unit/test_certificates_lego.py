# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates by a DNS provider: when lego orders, what it is told, and what is said if it fails.

The scenario `federation` places orders by the real one.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from pathlib import Path
from typing import Any

import certificates.x509
import pytest
from certificates import cli, files, lego

from .certificates import CHAT, Paths, provide, settings

DIRECTORY = "https://acme.test/dir"
OTHER = "https://other.test/dir"
TOKEN = "s3cret/token+"
CREDENTIALS = {"DUCKDNS_TOKEN": TOKEN, "SHORT_KEY": "a", "DUCKDNS_PROPAGATION_TIMEOUT": "60"}
SETTINGS: dict[str, Any] = {"client": "lego", "directory": DIRECTORY, "authenticator": "dns-rfc2136", "keep_key": False}
# In the place of lego: writes down how it was called, and does what the test has put beside it.
LEGO = f"""#!{sys.executable}
import json, os, pathlib, sys
beside = pathlib.Path(__file__).parent
(beside / "called.json").write_text(json.dumps([sys.argv[1:], dict(os.environ)]))
folder = pathlib.Path(os.environ["LEGO_PATH"], "certificates")
folder.mkdir(parents=True, exist_ok=True)
for ending in ("crt", "key"):
    (folder / f"chat.test.{{ending}}").write_bytes((beside / f"new.{{ending}}").read_bytes())
sys.stderr.write((beside / "output").read_text())
sys.exit((beside / "output").stat().st_size > 0)
"""
# As lego 4.35 prints it.
FAILED = f"""2026/12/01 22:40:07 [INFO] [chat.test, upload.chat.test] acme: Obtaining bundled SAN certificate
2026/12/01 22:40:08 [INFO] [chat.test] acme: use dns-01 solver
2026/12/01 22:40:08 Could not obtain certificates:
\terror: one or more domains had a problem:
[chat.test] [chat.test] acme: error presenting token: Get "https://dns.test/?token=s3cret%2Ftoken%2B": EOF
[upload.chat.test] [upload.chat.test] acme: error presenting token: {TOKEN} is wrong
[muc.chat.test] [muc.chat.test] acme: error presenting token: busy
[turn.chat.test] [turn.chat.test] acme: error presenting token: busy
[proxy.chat.test] [proxy.chat.test] acme: error presenting token: busy
"""


@pytest.fixture
def program(certificate_folders: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a program called lego, which has a certificate of the service to give."""
    home, _ = certificate_folders
    provide(home, CHAT)
    folder = tmp_path / "bin"
    folder.mkdir()
    (home / "provided/fullchain.pem").rename(folder / "new.crt")
    (home / "provided/privkey.pem").rename(folder / "new.key")
    (folder / "output").touch()
    (folder / "lego").write_text(LEGO, encoding="utf-8")
    (folder / "lego").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    given = {"provider": "duckdns", "credentials": CREDENTIALS, "email": "", "eab": {"kid": "", "secret": ""}}
    (home / "lego.json").write_text(json.dumps(given), encoding="utf-8")
    return folder


def call(program: Path) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and the environment of the last call."""
    arguments, environment = json.loads((program / "called.json").read_text(encoding="utf-8"))
    return arguments, environment


def test_first_order_is_installed_and_is_the_only_one(program: Path) -> None:
    assert lego.update("chat.test", CHAT, SETTINGS)
    arguments, environment = call(program)
    assert arguments[-3:] == ["--domains=chat.test", "--domains=upload.chat.test", "run"]
    assert arguments[1:3] == ["--dns", "duckdns"]
    assert environment.items() >= (CREDENTIALS | {"LEGO_SERVER": DIRECTORY}).items()
    assert not {"LEGO_EMAIL", "LEGO_EAB", "LEGO_CA_CERTIFICATES"} & environment.keys()
    chain, key = files.in_use("chat.test")
    assert chain.read_bytes() == (program / "new.crt").read_bytes()
    assert b"BEGIN PRIVATE KEY" in key.read_bytes()
    (program / "called.json").unlink()
    assert not lego.update("chat.test", CHAT, SETTINGS)
    assert not (program / "called.json").exists()


def test_secrets_are_in_no_command_line(program: Path) -> None:
    given = json.loads((files.HOME / "lego.json").read_text(encoding="utf-8"))
    given |= {"email": "op@chat.test", "eab": {"kid": "kid-1", "secret": "c2VjcmV0IG9mIGFub3RoZXI="}}
    (files.HOME / "lego.json").write_text(json.dumps(given), encoding="utf-8")
    (files.HOME / "acme-ca.pem").touch()
    (files.HOME / "acme-roots.pem").touch()
    lego.order("chat.test", CHAT, SETTINGS)
    arguments, environment = call(program)
    assert "c2VjcmV0" not in " ".join(arguments)
    assert TOKEN not in " ".join(arguments)
    assert environment["LEGO_EAB_HMAC"] == "c2VjcmV0IG9mIGFub3RoZXI"  # without padding, as lego wants it
    assert (environment["LEGO_EAB"], environment["LEGO_EAB_KID"]) == ("true", "kid-1")
    assert environment["LEGO_EMAIL"] == "op@chat.test"
    assert environment["LEGO_CA_CERTIFICATES"] == str(files.HOME / "acme-roots.pem")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("nothing", ""),
        ("new name", "the names have changed"),
        ("CA", "there is no certificate yet"),
        ("two thirds are over", "it is due for renewal"),
        ("other key", "there is no certificate yet"),
        ("half a file", "there is no certificate yet"),
    ],
)
def test_order_needs_a_reason(program: Path, monkeypatch: pytest.MonkeyPatch, reason: str, words: str) -> None:
    lego.order("chat.test", CHAT, SETTINGS)
    chain, key = lego.pair("chat.test", DIRECTORY)
    if reason == "two thirds are over":
        later = certificates.x509.now() + datetime.timedelta(days=61)
        monkeypatch.setattr(certificates.x509, "now", lambda: later)
    elif reason == "other key":
        provide(files.HOME, CHAT)
        key.write_bytes((files.HOME / "provided/privkey.pem").read_bytes())
    elif reason == "half a file":
        chain.write_bytes(chain.read_bytes()[:100])
    names = [*CHAT, "muc.chat.test"] if reason == "new name" else CHAT
    assert lego.reason_to_order("chat.test", names, OTHER if reason == "CA" else DIRECTORY) == words


@pytest.mark.parametrize("keep_key", [True, False])
def test_key_is_kept_if_it_must(program: Path, keep_key: bool) -> None:
    wanted = SETTINGS | {"keep_key": keep_key}
    lego.update("chat.test", CHAT, wanted)
    assert not any("private-key" in word for word in call(program)[0])
    key = files.in_use("chat.test")[1]
    lego.order("chat.test", CHAT, wanted | {"directory": OTHER})
    assert (f"--private-key={key}" in call(program)[0]) == keep_key
    key.write_text("half a fi", encoding="ascii")
    lego.order("chat.test", CHAT, wanted)
    assert not any("private-key" in word for word in call(program)[0])


def test_error_names_domain_and_cause_and_no_credential(program: Path) -> None:
    (program / "output").write_text(FAILED, encoding="utf-8")
    with pytest.raises(files.CertificateError) as caught:
        lego.update("chat.test", CHAT, SETTINGS)
    assert str(caught.value) == (
        f"no certificate could be ordered at {DIRECTORY} (xmpp_acme_directory) by records at duckdns "
        '(xmpp_dns_provider): chat.test: error presenting token: Get "https://dns.test/?token=(a credential)": EOF; '
        "upload.chat.test: error presenting token: (a credential) is wrong; "
        "muc.chat.test: error presenting token: busy; and 2 more."
    )


def test_error_before_the_order_is_told() -> None:
    output = "2026/12/01 22:40:07 Could not create client: get directory at 'https://acme.test/dir': no such host\n"
    assert lego.explain(output, DIRECTORY, "desec").endswith(
        "Could not create client: get directory at 'https://acme.test/dir': no such host."
    )


def test_what_is_no_longer_ordered_is_removed(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Former domains and authorities; with another way to order, everything, the account with it."""
    for domain in ("chat.test", "club.test", "chat.test.club.test"):
        for ending in ("crt", "key", "json", "issuer.crt"):
            path = lego.folder(DIRECTORY) / f"certificates/{domain}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    lego.folder(OTHER).mkdir()
    settings(files.HOME, "selfsigned")
    lego.prune(["chat.test"], DIRECTORY)
    left = {path.name for path in lego.home().rglob("*") if path.is_file()}
    assert left == {f"chat.test.{ending}" for ending in ("crt", "key", "json", "issuer.crt")}
    assert not lego.folder(OTHER).exists()
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates", "--prune"])
    assert cli.main() == 0
    assert not lego.home().exists()
