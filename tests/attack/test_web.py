# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP as no browser speaks it: foreign names and addresses, detours, and what the upload host is not."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl

import pytest

from ..kit.service import Service
from .neighbour import Neighbour

PLAIN = "/register/plain/"
TOO_MANY = 25
SECONDS = 3


def say(service: Service, request: str, port: int = 443, name: str = "") -> tuple[int, str]:
    """A request letter by letter; status and text of what is answered, or 0 and "" if that is nothing."""
    with contextlib.ExitStack() as stack:
        link: socket.socket
        if port == 80:
            link = stack.enter_context(socket.create_connection((service.address, 80), timeout=SECONDS))
        else:
            link = stack.enter_context(service.connect_tls(name or service.domain))
        link.sendall(request.encode())
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
            while part := link.recv(65536):
                answer += part
    if not answer:
        return 0, ""
    return int(answer.split()[1]), answer.decode("latin-1")


DETOURS = [
    "CONNECT {inner}",
    "GET http://{inner}/",
    "GET //{inner}/",
    "GET /http://{inner}/",
    "GET @{inner}/",
    "GET /%2f{inner}/",
    "GET /.well-known/@{inner}/",
    "GET http://unix:/run/ejabberd/api.sock",
]


@pytest.mark.attack("the web server as a proxy, request smuggling")
@pytest.mark.parametrize("port", [80, 443])
def test_web_server_is_no_proxy(service: Service, neighbour: Neighbour, port: int) -> None:
    """Whatever is asked for, no connection leaves the host, and nobody is led elsewhere."""
    inner = f"{neighbour.address}:8000"
    answers = {}
    with neighbour.listening(8000) as heard:
        for detour in DETOURS:
            for name in (inner, service.domain):
                request = f"{detour.format(inner=inner)} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
                status, text = say(service, request, port)
                led = re.findall(r"^location: (\S+)", text, re.IGNORECASE | re.MULTILINE)
                home = all(re.match(rf"https://{service.domain}/|/(?!/)", place) for place in led)
                answers[request] = status if home else led
    assert heard == []
    assert {
        request: answer for request, answer in answers.items() if answer not in (0, 301, 302, 400, 404, 405, 421)
    } == {}


@pytest.mark.attack("forged `Host`, `X-Forwarded-For` and the like")
@pytest.mark.parametrize("port", [80, 443])
@pytest.mark.parametrize(
    "claimed", ["evil.example", "upload.site.test.evil.example", "127.0.0.1", "localhost", "site.test@evil.example", ""]
)
def test_foreign_host_header_is_not_repeated(service: Service, port: int, claimed: str) -> None:
    """A poisoned cache, a link in an answer: all that begins with a name that the server took from a stranger."""
    status, text = say(
        service,
        f"GET /page HTTP/1.1\r\nHost: {claimed}\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n",
        port,
    )
    assert status in (0, 301, 302, 400, 404, 421), text
    assert "evil.example" not in text


SMUGGLED = {
    "two lengths": "Content-Length: 4\r\nContent-Length: 50\r\n\r\nabcd",
    "length and chunks": "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "chunks in disguise": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /api/ HTTP/1.1\r\nHost: site.test\r\n\r\n",
    "line within a header": "X: a\nTransfer-Encoding: chunked\r\n \r\n\r\n",
    "many headers": "".join(f"X-{number}: {'x' * 1000}\r\n" for number in range(100)) + "\r\n",
    "a large header": f"X: {'x' * 100_000}\r\n\r\n",
}


@pytest.mark.attack("the web server as a proxy, request smuggling")
@pytest.mark.parametrize("kind", SMUGGLED)
def test_request_in_two_minds_is_refused(service: Service, kind: str) -> None:
    """Two servers in a row must not understand one request as two."""
    status, text = say(service, f"POST /bosh HTTP/1.1\r\nHost: {service.domain}\r\n{SMUGGLED[kind]}")
    assert status in (0, 400, 411, 414, 431, 501), text
    assert text.count("HTTP/1.1 ") <= 1


CLAIMS = [
    "X-Forwarded-For: {}",
    "X-Real-IP: {}",
    "Forwarded: for={}",
    "CF-Connecting-IP: {}",
    "True-Client-IP: {}",
    "Client-IP: {}",
]


@pytest.mark.attack("forged `Host`, `X-Forwarded-For` and the like")
def test_claimed_address_is_not_believed(service: Service, neighbour: Neighbour) -> None:
    """Limits count by the address that is really there: they do not start again with each claim."""
    wanted = {"address": service.address, "name": service.domain, "path": PLAIN, "count": TOO_MANY, "headers": CLAIMS}
    statuses = neighbour.run("claims", wanted)
    assert (statuses[0], statuses[-1]) == (200, 429)


INNER = [
    "/",
    "/ws",
    "/bosh",
    "/api/status",
    PLAIN,
    "/captcha/1/image",
    "/.well-known/host-meta",
    "/upload",
    "/en/",
    "/data/",
    "/tmp/",
]


@pytest.mark.attack("uploads that a browser would run")
@pytest.mark.parametrize("path", INNER)
async def test_upload_host_has_nothing_but_files(service: Service, path: str) -> None:
    """So that a file, whatever is in it, has nothing of the site or the server at hand."""
    answer = await service.fetch(
        "GET", f"https://{service.name('upload')}{path}", headers={"Upgrade": "websocket", "Connection": "Upgrade"}
    )
    assert answer.status == 404
    assert "set-cookie" not in answer.headers


@pytest.mark.attack("uploads that a browser would run")
@pytest.mark.parametrize("label", ["muc", "pubsub", "proxy", "turn", "vjud", "conference"])
def test_other_names_have_no_web_site(service: Service, label: str) -> None:
    """Not even a handshake, also without a name. (As browsers ask; with others, the relay's name may lead to calls.)"""
    for name in (service.name(label), None):
        context = service.tls("h2", "http/1.1")
        context.check_hostname = False
        with (
            socket.create_connection((service.address, 443), timeout=SECONDS) as plain,
            pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"),
        ):
            context.wrap_socket(plain, server_hostname=name)


@pytest.mark.attack("the administration socket")
def test_socket_of_the_administration_is_for_root(service: Service) -> None:
    """Neither the web server nor the relay nor a stranger on the host opens it, and it is nowhere else."""
    ask = "import socket; socket.socket(socket.AF_UNIX).connect('/run/ejabberd/api.sock')"
    for user in ("www-data", "turnserver", "nobody"):
        tried = service.host.run(f'runuser -u {user} -- python3 -c "{ask}"')
        assert tried.rc != 0, user
        assert "PermissionError" in tried.stderr or "FileNotFoundError" in tried.stderr, tried.stderr
