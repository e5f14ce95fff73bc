# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what the web server serves: the site, host-meta, the provider file, and uploads."""

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
    """Judge host-meta (XEP-0156), in both forms, and the addresses in it."""
    subject, fix = "WebSocket and BOSH", "Run site.yml --tags nginx,ejabberd."
    base = service.url("")
    if service.elsewhere:
        base = f"https://{service.elsewhere}"
        fix = f"Redirect {base}/.well-known/host-meta and host-meta.json to the same paths at {service.url('')}."
    for kind in ("", ".json"):
        path = f"{base}/.well-known/host-meta{kind}"
        answer = await fetch(service, "GET", path)
        if answer.status in (301, 302, 307, 308) and service.elsewhere:
            answer = await fetch(service, "GET", answer.headers.get("location", ""))
        if answer.status != 200:
            return row(subject, FAIL, f"{path} answers {answer.status}", fix)
        if answer.headers.get("access-control-allow-origin") != "*":
            return row(subject, FAIL, f"{path} lacks the header Access-Control-Allow-Origin: *", fix)
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
    return row(subject, PASS, "host-meta lists both, and both answer")


async def provider(service: Service) -> Row:
    """Judge the file for provider directories: it must match the settings."""
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
    return row(subject, PASS, "matches the settings")


async def upload(service: Service, slot: ET.Element) -> Row:
    """Upload a file, and download it as anybody who has the link does."""
    subject = "file upload"
    fix = "On the host: systemctl status nginx, then systemd-tmpfiles --create, and run site.yml --tags nginx."
    places = [slot.find(f".//{{{UPLOAD}}}{verb}") for verb in ("put", "get")]
    put, get = (link.get("url", "") if link is not None else "" for link in places)
    if not put or not get:
        return row(subject, FAIL, "ejabberd grants no upload slot", "Run site.yml --tags nginx,ejabberd.")
    sent = await fetch(service, "PUT", put, {"Content-Type": "application/octet-stream"}, FILE)
    if sent.status not in (200, 201):
        return row(subject, FAIL, f"uploading a file answers {sent.status}", fix)
    came = await fetch(service, "GET", get)
    if came.status != 200 or came.body != FILE:
        return row(subject, FAIL, f"the uploaded file cannot be downloaded: {came.status}", fix)
    return row(subject, PASS, "upload and download work")
