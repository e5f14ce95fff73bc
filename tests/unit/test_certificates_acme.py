# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is ordered by ACME, and the error if that fails. The scenario `federation` places orders."""

from __future__ import annotations

import datetime
import functools
import http.client
import threading
from pathlib import Path

import certificates.x509
import pytest
from certificates import acme, files, responder

from .certificates import CHAT, Paths, provide

DIRECTORY = "https://acme.test/dir"
RENEWAL = f"""# renew_before_expiry = 30 days
version = 4.0.0
[renewalparams]
server = {DIRECTORY}
authenticator = webroot
KEPT
[[webroot_map]]
chat.test = /srv/xmpp/http
"""


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("nothing", ""),
        ("first", "there is no certificate yet"),
        ("new name", "the names have changed"),
        ("CA", "the CA has changed"),
        ("challenge", "the challenge has changed"),
        ("key", "renewals must keep the key"),
        ("key stays", ""),
        ("near its end", "certbot has not renewed it in time"),
    ],
)
def test_order_needs_a_reason(
    certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reason: str, words: str
) -> None:
    home, _ = certificate_folders
    provide(home, CHAT)
    live, renewal = (tmp_path / "letsencrypt" / name for name in ("live/xmpp_chat.test", "renewal"))
    live.mkdir(parents=True)
    renewal.mkdir()
    if reason != "first":
        (home / "provided/fullchain.pem").rename(live / "fullchain.pem")
    kept = "reuse_key = True" if reason == "key stays" else ""
    (renewal / "xmpp_chat.test.conf").write_text(RENEWAL.replace("KEPT", kept), encoding="utf-8")
    names = [*CHAT, "muc.chat.test"] if reason == "new name" else CHAT
    if reason == "near its end":
        later = certificates.x509.now() + datetime.timedelta(days=75)
        monkeypatch.setattr(certificates.x509, "now", lambda: later)
    wanted = {
        "directory": "https://other.test/dir" if reason == "CA" else DIRECTORY,
        "authenticator": "manual" if reason == "challenge" else "webroot",
        "keep_key": reason.startswith("key"),
    }
    assert acme.reason_to_order("chat.test", names, wanted) == words


# As certbot 4.0 prints them.
FAILED = """Saving debug log to /var/log/letsencrypt/letsencrypt.log
Account registered.
Requesting a certificate for chat.test and upload.chat.test

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: upload.chat.test
  Type:   dns
  Detail: DNS problem: NXDOMAIN looking up A for upload.chat.test - check that a DNS record exists for this
domain; DNS problem: NXDOMAIN looking up AAAA for upload.chat.test

  Domain: chat.test
  Type:   connection
  Detail: 192.0.2.1: Fetching http://chat.test/.well-known/acme-challenge/x: Timeout

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""
REFUSED = """Saving debug log to /var/log/letsencrypt/letsencrypt.log
An unexpected error occurred:
acme.errors.ClientError: <Response [404]>
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile.
"""


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            FAILED,
            "upload.chat.test: DNS problem: NXDOMAIN looking up A for upload.chat.test - check that a DNS record "
            "exists for this domain; DNS problem: NXDOMAIN looking up AAAA for upload.chat.test (dns); "
            "chat.test: 192.0.2.1: Fetching http://chat.test/.well-known/acme-challenge/x: Timeout (connection)",
        ),
        (
            REFUSED,
            f"no order could be placed at {DIRECTORY} (xmpp_acme_directory): "
            f"acme.errors.ClientError: <Response [404]>. {acme.ADVICE}",
        ),
    ],
)
def test_error_of_a_failed_order_names_the_domain_and_the_cause(output: str, words: str) -> None:
    assert acme.explain(output, DIRECTORY) == words


def test_name_without_an_address_is_reported_before_an_order() -> None:
    with pytest.raises(files.CertificateError, match=r"no address is found for nowhere\.invalid .*playbooks/dns\.yml"):
        acme.check_resolves(["localhost", "nowhere.invalid"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/.well-known/acme-challenge/token", 200),
        ("/.well-known/acme-challenge/", 404),
        ("/.well-known/acme-challenge/../secret", 404),
        ("/secret", 404),
    ],
)
def test_only_challenges_are_answered(tmp_path: Path, path: str, status: int) -> None:
    (tmp_path / ".well-known/acme-challenge").mkdir(parents=True)
    (tmp_path / ".well-known/acme-challenge/token").write_text("answer", encoding="ascii")
    (tmp_path / "secret").write_text("secret", encoding="ascii")
    handler = functools.partial(responder.ChallengeHandler, directory=str(tmp_path))
    with responder.DualStackServer(("", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()  # looks often whether to end
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        connection.request("GET", path)
        assert connection.getresponse().status == status
        server.shutdown()


def test_private_ca_is_trusted_in_addition_to_the_public_ones(
    certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, _ = certificate_folders
    monkeypatch.setattr(acme, "SYSTEM_ROOTS", tmp_path / "roots")
    (tmp_path / "roots").write_text("public", encoding="ascii")
    (home / "acme-ca.pem").write_text("private", encoding="ascii")
    acme.write_roots()
    assert (home / "acme-roots.pem").read_text(encoding="ascii") == "publicprivate"
    (home / "acme-ca.pem").unlink()
    acme.write_roots()
    assert not (home / "acme-roots.pem").exists()
