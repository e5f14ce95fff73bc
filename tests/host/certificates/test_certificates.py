# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates on the host: all names, a key that only its users read, a renewal that nobody has to remember."""

from __future__ import annotations

import json
import shlex

import pytest
from testinfra.host import Host

HOME = "/etc/xmpp/certificates"
# Takes the certificate away again and again, and asks each port which one it shows, at once, twenty times.
CHANGES = f"""
import json, pathlib, socket, ssl, subprocess
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
domain = next(iter(json.loads(pathlib.Path("{HOME}/settings.json").read_text())["domains"]))
file = pathlib.Path("{HOME}", domain, "fullchain.pem")
own = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()[0]
for _ in range(2):
    file.unlink()
    subprocess.run(["xmpp-certificates"], check=True, capture_output=True)
    end = "-----END CERTIFICATE-----"
    wanted = ssl.PEM_cert_to_DER_cert(file.read_text().partition(end)[0] + end)
    for port in (443, 5223, 5270, 5349) * 20:
        with context.wrap_socket(socket.create_connection((own, port), 10), server_hostname=domain) as link:
            if link.getpeercert(binary_form=True) != wanted:
                print(port, end=" ")
"""


@pytest.fixture(scope="module")
def domain(host: Host) -> str:
    """The first domain of the service."""
    return str(next(iter(json.loads(host.check_output(f"cat {HOME}/settings.json"))["domains"])))


@pytest.mark.parametrize("component", ["", "muc.", "upload.", "turn.", "proxy.", "pubsub."])
def test_certificate_covers_every_component(host: Host, domain: str, component: str) -> None:
    names = host.check_output(f"openssl x509 -in {HOME}/{domain}/fullchain.pem -noout -ext subjectAltName")
    assert f"DNS:{component}{domain}" in names.replace(",", " ").split()


@pytest.mark.parametrize("user", ["ejabberd", "turnserver", "www-data", "nobody"])
def test_key_is_closed_to_accounts(host: Host, domain: str, user: str) -> None:
    """Services get it by the group that their unit adds, and nobody by the account alone."""
    assert host.file(f"{HOME}/{domain}/privkey.pem").exists
    assert host.run(f"runuser -u {user} -- cat {HOME}/{domain}/privkey.pem").rc != 0


def test_key_of_the_authority_is_root_s_alone(host: Host) -> None:
    key = host.file(f"{HOME}/ca.key")
    assert (key.user, key.mode) == ("root", 0o600)


def test_renewal_runs_by_itself_and_changes_nothing_now(host: Host, domain: str) -> None:
    assert host.service("xmpp-certificates.timer").is_running
    before = host.file(f"{HOME}/{domain}/fullchain.pem").sha256sum
    host.check_output("systemctl start xmpp-certificates.service")
    assert host.file(f"{HOME}/{domain}/fullchain.pem").sha256sum == before


def test_everybody_shows_a_new_certificate_once_it_is_there(host: Host) -> None:
    """A reload ends when it is in force; also one soon after another, in the same second of the files' time."""
    assert host.check_output(shlex.join(["python3", "-c", CHANGES])) == ""


def test_certificate_that_a_service_cannot_use_is_taken_by_none(host: Host, domain: str) -> None:
    """One that no front door has seen. nginx and coturn take it, and ejabberd passes over it without a word."""
    settings, provided = f"{HOME}/settings.json", f"{HOME}/provided"
    names = ",".join(f"DNS:{name}" for name in json.loads(host.check_output(f"cat {settings}"))["domains"][domain])
    files = f"sha256sum {HOME}/{domain}/*.pem"
    before = host.check_output(files)
    try:
        host.check_output(
            f"cp --preserve {settings} /run/settings.json && sed -i s/selfsigned/provided/ {settings} && "
            f"mkdir {provided} && "
            f"openssl req -x509 -newkey ed25519 -noenc -days 9 -subj /CN=x -addext subjectAltName={names} "
            f"-keyout {provided}/privkey.pem -out {provided}/fullchain.pem"
        )
        done = host.run("xmpp-certificates")
        after = host.check_output(files)
    finally:
        host.check_output(f"cp --preserve /run/settings.json {settings} && rm -r {provided} && xmpp-certificates")
    assert done.rc == 1
    assert "certificates.d/ejabberd.hook: " in done.stderr
    assert "Port 5222 of ejabberd.service: " in done.stderr
    assert "Rolled back to the previous certificates." in done.stderr
    assert "Failed with the previous certificates too" not in done.stderr
    assert after == before
