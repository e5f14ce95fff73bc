# SPDX-License-Identifier: GPL-3.0-or-later
"""Web sites that the operator has in nginx are served beside the service."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from ..kit.service import PATIENCE

SITES = "/etc/nginx/sites-enabled"
# Each name of a file that a pattern could miss, since Debian's "default" is left out.
NAMES = ("shop", "d", "def", "defaul", "defaults", "default.conf", "e", "dx")


@pytest.fixture(scope="module")
def sites(host: Host) -> Iterator[None]:
    """Sites of the operator's, one in each file."""
    for name in NAMES:
        host.check_output(
            f"echo 'server {{ listen 80; server_name {name}.shop.test; location / {{ return 200 {name}-is-here; }} }}' "
            f"> {SITES}/{name}"
        )
    host.check_output("systemctl reload nginx")
    yield
    host.check_output(f"cd {SITES} && rm {' '.join(NAMES)} && systemctl reload nginx")


@pytest.fixture(scope="module")
def address(host: Host) -> str:
    """The host's address as the outside sees it."""
    links = json.loads(host.check_output("ip -json -4 address show dev eth0 scope global"))
    return str(links[0]["addr_info"][0]["local"])


def ask(address: str, name: str, body: bytes = b"") -> http.client.HTTPResponse:
    """Return the answer for a name on port 80."""
    asked = http.client.HTTPConnection(address, timeout=PATIENCE)
    asked.request("POST" if body else "GET", "/", body or None, {"Host": name})
    return asked.getresponse()


@pytest.mark.usefixtures("sites")
@pytest.mark.parametrize("name", NAMES)
def test_site_of_the_operators_is_served(address: str, name: str) -> None:
    assert ask(address, f"{name}.shop.test").read().decode() == f"{name}-is-here"


@pytest.mark.usefixtures("sites")
def test_service_goes_on_beside_them(host: Host, address: str) -> None:
    """Debian's own page, which is there as it came, answers to no name."""
    assert host.file(f"{SITES}/default").exists
    answer = ask(address, "unknown.test")
    assert (answer.status, answer.headers["Location"].partition(":")[0]) == (301, "https")


@pytest.mark.usefixtures("sites")
def test_limit_for_what_people_send_is_of_the_service_alone(address: str) -> None:
    """Sites have forms and uploads of their own; nginx takes 1 MiB where nothing is said."""
    large = bytes(100 * 1024)
    assert ask(address, "shop.shop.test", large).status == 200
    assert ask(address, "unknown.test", large).status == 413
