# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that keeps the certificates, run with folders of its own.

Orders by ACME are placed in the scenario `federation`.
"""

from __future__ import annotations

import datetime
import http.client
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from .loading import load

script = load("roles/certificates/templates/usr/local/sbin/xmpp-certificates")
Paths = tuple[Path, Path]


CHAT = ["chat.test", "upload.chat.test"]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return the certificates' folder and the hooks' one, as after `site.yml` with one role that uses them."""
    home, hooks = tmp_path / "certificates", tmp_path / "certificates.d"
    (home / "provided").mkdir(parents=True)
    hooks.mkdir()
    monkeypatch.setattr(script, "HOME", home)
    monkeypatch.setattr(script, "HOOKS", hooks)
    monkeypatch.setattr(script, "LETSENCRYPT", tmp_path / "letsencrypt")
    monkeypatch.setattr(script, "USERS", [tmp_path / "nginx"])
    monkeypatch.setattr(script.shutil, "chown", lambda *_: None)  # the group is made by the role
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates"])
    settings(home, "selfsigned")
    hook(hooks, "echo told >> $(dirname $0)/told")
    return home, hooks


def settings(home: Path, source: str, **domains: list[str]) -> None:
    """Write what the role's template writes; each further domain is given with the names of its certificate."""
    wanted = {"chat.test": CHAT} | {f"{name}.test": names for name, names in domains.items()}
    (home / "settings.json").write_text(json.dumps({"source": source, "domains": wanted}), encoding="utf-8")


def hook(dropins: Path, text: str) -> None:
    """Install a deploy hook."""
    path = dropins / "nginx.hook"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o755)


def certificate(home: Path, domain: str = "chat.test") -> x509.Certificate:
    """Return the certificate in use."""
    return x509.load_pem_x509_certificate((home / domain / "fullchain.pem").read_bytes())


def told(dropins: Path) -> int:
    """Return how many times the hook ran."""
    path = dropins / "told"
    return len(path.read_text(encoding="ascii").splitlines()) if path.exists() else 0


def test_first_run_issues_for_all_names_and_tells_the_users(folders: Paths) -> None:
    home, dropins = folders
    assert script.main() == 0
    assert script.names_of(certificate(home)) == {"chat.test", "upload.chat.test"}
    assert (home / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (home / "chat.test/privkey.pem").stat().st_mode & 0o777 == 0o640
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
        settings(home, "selfsigned", chat=[*CHAT, "muc.chat.test"])
    elif reason == "name gone":
        settings(home, "selfsigned", chat=["chat.test"])
    else:
        later = script.now() + datetime.timedelta(days=61)
        monkeypatch.setattr(script, "now", lambda: later)
    script.main()
    assert certificate(home).serial_number != before.serial_number
    assert (home / "ca.crt").read_bytes() == authority
    assert told(dropins) == 2


def test_authority_is_good_for_this_service_only(folders: Paths) -> None:
    home, _ = folders
    settings(home, "selfsigned", chat=[*CHAT, "calls.elsewhere.test"])
    script.main()
    authority = x509.load_pem_x509_certificate((home / "ca.crt").read_bytes())
    extension = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical
    assert [name.value for name in extension.value.permitted_subtrees or []] == ["chat.test", "calls.elsewhere.test"]
    assert len(extension.value.excluded_subtrees or []) == 2, "no address at all"


@pytest.mark.parametrize("reason", ["moved away", "key lost", "name outside"])
def test_new_authority_signs_a_new_certificate(folders: Paths, reason: str) -> None:
    home, _ = folders
    script.main()
    before = (home / "ca.crt").read_bytes()
    if reason != "name outside":
        (home / "ca.key").unlink()
    if reason == "moved away":
        (home / "ca.crt").unlink()
    if reason == "name outside":
        settings(home, "selfsigned", chat=[*CHAT, "calls.elsewhere.test"])
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
    assert (home / "chat.test/fullchain.pem").read_bytes() == (home / "provided/fullchain.pem").read_bytes()
    assert told(dropins) == 1


# Fails as a service does that cannot use one certificate, and tells what it was shown.
PICKY = """grep -qf "$(dirname $0)/refused" HOME/chat.test/fullchain.pem && { echo 'too weak' >&2; exit 1; }
echo told >> $(dirname $0)/told"""


def refuse(home: Path, hooks: Path, name: str = "chat.test/fullchain.pem") -> None:
    """From now on a service refuses what is in this file."""
    (hooks / "refused").write_text((home / name).read_text(encoding="ascii").splitlines()[3], encoding="ascii")
    hook(hooks, PICKY.replace("HOME", str(home)))


def test_certificate_that_one_service_refuses_is_taken_by_none(
    folders: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was in use is put back and told again; the next run tries once more."""
    home, hooks = folders
    script.main()
    before = {path: path.read_bytes() for path in home.glob("*/*.pem")} | {
        home / "ca.crt": (home / "ca.crt").read_bytes()
    }
    modes = {path: path.stat().st_mode for path in before}
    provide(home, CHAT)
    refuse(home, hooks, "provided/fullchain.pem")
    for runs in (2, 3):
        assert script.main() == 1
        said = capsys.readouterr().err
        assert "nginx.hook: too weak" in said
        assert "have been put back" in said
        assert {path: path.read_bytes() for path in before} == before
        assert {path: path.stat().st_mode for path in before} == modes
        assert told(hooks) == runs
    provide(home, CHAT)
    assert script.main() == 0
    assert (
        certificate(home).public_bytes(script.serialization.Encoding.PEM)
        == (home / "provided/fullchain.pem").read_bytes()
    )


def test_what_is_put_back_may_be_refused_as_well(folders: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """A service that is broken for another reason: it is told again next time."""
    home, hooks = folders
    script.main()
    before = certificate(home)
    provide(home, CHAT)
    hook(hooks, "echo broken >&2; exit 1")
    assert script.main() == 1
    assert "With these, too: " in capsys.readouterr().err
    assert certificate(home) == before
    hook(hooks, "echo told >> $(dirname $0)/told")
    assert script.main() == 0
    assert certificate(home) != before


@pytest.mark.parametrize("end", ["expired", "damaged"])
def test_what_is_of_no_use_any_more_is_not_put_back(folders: Paths, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    home, hooks = folders
    script.main()
    if end == "expired":
        later = script.now() + datetime.timedelta(days=91)
        monkeypatch.setattr(script, "now", lambda: later)
    else:
        (home / "chat.test/fullchain.pem").write_text("nothing", encoding="ascii")
        provide(home, CHAT)
    hook(hooks, "exit 1")
    assert script.main() == 1
    assert certificate(home).not_valid_after_utc > script.now()


def test_certificate_is_younger_than_the_one_before(folders: Paths) -> None:
    """By a whole second at least, or ejabberd would not read it."""
    home, _ = folders
    script.main()
    files = [home / "chat.test" / name for name in ("fullchain.pem", "privkey.pem")]
    for _ in range(3):
        before = [int(path.stat().st_mtime) for path in files]
        provide(home, CHAT)
        script.main()
        assert all(int(path.stat().st_mtime) > then for path, then in zip(files, before, strict=True))


@pytest.mark.parametrize("odd", ["capitals", "CRLF", "mark", "one line", "bag", "parameters"])
def test_provided_files_are_written_as_everybody_reads_them(folders: Paths, odd: str) -> None:
    home, _ = folders
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
    assert script.main() == 0
    assert tuple((home / "chat.test" / path.name).read_bytes() for path in (chain, key)) == wanted


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


def test_each_domain_has_a_certificate_of_its_own_from_one_authority(folders: Paths) -> None:
    home, hooks = folders
    settings(home, "selfsigned", club=["club.test", "muc.club.test"])
    assert script.main() == 0
    authority = x509.load_pem_x509_certificate((home / "ca.crt").read_bytes())
    for domain, names in (("chat.test", CHAT), ("club.test", ["club.test", "muc.club.test"])):
        certificate(home, domain).verify_directly_issued_by(authority)
        assert script.names_of(certificate(home, domain)) == set(names)
    assert told(hooks) == 1


def test_domain_that_is_gone_leaves_nothing_once_no_service_names_it(
    folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, _ = folders
    settings(home, "selfsigned", club=["club.test"])
    script.main()
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx/xmpp.conf").write_text(f"ssl_certificate {home}/club.test/fullchain.pem;", encoding="utf-8")
    settings(home, "selfsigned")
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates", "--prune"])
    assert script.main() == 0
    assert (home / "club.test").exists(), "nginx would not start without it"
    (tmp_path / "nginx/xmpp.conf").unlink()
    assert script.main() == 0
    assert not (home / "club.test").exists()
    assert (home / "chat.test").exists()


def test_own_authority_goes_when_it_is_no_longer_used(folders: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    home, _ = folders
    script.main()
    provide(home, CHAT)
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates", "--prune"])
    assert script.main() == 0
    assert not list(home.glob("ca.*"))


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
        ("first", "there is none yet"),
        ("new name", "the names have changed"),
        ("authority", "the authority has changed"),
        ("challenge", "the challenge has changed"),
        ("key", "its key is to stay over renewals"),
        ("key stays", ""),
        ("near its end", "certbot has not renewed it in time"),
    ],
)
def test_order_needs_a_reason(
    folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reason: str, words: str
) -> None:
    home, _ = folders
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
        later = script.now() + datetime.timedelta(days=75)
        monkeypatch.setattr(script, "now", lambda: later)
    wanted = {
        "directory": "https://other.test/dir" if reason == "authority" else DIRECTORY,
        "authenticator": "manual" if reason == "challenge" else "webroot",
        "keep_key": reason.startswith("key"),
    }
    assert script.why_order("chat.test", names, wanted) == words


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
            f"acme.errors.ClientError: <Response [404]>. {script.LOCAL}",
        ),
    ],
)
def test_failed_order_says_which_name_and_why(output: str, words: str) -> None:
    assert script.complaint(output, DIRECTORY) == words


def test_name_without_an_address_is_named_before_an_order() -> None:
    with pytest.raises(script.CertificateError, match=r"no address is found for nowhere\.invalid .*playbooks/dns\.yml"):
        script.check_resolves(["localhost", "nowhere.invalid"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/.well-known/acme-challenge/token", 200),
        ("/.well-known/acme-challenge/", 404),
        ("/.well-known/acme-challenge/../secret", 404),
        ("/secret", 404),
    ],
)
def test_first_challenges_are_answered_and_nothing_else(tmp_path: Path, path: str, status: int) -> None:
    (tmp_path / ".well-known/acme-challenge").mkdir(parents=True)
    (tmp_path / ".well-known/acme-challenge/token").write_text("answer", encoding="ascii")
    (tmp_path / "secret").write_text("secret", encoding="ascii")
    handler = script.functools.partial(script.ChallengeHandler, directory=str(tmp_path))
    with script.DualStackServer(("", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()  # looks often whether to end
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        connection.request("GET", path)
        assert connection.getresponse().status == status
        server.shutdown()


def test_domain_that_fails_holds_up_no_other(folders: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    home, hooks = folders
    provide(home, CHAT)
    settings(home, "provided", club=["club.test"])
    assert script.main() == 1
    assert "No change to the certificate of club.test" in capsys.readouterr().err
    assert (home / "chat.test/fullchain.pem").exists()
    assert told(hooks) == 1


def test_lineage_that_cannot_be_removed_is_named(
    folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """certbot is gone, and what it had is still there: everything else is done all the same."""
    _, hooks = folders
    (tmp_path / "letsencrypt/renewal").mkdir(parents=True)
    (tmp_path / "letsencrypt/renewal/xmpp_old.test.conf").touch()
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates", "--prune"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert script.main() == 1
    assert "certbot's xmpp_old.test could not be removed" in capsys.readouterr().err
    assert (hooks / "nginx.hook").exists()


def test_private_authority_is_trusted_beside_the_public_ones(
    folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, _ = folders
    monkeypatch.setattr(script, "SYSTEM_ROOTS", tmp_path / "roots")
    (tmp_path / "roots").write_text("public", encoding="ascii")
    (home / "acme-ca.pem").write_text("private", encoding="ascii")
    script.trust()
    assert (home / "acme-roots.pem").read_text(encoding="ascii") == "publicprivate"
    (home / "acme-ca.pem").unlink()
    script.trust()
    assert not (home / "acme-roots.pem").exists()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture(params=[0o077, 0o027, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Root's own, as providers and hardening guides set it."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_services_may_enter_whatever_the_umask(folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home, hooks = folders
    (hooks / "nginx.hook").chmod(0o755)
    webroot = tmp_path / "srv/http"
    monkeypatch.setattr(script, "WEBROOT", webroot)
    monkeypatch.setattr(script, "DualStackServer", lambda *_: Server())
    assert script.main() == 0
    assert [mode(home / "chat.test" / name) for name in ("", "fullchain.pem", "privkey.pem")] == [0o755, 0o644, 0o640]
    assert [mode(home / name) for name in ("ca.crt", "ca.key", "deployed")] == [0o644, 0o600, 0o644]
    with script.challenges_answered():
        assert (mode(webroot), mode(webroot.parent)) == (0o755, 0o755)


class Server:
    """Serves nobody."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def serve_forever(self) -> None: ...

    def shutdown(self) -> None: ...


@pytest.mark.parametrize("shut", ["", "fullchain.pem", "privkey.pem"])
def test_what_an_earlier_run_left_shut_is_opened_and_told(
    folders: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shut: str
) -> None:
    """By a version that took root's umask: the certificate is good, and ejabberd cannot read it."""
    home, hooks = folders
    webroot = tmp_path / "srv/http"
    monkeypatch.setattr(script, "WEBROOT", webroot)
    webroot.mkdir(parents=True)
    script.main()
    path = home / "chat.test" / shut
    wanted, before = mode(path), certificate(home)
    path.chmod(0o700 if not shut else 0o600)
    webroot.chmod(0o700)
    webroot.parent.chmod(0o750)
    capsys.readouterr()
    assert script.main() == 0
    assert json.loads(capsys.readouterr().out)["changed"] is True
    assert (mode(path), mode(webroot), mode(webroot.parent)) == (wanted, 0o755, 0o755)
    assert (certificate(home), told(hooks)) == (before, 2)
    script.main()
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert told(hooks) == 2


def test_file_of_another_user_is_no_configuration_of_ours(
    folders: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer's sandbox cannot read Debian's ejabberd.yml: the folder of a domain that is gone goes all the same."""
    own, foreign = tmp_path / "nginx/own.conf", tmp_path / "nginx/foreign.yml"
    own.parent.mkdir(exist_ok=True)
    for file in (own, foreign):
        file.write_text(f"{tmp_path}/old.test/privkey.pem")
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != foreign and real(path, mode))
    assert script.is_used(tmp_path / "old.test")
    own.unlink()
    assert not script.is_used(tmp_path / "old.test")
