# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that keeps the certificate, run with folders of its own."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from cryptography import x509

from .loading import load

script = load("roles/certificates/templates/usr/local/sbin/xmpp-certificates")
Paths = tuple[Path, Path]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return the certificates' folder and the drop-ins' one, as after `site.yml` with one role that wants a name."""
    home, dropins = tmp_path / "certificates", tmp_path / "certificates.d"
    (home / "provided").mkdir(parents=True)
    dropins.mkdir()
    monkeypatch.setattr(script, "HOME", home)
    monkeypatch.setattr(script, "DROPINS", dropins)
    monkeypatch.setattr(script.shutil, "chown", lambda *_: None)  # the group is made by the role
    settings(home, "selfsigned")
    (dropins / "nginx.names").write_text("chat.test\nupload.chat.test\n", encoding="ascii")
    hook(dropins, "echo told >> $(dirname $0)/told")
    return home, dropins


def settings(home: Path, source: str) -> None:
    """Write what the role's template writes."""
    (home / "settings.json").write_text(json.dumps({"source": source, "domain": "chat.test"}), encoding="utf-8")


def hook(dropins: Path, text: str) -> None:
    """Install a deploy hook."""
    path = dropins / "nginx.hook"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o755)


def certificate(home: Path) -> x509.Certificate:
    """Return the certificate in use."""
    return x509.load_pem_x509_certificate((home / "fullchain.pem").read_bytes())


def told(dropins: Path) -> int:
    """Return how many times the hook ran."""
    path = dropins / "told"
    return len(path.read_text(encoding="ascii").splitlines()) if path.exists() else 0


def test_first_run_issues_for_all_names_and_tells_the_users(folders: Paths) -> None:
    home, dropins = folders
    assert script.main() == 0
    assert script.names_of(certificate(home)) == {"chat.test", "upload.chat.test"}
    assert (home / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (home / "privkey.pem").stat().st_mode & 0o777 == 0o640
    certificate(home).verify_directly_issued_by(x509.load_pem_x509_certificate((home / "ca.crt").read_bytes()))
    assert told(dropins) == 1


def test_second_run_changes_nothing(folders: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    home, dropins = folders
    script.main()
    before = certificate(home)
    capsys.readouterr()
    script.main()
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert certificate(home) == before
    assert told(dropins) == 1


@pytest.mark.parametrize("reason", ["new name", "name gone", "near its end"])
def test_reissue(folders: Paths, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    home, dropins = folders
    script.main()
    before, authority = certificate(home), (home / "ca.crt").read_bytes()
    if reason == "new name":
        (dropins / "ejabberd.names").write_text("muc.chat.test\n", encoding="ascii")
    elif reason == "name gone":
        (dropins / "nginx.names").unlink()
    else:
        later = script.now() + datetime.timedelta(days=61)
        monkeypatch.setattr(script, "now", lambda: later)
    script.main()
    assert certificate(home).serial_number != before.serial_number
    assert (home / "ca.crt").read_bytes() == authority
    assert told(dropins) == 2


def test_authority_is_good_for_this_service_only(folders: Paths) -> None:
    home, dropins = folders
    (dropins / "turn.names").write_text("calls.elsewhere.test\n", encoding="ascii")
    script.main()
    authority = x509.load_pem_x509_certificate((home / "ca.crt").read_bytes())
    extension = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical
    assert [name.value for name in extension.value.permitted_subtrees or []] == ["chat.test", "calls.elsewhere.test"]
    assert len(extension.value.excluded_subtrees or []) == 2, "no address at all"


@pytest.mark.parametrize("reason", ["moved away", "key lost", "name outside"])
def test_new_authority_signs_a_new_certificate(folders: Paths, reason: str) -> None:
    home, dropins = folders
    script.main()
    before = (home / "ca.crt").read_bytes()
    if reason != "name outside":
        (home / "ca.key").unlink()
    if reason == "moved away":
        (home / "ca.crt").unlink()
    if reason == "name outside":
        (dropins / "turn.names").write_text("calls.elsewhere.test\n", encoding="ascii")
    assert script.main() == 0
    assert (home / "ca.crt").read_bytes() != before
    certificate(home).verify_directly_issued_by(x509.load_pem_x509_certificate((home / "ca.crt").read_bytes()))


def test_failed_hook_is_reported_and_run_again(folders: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    _, dropins = folders
    hook(dropins, "echo no such service >&2; exit 1")
    assert script.main() == 1
    assert "no such service" in capsys.readouterr().err
    hook(dropins, "echo told >> $(dirname $0)/told")
    assert script.main() == 0
    assert told(dropins) == 1


def provide(home: Path, names: list[str]) -> None:
    """Put an operator's certificate where the role puts it."""
    key = script.ec.generate_private_key(script.ec.SECP256R1())
    subject = x509.Name([])
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    leaf = script.certificate_builder(subject, subject, key, 90).add_extension(alternative, critical=True)
    pem = leaf.sign(key, script.hashes.SHA256()).public_bytes(script.serialization.Encoding.PEM)
    (home / "provided/fullchain.pem").write_bytes(pem)
    (home / "provided/privkey.pem").write_bytes(script.key_pem(key))
    settings(home, "provided")


@pytest.mark.parametrize("names", [["chat.test", "upload.chat.test"], ["chat.test", "*.chat.test"]])
def test_provided_files_are_put_in_place(folders: Paths, names: list[str]) -> None:
    home, dropins = folders
    provide(home, names)
    assert script.main() == 0
    assert (home / "fullchain.pem").read_bytes() == (home / "provided/fullchain.pem").read_bytes()
    assert told(dropins) == 1


@pytest.mark.parametrize("fault", ["name", "expired", "key", "missing"])
def test_bad_provided_files_leave_the_old_certificate(
    folders: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    home, dropins = folders
    script.main()
    before = certificate(home)
    provide(home, ["chat.test"] if fault == "name" else ["chat.test", "upload.chat.test"])
    if fault == "expired":
        later = script.now() + datetime.timedelta(days=91)
        monkeypatch.setattr(script, "now", lambda: later)
    if fault == "key":
        other = script.ec.generate_private_key(script.ec.SECP256R1())
        (home / "provided/privkey.pem").write_bytes(script.key_pem(other))
    if fault == "missing":
        (home / "provided/fullchain.pem").unlink()
    assert script.main() == 1
    words = {
        "name": "does not cover upload.chat.test (it covers chat.test)",
        "expired": "expired at",
        "key": "private key does not belong",
        "missing": "is missing",
    }
    assert words[fault] in capsys.readouterr().err
    assert certificate(home) == before
    assert told(dropins) == 1
