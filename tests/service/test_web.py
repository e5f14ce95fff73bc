# SPDX-License-Identifier: GPL-3.0-or-later
"""The way in through HTTPS: browsers' clients, and what the site says about the service."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import ssl
import time
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from ..kit.clients import login
from ..kit.erlang import FORGIVE, run_in_erlang
from ..kit.service import PATIENCE, Account, Register, Service
from ..kit.stream import CLIENT, STREAMS, connected
from ..kit.web import BIND, FRAMING, HTTPBIND, LINKS, assert_link_works, authenticate, linked, login_over_websocket

GUESSES = 60  # at once
DAWDLERS = 60  # at registration, of one address
STYLES = "/register/register.css"  # of the form without scripts
BODIES = "/var/lib/nginx/body"


def message(to: str, text: str) -> str:
    return f"<message xmlns='jabber:client' to='{to}' type='chat'><body>{text}</body></message>"


async def test_login_and_message_over_websocket(service: Service, register: Register) -> None:
    """RFC 7395, as a client in a browser does it, from a page of any site."""
    alice, bob = register(2)
    text = secrets.token_hex(12)
    async with (
        login(service, bob) as receiver,
        service.web() as web,
        web.ws_connect(f"wss://{service.domain}/ws", protocols=("xmpp",), origin="https://web.example.org") as socket,
    ):
        await receiver.online()
        assert socket.protocol == "xmpp"

        async def read() -> ET.Element:
            return ET.fromstring(await socket.receive_str(timeout=PATIENCE))

        async def exchange(xml: str) -> ET.Element:
            await socket.send_str(xml)
            return await read()

        async def open_stream() -> ET.Element:
            opened = await exchange(f"<open xmlns='{FRAMING}' to='{service.domain}' version='1.0'/>")
            assert opened.tag == f"{{{FRAMING}}}open"
            features = await read()
            assert features.tag == f"{STREAMS}features"
            return features

        await open_stream()
        await authenticate(exchange, alice)
        await open_stream()
        bound = (await exchange(BIND)).findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid", "")
        await socket.send_str(message(bob.jid, text))
        await receiver.hear(text)
        receiver.say(bound, f"re: {text}")
        assert (await read()).findtext(f"{CLIENT}body") == f"re: {text}"


async def test_websocket_refuses_a_wrong_password(service: Service, register: Register) -> None:
    (alice,) = register(1)
    with pytest.raises(AssertionError, match="not-authorized"):
        await login_over_websocket(service, Account(alice.name, "not the password"))


@pytest.mark.attack("guessing passwords")
@pytest.mark.usefixtures("forgiven")
async def test_guesses_over_websocket_count_with_the_others(service: Service, register: Register) -> None:
    """nginx tells an address of IPv4 as it is, a listener for both families as one of IPv6."""
    (owner,) = register(1)
    run_in_erlang(service, FORGIVE)
    guesser = Account(owner.name, "not the password")
    for _ in range(GUESSES):
        with pytest.raises(AssertionError, match="not-authorized"):
            await login_over_websocket(service, guesser)
    with pytest.raises(AssertionError, match="Too many wrong passwords"):
        await login_over_websocket(service, owner)
    with connected(service) as stream:
        stream.starttls()
        answer = stream.authenticate("PLAIN", f"\0{owner.name}\0{owner.password}".encode())
    assert "Too many wrong passwords" in "".join(answer.itertext())


async def test_login_and_message_over_bosh(service: Service, register: Register) -> None:
    """XEP-0206, for what lets nothing but requests through."""
    alice, bob = register(2)
    text = secrets.token_hex(12)
    request_id = secrets.randbelow(2**32)
    async with login(service, bob) as receiver, service.web() as web:
        await receiver.online()

        async def post(attributes: str, inside: str = "") -> ET.Element:
            nonlocal request_id
            request_id += 1
            body = f"<body xmlns='{HTTPBIND}' rid='{request_id}' {attributes}>{inside}</body>"
            headers = {"Content-Type": "text/xml; charset=utf-8"}
            async with web.post(f"https://{service.domain}/bosh", data=body.encode(), headers=headers) as answer:
                assert answer.status == 200
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
                return ET.fromstring(await answer.text())

        xmpp = "xmlns:xmpp='urn:xmpp:xbosh'"
        session = await post(
            f"to='{service.domain}' xml:lang='en' wait='5' hold='1' ver='1.6' xmpp:version='1.0' {xmpp}"
        )
        sid = f"sid='{session.get('sid')}'"

        async def exchange(xml: str) -> ET.Element:
            answer = await post(sid, xml)
            while len(answer) == 0:
                assert answer.get("type") != "terminate", ET.tostring(answer)
                answer = await post(sid)
            return answer[0]

        await authenticate(exchange, alice)
        features = await post(f"{sid} to='{service.domain}' xmpp:restart='true' {xmpp}")
        assert features.find(f"{STREAMS}features") is not None, ET.tostring(features)
        assert (await exchange(BIND)).get("type") == "result"
        await post(f"{sid} type='terminate'", message(bob.jid, text))
        await receiver.hear(text)


@pytest.mark.parametrize("path", ["/bosh", "/ws", STYLES])
async def test_body_that_is_passed_on_is_not_written_to_the_disk(service: Service, path: str) -> None:
    """The largest one there may be. nginx unlinks such a file at once, so only the time of the folder tells."""
    ask = f"stat --format=%y {BODIES}"
    before = service.host.check_output(ask)
    answer = await service.fetch("POST", f"https://{service.domain}{path}", data=bytes(64 * 1024))
    assert answer.status not in (413, 429, 502)
    assert service.host.check_output(ask) == before
    too_large = await service.fetch("POST", f"https://{service.domain}{path}", data=bytes(64 * 1024 + 1))
    assert too_large.status == 413


@pytest.mark.attack("requests, handshakes and streams that never end")
async def test_bodies_without_an_end_take_a_number_of_places(service: Service) -> None:
    """A byte now and then keeps nginx waiting. Whoever does that at registration keeps nobody from logging in."""
    url = f"https://{service.domain}{STYLES}"
    deadline = time.monotonic() + PATIENCE
    begun = f"POST {STYLES} HTTP/1.1\r\nHost: {service.domain}\r\nContent-Length: 60000\r\n\r\n"
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(service.connect_tls(service.domain)) for _ in range(DAWDLERS)]
        for link in links[1:]:
            link.sendall(begun.encode())
        assert (await service.fetch("GET", url)).status == 200
        links[0].sendall(begun.encode())
        while (await service.fetch("GET", url)).status != 429:
            assert time.monotonic() < deadline, "there are more places"
            for link in links:
                link.sendall(b"x")
        assert (await service.fetch("GET", f"https://{service.domain}/ws")).status == 200
    while (await service.fetch("GET", url)).status != 200:
        assert time.monotonic() < deadline, "their places stay taken"


@pytest.mark.parametrize("kind", ["", ".json"])
async def test_host_meta_leads_to_what_works(service: Service, kind: str) -> None:
    """A web client is given only the domain; it finds the rest here."""
    links = await linked(service, kind)
    for relation, scheme in LINKS.items():
        assert links[relation].startswith(scheme)
        await assert_link_works(service, relation, links[relation])


async def test_security_txt_says_whom_to_tell(service: Service) -> None:
    """RFC 9116: where to report a hole, valid today and for a while."""
    answer = await service.fetch("GET", f"https://{service.domain}/.well-known/security.txt")
    assert answer.status == 200
    assert answer.headers["content-type"].split(";")[0] == "text/plain"
    fields = [line.split(": ", 1) for line in answer.body.decode().splitlines() if ": " in line]
    values = {name: value for name, value in fields if not name.startswith("#")}
    assert values["Contact"].startswith(("mailto:", "xmpp:", "https:"))
    assert datetime.fromisoformat(values["Expires"]) > datetime.now(UTC)


async def test_start_page_answers(service: Service) -> None:
    """By way of the reader's language."""
    async with service.web() as web, web.get(f"https://{service.domain}/") as answer:
        assert answer.status == 200
        assert answer.url.host == service.domain
        assert answer.content_type == "text/html"


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("page", ["", "faq/", "rooms/", "notices/", "contact/", "terms/", "privacy/"])
async def test_page_of_the_site_answers(service: Service, language: str, page: str) -> None:
    """In its language, with nothing that a script could do; without its last slash it is found as well."""
    url = f"https://{service.domain}/{language}/{page}"
    answer = await service.fetch("GET", url)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f'<html lang="{language}">'.encode() in answer.body
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'")
    assert "script-src" not in policy
    assert "set-cookie" not in answer.headers
    short = await service.fetch("GET", url.removesuffix("/"))
    assert (short.status, short.headers["location"]) == (301, f"/{language}/{page}")


@pytest.mark.parametrize("language", ["de", "en"])
async def test_feed_of_notices_answers(service: Service, language: str) -> None:
    answer = await service.fetch("GET", f"https://{service.domain}/{language}/notices/feed.atom")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/atom+xml"
    assert ET.fromstring(answer.body).tag == "{http://www.w3.org/2005/Atom}feed"


async def test_status_is_good_while_nothing_is_announced(service: Service) -> None:
    """XEP-0455: an empty object."""
    answer = await service.fetch("GET", f"https://{service.domain}/status.json")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {}


async def test_provider_file_tells_what_the_server_does(service: Service) -> None:
    """Quota and deadlines are those that are in force on the host."""
    answer = await service.fetch("GET", f"https://{service.domain}/.well-known/xmpp-provider-v2.json")
    assert answer.headers["content-type"] == "application/json"
    told = json.loads(answer.body)
    quota = re.search(r"quota_mib: (\d+)", service.host.file("/etc/ejabberd/xmpp.yml").content_string)
    uploads = re.search(r"data .* cB:(\d+)d", service.host.file("/etc/tmpfiles.d/xmpp-upload.conf").content_string)
    archive = re.search(r"/expire-messages (\d+)", service.host.check_output("systemctl cat xmpp-expire.service"))
    assert quota
    assert uploads
    assert archive
    assert told["maximumHttpFileUploadTotalSize"] == int(quota[1]) * 1024**2 // 1000**2  # MB, not MiB
    assert told["maximumHttpFileUploadStorageTime"] == int(uploads[1])
    assert told["maximumMessageArchiveManagementStorageTime"] == int(archive[1])
    for url in told["website"].values():
        assert (await service.fetch("GET", url)).status == 200


async def test_plain_http_leads_to_https(service: Service) -> None:
    """To our own name, whatever name was asked for."""
    for name in (service.domain, "evil.example.org"):
        answer = await service.fetch("GET", f"http://{service.address}/page", headers={"Host": name})
        assert answer.status in (301, 308)
        assert answer.headers["location"] == f"https://{service.domain}/page"


def test_foreign_name_gets_no_certificate(service: Service) -> None:
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        service.connect_tls("example.org")


@pytest.mark.attack("the administration socket")
@pytest.mark.parametrize(
    "path",
    [
        "/api/status",
        "/api/registered_users?host=site.test",
        "/api/register?user=mallory&host=site.test&password=x",
        "/admin/",
        "/oauth/authorization_token",
        "/register/new",
        "/ws/../api/status",
        "/bosh/../admin/",
        "/ws/",
        "/upload/",
        "/.git/config",
        "/ws%2f..%2fapi%2fstatus",
    ],
)
@pytest.mark.parametrize("label", ["", "upload", "muc"])
async def test_administration_is_not_on_the_web(service: Service, path: str, label: str) -> None:
    """No path, by no name, leads to ejabberd's API or its web administration."""
    name = service.name(label) if label else service.domain
    try:
        answer = await service.fetch("GET", f"https://{name}{path}")
    except aiohttp.ClientConnectorError:
        assert label == "muc"  # a name without a web site
        return
    assert answer.status in (400, 403, 404)
    assert b"ejabberd" not in answer.body.lower()


def test_certificate_names_every_part(service: Service) -> None:
    """A neighbour server or a client that looks up a component meets its name in the certificate."""
    names = [service.domain, *(service.name(label) for label in ("muc", "upload", "turn", "proxy", "pubsub"))]
    with service.connect_tls(service.domain) as connection:
        certificate = connection.getpeercert()
    assert certificate is not None
    assert {("DNS", name) for name in names} <= set(certificate.get("subjectAltName", ()))
