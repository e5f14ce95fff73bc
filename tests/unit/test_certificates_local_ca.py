# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that the host's own certificate authority (CA) issues."""

from __future__ import annotations

import datetime

import certificates.x509
import pytest
from certificates import cli
from cryptography import x509

from .certificates import CHAT, Paths, certificate, settings, told


@pytest.mark.parametrize("reason", ["new name", "name gone", "near its end"])
def test_reissue(certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    home, hooks = certificate_folders
    cli.main()
    before, ca = certificate(home), (home / "ca.crt").read_bytes()
    if reason == "new name":
        settings(home, "selfsigned", chat=[*CHAT, "muc.chat.test"])
    elif reason == "name gone":
        settings(home, "selfsigned", chat=["chat.test"])
    else:
        later = certificates.x509.now() + datetime.timedelta(days=61)
        monkeypatch.setattr(certificates.x509, "now", lambda: later)
    cli.main()
    assert certificate(home).serial_number != before.serial_number
    assert (home / "ca.crt").read_bytes() == ca
    assert told(hooks) == 2


def test_ca_is_limited_to_the_names_of_this_service(certificate_folders: Paths) -> None:
    home, _ = certificate_folders
    settings(home, "selfsigned", chat=[*CHAT, "calls.elsewhere.test"])
    cli.main()
    ca = x509.load_pem_x509_certificate((home / "ca.crt").read_bytes())
    extension = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical
    assert [name.value for name in extension.value.permitted_subtrees or []] == ["chat.test", "calls.elsewhere.test"]
    assert len(extension.value.excluded_subtrees or []) == 2, "no address at all"


@pytest.mark.parametrize("reason", ["moved away", "key lost", "name outside"])
def test_new_ca_signs_a_new_certificate(certificate_folders: Paths, reason: str) -> None:
    home, _ = certificate_folders
    cli.main()
    before = (home / "ca.crt").read_bytes()
    if reason != "name outside":
        (home / "ca.key").unlink()
    if reason == "moved away":
        (home / "ca.crt").unlink()
    if reason == "name outside":
        settings(home, "selfsigned", chat=[*CHAT, "calls.elsewhere.test"])
    assert cli.main() == 0
    assert (home / "ca.crt").read_bytes() != before
    certificate(home).verify_directly_issued_by(x509.load_pem_x509_certificate((home / "ca.crt").read_bytes()))
