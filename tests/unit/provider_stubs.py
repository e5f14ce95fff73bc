# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS providers for tests: each speaks a part of its interface, as its documentation and lego's client have it."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

ZONE = "friends.test"
Records = dict[tuple[str, str], list[str]]
"""Name and type to addresses."""


class Stub:
    """The records of a provider, and what it has been asked."""

    def __init__(self, records: Records) -> None:
        """Take the records to begin with."""
        self.records = {key: list(addresses) for key, addresses in records.items()}
        self.asked: list[str] = []
        self.place = ""

    def full(self, label: str) -> str:
        """Return a whole name; "@" and "" are the zone."""
        return ZONE if label in ("@", "") else f"{label}.{ZONE}"

    # For providers that number each record: NAME|TYPE|position.
    def numbered(self, name: str, kind: str) -> list[str]:
        """Return the numbers of the records of a name."""
        return [f"{name}|{kind}|{at}" for at in range(len(self.records.get((name, kind), [])))]

    def replace(self, number: str, address: str) -> None:
        """Give a record another address."""
        name, kind, at = number.split("|")
        self.records[name, kind][int(at)] = address

    def add(self, name: str, kind: str, address: str) -> None:
        """Add a record."""
        self.records.setdefault((name, kind), []).append(address)

    def delete(self, number: str) -> None:
        """Delete a record; the others keep their numbers, since the last ones go first or alone."""
        name, kind, at = number.split("|")
        del self.records[name, kind][int(at)]


Answer = tuple[int, Any]
Headers = Mapping[str, str]


def cloudflare(stub: Stub, method: str, path: list[str], query: dict[str, str], headers: Headers, body: Any) -> Answer:
    """Zones and records by numbers; each change is one record."""
    if headers.get("Authorization") != "Bearer right":
        return 403, {"success": False, "errors": [{"code": 9109, "message": "Invalid access token"}]}
    if path == ["zones"]:
        return 200, {"result": [{"id": "z1"}] if query["name"] == ZONE else []}
    assert path[:3] == ["zones", "z1", "dns_records"]
    if method == "GET":
        return 200, {"result": [{"id": number} for number in stub.numbered(query["name"], query["type"])]}
    if method == "POST":
        stub.add(body["name"], body["type"], body["content"])
    elif method == "PATCH":
        stub.replace(path[3], body["content"])
    else:
        assert method == "DELETE"
        stub.delete(path[3])
    assert body is None or body["proxied"] is False
    return 200, {"result": {}}


def desec(stub: Stub, method: str, path: list[str], query: dict[str, str], headers: Headers, body: Any) -> Answer:
    """A family that is not named would get the address of the connection. A zone is asked once a minute."""
    if headers.get("Authorization") != "Token right":
        return 401, "badauth"
    for key, kind in (("myipv4", "A"), ("myipv6", "AAAA")):
        for name in query["hostname"].split(",") if query[key] != "preserve" else ():
            stub.records[name, kind] = query[key].split(",")
    return (200, "good") if len(stub.asked) == 1 else (429, "Request was throttled.")


def duckdns(stub: Stub, method: str, path: list[str], query: dict[str, str], headers: Headers, body: Any) -> Answer:
    """One address for a domain; its zone is duckdns.org, here that of the tests."""
    if query["token"] != "right":
        return 200, "KO"
    for key, kind in (("ip", "A"), ("ipv6", "AAAA")):
        if key in query:
            stub.records[stub.full(query["domains"]), kind] = [query[key]]
    return 200, "OK"


def gandi(stub: Stub, method: str, path: list[str], query: dict[str, str], headers: Headers, body: Any) -> Answer:
    """All records of a name and a type at once."""
    if headers.get("Authorization") != "Bearer right":
        return 403, {"object": "HTTPForbidden", "message": "Access was denied to this resource."}
    assert (method, path[:2], path[2]) == ("PUT", ["domains", ZONE], "records")
    stub.records[stub.full(path[3]), path[4]] = body["rrset_values"]
    assert body["rrset_ttl"] >= 300
    return 201, {"message": "DNS Record Created"}


def hetzner(stub: Stub, method: str, path: list[str], query: dict[str, str], headers: Headers, body: Any) -> Answer:
    """Records are set if there are some of the name and the type, else created."""
    if headers.get("Authorization") != "Bearer right":
        return 401, {"error": {"code": "unauthorized", "message": "unable to authenticate"}}
    assert (method, path[:3]) == ("POST", ["zones", ZONE, "rrsets"])
    created = len(path) == 3
    key = (stub.full(body["name"] if created else path[3]), body["type"] if created else path[4])
    if not created:
        assert path[5:] == ["actions", "set_records"]
        if key not in stub.records:
            return 404, {"error": {"code": "not_found", "message": "rrset not found"}}
    stub.records[key] = [record["value"] for record in body["records"]]
    return 201, {"action": {"status": "running"}}


def inwx(stub: Stub, method: str, path: list[str], query: dict[str, str], headers: Headers, body: Any) -> Answer:
    """A session by a cookie, with a second factor."""
    call, given = body["method"], body["params"]
    if call == "account.login":
        if (given["user"], given["pass"]) != ("operator", "right"):
            return 200, {"code": 2200, "msg": "Authentication error"}
        return 200, {"code": 1000, "resData": {"tfa": "GOOGLE-AUTH"}}
    if headers.get("Cookie") != "domrobot=s1":
        return 200, {"code": 2002, "msg": "Command use error"}
    if call == "account.unlock":
        return 200, {"code": 1000 if len(given["tan"]) == 6 else 2200}
    if call == "nameserver.info":
        found = [{"id": number} for number in stub.numbered(given["name"], given["type"])]
        return 200, {"code": 1000, "resData": {"record": found} if found else {"count": 0}}
    if call == "nameserver.updateRecord":
        stub.replace(given["id"], given["content"])
    elif call == "nameserver.createRecord":
        assert given["domain"] == ZONE
        stub.add(given["name"], given["type"], given["content"])
    elif call == "nameserver.deleteRecord":
        stub.delete(given["id"])
    else:
        assert call == "account.logout"
    return 200, {"code": 1000}


def ovh(stub: Stub, method: str, path: list[str], query: dict[str, str], headers: Headers, body: Any) -> Answer:
    """Requests that are signed over the whole address and the body as it was sent, or have a token."""
    if path == ["token"]:
        return 200, {"access_token": "t1"} if body["client_secret"] == "right" else {}
    if path == ["auth", "time"]:
        return 200, 1_764_600_000
    sent = headers["Sent"] if body is not None else ""
    signed = "+".join(["right", "c1", method, headers["Whole"], sent, headers.get("X-Ovh-Timestamp", "")])
    signature = "$1$" + hashlib.sha1(signed.encode()).hexdigest()
    if signature != headers.get("X-Ovh-Signature") and headers.get("Authorization") != "Bearer t1":
        return 403, {"class": "Client::Forbidden", "message": "Invalid signature"}
    assert path[:3] == ["domain", "zone", ZONE]
    if path[3] == "refresh":
        return 200, None
    if method == "GET":
        return 200, stub.numbered(stub.full(query["subDomain"]), query["fieldType"])
    if method == "POST":
        stub.add(stub.full(body["subDomain"]), body["fieldType"], body["target"])
    elif method == "PUT":
        stub.replace(path[4], body["target"])
    else:
        stub.delete(path[4])
    return 200, None


SPEAKS: dict[str, Callable[[Stub, str, list[str], dict[str, str], Headers, Any], Answer]] = {
    "cloudflare": cloudflare,
    "desec": desec,
    "duckdns": duckdns,
    "gandiv5": gandi,
    "hetzner": hetzner,
    "inwx": inwx,
    "ovh": ovh,
}


@contextmanager
def running(provider: str, records: Records) -> Iterator[Stub]:
    """A provider with these records, until the block ends."""
    stub = Stub(records)

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers by the provider's function."""

        methods: ClassVar = ("GET", "POST", "PUT", "PATCH", "DELETE")

        def answer(self) -> None:
            where = urllib.parse.urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
            body = dict(urllib.parse.parse_qsl(sent)) if form else json.loads(sent) if sent else None
            query = dict(urllib.parse.parse_qsl(where.query, keep_blank_values=True))
            stub.asked.append(f"{self.command} {where.path}")
            path = [part for part in urllib.parse.unquote(where.path).split("/") if part]
            headers = {**dict(self.headers.items()), "Sent": sent, "Whole": stub.place + self.path}
            status, said = SPEAKS[provider](stub, self.command, path, query, headers, body)
            content = (said if isinstance(said, str) else "" if said is None else json.dumps(said)).encode()
            self.send_response(status)
            self.send_header("Set-Cookie", "domrobot=s1; path=/")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    for method in Handler.methods:
        setattr(Handler, f"do_{method}", Handler.answer)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stub.place = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield stub
        finally:
            server.shutdown()
