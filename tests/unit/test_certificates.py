# SPDX-License-Identifier: GPL-3.0-or-later
"""The program xmpp-certificates as a whole, run with folders of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import cli, files, responder
from certificates.x509 import names_of
from cryptography import x509

from .certificates import CHAT, Paths, certificate, provide, settings, told


def test_first_run_issues_for_all_names_and_runs_the_hooks(certificate_folders: Paths) -> None:
    home, hooks = certificate_folders
    assert cli.main() == 0
    assert names_of(certificate(home)) == {"chat.test", "upload.chat.test"}
    assert (home / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (home / "chat.test/privkey.pem").stat().st_mode & 0o777 == 0o640
    certificate(home).verify_directly_issued_by(x509.load_pem_x509_certificate((home / "ca.crt").read_bytes()))
    assert told(hooks) == 1


def test_second_run_changes_nothing(certificate_folders: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    home, hooks = certificate_folders
    cli.main()
    before = certificate(home)
    capsys.readouterr()
    cli.main()
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert certificate(home) == before
    assert told(hooks) == 1


def test_each_domain_has_its_own_certificate_from_one_ca(certificate_folders: Paths) -> None:
    home, hooks = certificate_folders
    settings(home, "selfsigned", club=["club.test", "muc.club.test"])
    assert cli.main() == 0
    ca = x509.load_pem_x509_certificate((home / "ca.crt").read_bytes())
    for domain, names in (("chat.test", CHAT), ("club.test", ["club.test", "muc.club.test"])):
        certificate(home, domain).verify_directly_issued_by(ca)
        assert names_of(certificate(home, domain)) == set(names)
    assert told(hooks) == 1


def test_failed_domain_does_not_delay_others(certificate_folders: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    home, hooks = certificate_folders
    provide(home, CHAT)
    settings(home, "provided", club=["club.test"])
    assert cli.main() == 1
    assert "No change to the certificate of club.test" in capsys.readouterr().err
    assert (home / "chat.test/fullchain.pem").exists()
    assert told(hooks) == 1


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture(params=[0o077, 0o027, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Root's umask, as providers and hardening guides set it."""
    before = os.umask(request.param)
    yield
    os.umask(before)


class Server:
    """Answers nobody."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def serve_forever(self) -> None: ...

    def shutdown(self) -> None: ...


@pytest.mark.usefixtures("umask")
def test_services_may_read_whatever_the_umask(
    certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, hooks = certificate_folders
    (hooks / "nginx.hook").chmod(0o755)
    webroot = tmp_path / "srv/http"
    monkeypatch.setattr(files, "WEBROOT", webroot)
    monkeypatch.setattr(responder, "DualStackServer", lambda *_: Server())
    assert cli.main() == 0
    assert [mode(home / "chat.test" / name) for name in ("", "fullchain.pem", "privkey.pem")] == [0o755, 0o644, 0o640]
    assert [mode(home / name) for name in ("ca.crt", "ca.key", "deployed")] == [0o644, 0o600, 0o644]
    with responder.answer_challenges():
        assert (mode(webroot), mode(webroot.parent)) == (0o755, 0o755)


@pytest.mark.parametrize("closed", ["", "fullchain.pem", "privkey.pem"])
def test_modes_of_an_earlier_run_are_repaired_and_hooks_run(
    certificate_folders: Paths,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    closed: str,
) -> None:
    """A version that used root's umask wrote a good certificate that ejabberd could not read."""
    home, hooks = certificate_folders
    webroot = tmp_path / "srv/http"
    monkeypatch.setattr(files, "WEBROOT", webroot)
    webroot.mkdir(parents=True)
    cli.main()
    path = home / "chat.test" / closed
    wanted, before = mode(path), certificate(home)
    path.chmod(0o700 if not closed else 0o600)
    webroot.chmod(0o700)
    webroot.parent.chmod(0o750)
    capsys.readouterr()
    assert cli.main() == 0
    assert json.loads(capsys.readouterr().out)["changed"] is True
    assert (mode(path), mode(webroot), mode(webroot.parent)) == (wanted, 0o755, 0o755)
    assert (certificate(home), told(hooks)) == (before, 2)
    cli.main()
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert told(hooks) == 2
