# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in over the web: the links that lead there (XEP-0156), and a login there."""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from xml.etree import ElementTree as ET

from .scram import Scram
from .service import PATIENCE, Account, Service
from .stream import SASL

Exchange = Callable[[str], Awaitable[ET.Element]]
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
HTTPBIND = "http://jabber.org/protocol/httpbind"
XRD = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}"
LINKS = {
    "urn:xmpp:alt-connections:websocket": "wss://",
    "urn:xmpp:alt-connections:xbosh": "https://",
}
BIND = "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"


async def authenticate(exchange: Exchange, account: Account) -> None:
    """Logs in by SCRAM over whatever carries the elements."""
    scram = Scram("SCRAM-SHA-512", account, None)
    first = base64.b64encode(scram.first()).decode()
    challenge = await exchange(f"<auth xmlns='{SASL[1:-1]}' mechanism='SCRAM-SHA-512'>{first}</auth>")
    assert challenge.tag == f"{SASL}challenge", ET.tostring(challenge)
    final = base64.b64encode(scram.final(base64.b64decode(challenge.text or ""))).decode()
    success = await exchange(f"<response xmlns='{SASL[1:-1]}'>{final}</response>")
    assert success.tag == f"{SASL}success", ET.tostring(success)
    scram.verify(base64.b64decode(success.text or ""))


async def login_over_websocket(service: Service, account: Account) -> None:
    """Logs in as a client in a browser does (RFC 7395), no further."""
    async with over_websocket(service) as exchange:
        await authenticate(exchange, account)


@contextlib.asynccontextmanager
async def over_websocket(service: Service) -> AsyncIterator[Exchange]:
    """A stream before its login."""
    async with (
        service.web() as web,
        web.ws_connect(f"wss://{service.domain}/ws", protocols=("xmpp",)) as socket,
    ):

        async def exchange(xml: str) -> ET.Element:
            await socket.send_str(xml)
            return ET.fromstring(await socket.receive_str(timeout=PATIENCE))

        await exchange(f"<open xmlns='{FRAMING}' to='{service.domain}' version='1.0'/>")
        await socket.receive_str(timeout=PATIENCE)
        yield exchange


@contextlib.asynccontextmanager
async def over_bosh(service: Service) -> AsyncIterator[Exchange]:
    """The same in requests (XEP-0206)."""
    request_id = secrets.randbelow(2**32)
    async with service.web() as web:

        async def post(attributes: str, inside: str = "") -> ET.Element:
            nonlocal request_id
            request_id += 1
            body = f"<body xmlns='{HTTPBIND}' rid='{request_id}' {attributes}>{inside}</body>"
            async with web.post(f"https://{service.domain}/bosh", data=body.encode()) as answer:
                assert answer.status == 200
                return ET.fromstring(await answer.text())

        begun = f"to='{service.domain}' xml:lang='en' wait='5' hold='1' ver='1.6'"
        session = await post(f"{begun} xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'")
        sid = f"sid='{session.get('sid')}'"

        async def exchange(xml: str) -> ET.Element:
            answer = await post(sid, xml)
            while len(answer) == 0:
                assert answer.get("type") != "terminate", ET.tostring(answer)
                answer = await post(sid)
            return answer[0]

        yield exchange
        await post(f"{sid} type='terminate'")


async def linked(service: Service, kind: str) -> dict[str, str]:
    """The links of host-meta (XEP-0156), by their relation."""
    answer = await service.fetch("GET", f"https://{service.domain}/.well-known/host-meta{kind}")
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    if kind == ".json":
        assert answer.headers["content-type"].split(";")[0] in ("application/json", "application/jrd+json")
        async with service.web() as web, web.get(f"https://{service.domain}/.well-known/host-meta.json") as page:
            links = (await page.json(content_type=None))["links"]
    else:
        assert answer.headers["content-type"].split(";")[0] == "application/xrd+xml"
        links = [link.attrib for link in ET.fromstring(answer.body).iter(f"{XRD}Link")]
    return {link["rel"]: link["href"] for link in links}


async def assert_link_works(service: Service, relation: str, url: str) -> None:
    if relation.endswith(":websocket"):
        async with service.web() as web, web.ws_connect(url, protocols=("xmpp",)) as socket:
            assert socket.protocol == "xmpp"
    elif relation.endswith(":xbosh"):
        answer = await service.fetch("OPTIONS", url, headers={"Origin": "https://web.example.org"})
        assert answer.status in (200, 204)
        assert answer.headers["access-control-allow-origin"] == "*"
