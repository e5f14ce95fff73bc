# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS provider, whose zones are knot's: by parts of OVHcloud's interface, of Cloudflare's, and of lego's `httpreq`.

Started on the name server with its port and its secret, which is a token (Cloudflare), the secret of the application
and the consumer key (OVHcloud), or the password of "operator" (httpreq).
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import subprocess
import sys
import time
import urllib.parse
from http import HTTPStatus
from typing import Any

PORT, SECRET = int(sys.argv[1]), sys.argv[2]
BASIC = "Basic " + base64.b64encode(f"operator:{SECRET}".encode()).decode()
ZONES = ("alpha.test", "beta.test", "gamma.test")
Record = tuple[str, str, str, str]
"""Zone, name, type, content."""
# Their number is their place here.
RECORDS: list[Record] = []
# OVHcloud changes a zone when it is refreshed.
WAITING: list[tuple[str, ...]] = []


def knotc(*words: str) -> str:
    """Return what knot answers to a command."""
    return subprocess.run(["/usr/sbin/knotc", *words], check=True, capture_output=True, text=True).stdout


def change(zone: str, *steps: tuple[str, ...]) -> None:
    """Have knot change a zone."""
    knotc("zone-begin", zone)
    for verb, *words in steps:
        knotc(verb, zone, *words)
    knotc("zone-commit", zone)


def content(kind: str, given: str) -> str:
    """Return the content of a record as knot takes it."""
    return '"{}"'.format(given.strip('"')) if kind == "TXT" else given


def number(record: Record) -> int:
    """Return the number of a record."""
    if record not in RECORDS:
        RECORDS.append(record)
    return RECORDS.index(record)


def found(zone: str, name: str, kind: str) -> list[int]:
    """Return the numbers of a name's records. Knot prints a line for each: [zone] name TTL type content."""
    lines = [line.split() for line in knotc("zone-read", zone).splitlines()]
    return [number((zone, name, kind, line[4])) for line in lines if line[1::2] == [f"{name}.", kind]]


def added(record: Record, ttl: int) -> tuple[str, ...]:
    """Return the step that adds a record."""
    _, name, kind, given = record
    return ("zone-set", f"{name}.", str(ttl), kind, content(kind, given))


def removed(record: Record) -> tuple[str, ...]:
    """Return the step that removes a record."""
    _, name, kind, given = record
    return ("zone-unset", f"{name}.", kind, content(kind, given))


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    def answer(self, body: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Send JSON."""
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def do_GET(self) -> None:
        """Hand a request to one of the interfaces."""
        where = urllib.parse.urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        body = json.loads(sent) if sent else {}
        query = dict(urllib.parse.parse_qsl(where.query))
        interface, *path = where.path.strip("/").split("/")
        if interface == "1.0":
            self.ovh(path, query, body, sent)
        elif interface == "client":
            self.cloudflare(path[2:], query, body)
        else:
            self.httpreq(interface, body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # the library's names

    def ovh(self, path: list[str], query: dict[str, str], body: dict[str, Any], sent: str) -> None:
        """OVHcloud: each request is signed; a name is told without its zone, which changes when it is refreshed."""
        if path == ["auth", "time"]:
            self.answer(int(time.time()))
            return
        whole = f"http://{self.headers['Host']}{self.path}"
        signed = "+".join([SECRET, SECRET, self.command, whole, sent, self.headers["X-Ovh-Timestamp"]])
        if self.headers["X-Ovh-Signature"] != "$1$" + hashlib.sha1(signed.encode()).hexdigest():
            self.answer({"class": "Client::BadRequest", "message": "Invalid signature"}, HTTPStatus.BAD_REQUEST)
            return
        zone, verb, *rest = path[2:]
        label = query.get("subDomain", body.get("subDomain", ""))
        name = f"{label}.{zone}" if label else zone
        if verb == "refresh":
            change(zone, *WAITING)
            WAITING.clear()
            self.answer(None)
        elif self.command == "GET":
            self.answer(found(zone, name, query["fieldType"]))
        elif self.command == "POST":
            record = (zone, name, body["fieldType"], body["target"])
            WAITING.append(added(record, body["ttl"]))
            self.answer({**body, "id": number(record), "zone": zone})
        else:
            record = RECORDS[int(rest[0])]
            WAITING.append(removed(record))
            if self.command == "PUT":
                WAITING.append(added((*record[:3], body["target"]), body["ttl"]))
            self.answer(None)

    def cloudflare(self, path: list[str], query: dict[str, str], body: dict[str, Any]) -> None:
        """Cloudflare: zones and records have numbers."""
        result: Any
        if self.headers["Authorization"] != f"Bearer {SECRET}":
            errors = [{"code": 9109, "message": "Invalid access token"}]
            self.answer({"success": False, "errors": errors, "messages": [], "result": None}, HTTPStatus.FORBIDDEN)
            return
        if not path:
            result = [{"id": zone, "name": zone} for zone in ZONES if zone == query["name"]]
        elif self.command == "GET":
            result = [{"id": str(one)} for one in found(path[0], query["name"], query["type"])]
        elif self.command == "POST":
            record = (path[0], body["name"], body["type"], content(body["type"], body["content"]))
            change(path[0], added(record, 1))
            result = {"id": str(number(record))}
        else:
            change(path[0], removed(RECORDS[int(path[2])]))
            result = {"id": path[2]}
        self.answer({"success": True, "errors": [], "messages": [], "result": result})

    def httpreq(self, verb: str, body: dict[str, Any]) -> None:
        """lego: the record of a challenge is there, or gone."""
        if self.headers["Authorization"] != BASIC:
            self.answer({}, HTTPStatus.UNAUTHORIZED)
            return
        zone = ".".join(body["fqdn"].split(".")[-3:-1])
        record = (zone, body["fqdn"].rstrip("."), "TXT", body["value"])
        change(zone, added(record, 1) if verb == "present" else removed(record))
        self.answer({})


http.server.HTTPServer(("", PORT), Provider).serve_forever()
