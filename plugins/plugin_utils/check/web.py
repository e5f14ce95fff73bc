# SPDX-License-Identifier: GPL-3.0-or-later
"""What the web server gives: the site, where apps and directories look, and files that people send."""

from __future__ import annotations

import base64
import json
import secrets
from xml.etree import ElementTree as ET

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, Row, row
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.https import fetch
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service

UPLOAD = "urn:xmpp:http:upload:0"
LINKS = {"urn:xmpp:alt-connections:websocket": "WebSocket", "urn:xmpp:alt-connections:xbosh": "BOSH"}
FILE = b"check.yml\n"


async def site(service: Service) -> Row:
    """Judge the web site's start page."""
    answer = await fetch(service, "GET", service.url("/"))
    if answer.status not in (200, 301, 302, 303, 307, 308):
        return row("web site", FAIL, f"answers {answer.status}", "Run site.yml --tags website,nginx.")
    return row("web site", PASS, service.url("/"))


async def links(service: Service) -> Row:
    """Judge host-meta (XEP-0156), in both forms, and where it leads to."""
    subject, fix = "WebSocket and BOSH", "Run site.yml --tags nginx,ejabberd."
    base = service.url("")
    if service.elsewhere:
        base = f"https://{service.elsewhere}"
        fix = f"Let {base}/.well-known/host-meta and host-meta.json lead to the same at {service.url('')}."
    for kind in ("", ".json"):
        path = f"{base}/.well-known/host-meta{kind}"
        answer = await fetch(service, "GET", path)
        if answer.status in (301, 302, 307, 308) and service.elsewhere:
            answer = await fetch(service, "GET", answer.headers.get("location", ""))
        if answer.status != 200:
            return row(subject, FAIL, f"{path} answers {answer.status}", fix)
        if answer.headers.get("access-control-allow-origin") != "*":
            return row(subject, FAIL, f"{path} is not open to web sites (Access-Control-Allow-Origin: *)", fix)
        if kind:
            listed = {link.get("rel", ""): link.get("href", "") for link in json.loads(answer.body)["links"]}
        else:
            listed = {
                link.get("rel", ""): link.get("href", "")
                for link in ET.fromstring(answer.body)  # noqa: S314 (expat refuses entities that explode)
            }
        if not set(LINKS) <= set(listed):
            return row(
                subject,
                FAIL,
                f"{path} lacks {' and '.join(LINKS[rel] for rel in LINKS if rel not in listed)}",
                fix,
            )
    web, bosh = (listed[relation] for relation in LINKS)
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "xmpp",
    }
    answer = await fetch(service, "GET", web.replace("wss:", "https:", 1), upgrade)
    if answer.status != 101 or answer.headers.get("sec-websocket-protocol") != "xmpp":
        return row(subject, FAIL, f"{web} answers {answer.status}", fix)
    answer = await fetch(service, "OPTIONS", bosh, {"Origin": "https://web.example.org"})
    if answer.status not in (200, 204) or answer.headers.get("access-control-allow-origin") != "*":
        return row(subject, FAIL, f"{bosh} answers {answer.status}", fix)
    return row(subject, PASS, "host-meta leads to both")


async def provider(service: Service) -> Row:
    """Judge the file for directories of providers: it must say what is so."""
    subject, fix = "provider file", "Run site.yml --tags website."
    answer = await fetch(service, "GET", service.url("/.well-known/xmpp-provider-v2.json"))
    if answer.status != 200:
        return row(subject, FAIL, f"answers {answer.status}", fix)
    says = json.loads(answer.body)
    wanted = {
        "maximumHttpFileUploadStorageTime": service.settings["upload_days"],
        "maximumMessageArchiveManagementStorageTime": service.settings["archive_days"],
    }
    wrong = [f"{key} is {says.get(key)}, not {value}" for key, value in wanted.items() if says.get(key) != value]
    if wrong:
        return row(subject, FAIL, "; ".join(wrong), fix)
    return row(subject, PASS, "says what the settings say")


async def upload(service: Service, slot: ET.Element) -> Row:
    """Send a file and fetch it, as anybody who gets the link does."""
    subject = "file upload"
    fix = "On the host: systemctl status nginx, then systemd-tmpfiles --create, and run site.yml --tags nginx."
    places = [slot.find(f".//{{{UPLOAD}}}{verb}") for verb in ("put", "get")]
    put, get = (link.get("url", "") if link is not None else "" for link in places)
    if not put or not get:
        return row(subject, FAIL, "ejabberd gives no place to send it to", "Run site.yml --tags nginx,ejabberd.")
    sent = await fetch(service, "PUT", put, {"Content-Type": "application/octet-stream"}, FILE)
    if sent.status not in (200, 201):
        return row(subject, FAIL, f"sending a file is answered {sent.status}", fix)
    came = await fetch(service, "GET", get)
    if came.status != 200 or came.body != FILE:
        return row(subject, FAIL, f"the file sent does not come back: {came.status}", fix)
    return row(subject, PASS, "a file sent comes back")
