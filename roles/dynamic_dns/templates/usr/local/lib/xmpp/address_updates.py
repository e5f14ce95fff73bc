# SPDX-License-Identifier: GPL-3.0-or-later
"""Change A and AAAA records at DNS providers, by the interface of each: for the program beside this file.

UPDATES has a function for each provider. It takes the credentials by the names that lego has for them, the zone, and
what must change there; it raises Refused. More than 300 lines: whoever adds a provider has all others to compare with.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http
import http.client
import http.cookiejar
import json
import struct
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from credentials import without_credentials

TTL = 300  # seconds; for so long a resolver may return the old address
TIMEOUT = 30.0  # seconds, for one request
ANSWER_MAX = 2**20  # bytes
ERROR_MAX = 300  # characters of a provider's answer in a message
# Where each provider's interface is.
PLACES = {
    "cloudflare": "https://api.cloudflare.com/client/v4",
    "desec": "https://update.dedyn.io/",
    "duckdns": "https://www.duckdns.org/update",
    "gandiv5": "https://api.gandi.net/v5/livedns",
    "hetzner": "https://api.hetzner.cloud/v1",
    "inwx": "https://api.domrobot.com/jsonrpc/",
}
OVH = {
    "ovh-eu": ("https://eu.api.ovh.com/1.0", "https://www.ovh.com/auth/oauth2/token"),
    "ovh-ca": ("https://ca.api.ovh.com/1.0", "https://ca.ovh.com/auth/oauth2/token"),
    "ovh-us": ("https://api.us.ovhcloud.com/1.0", "https://us.ovhcloud.com/auth/oauth2/token"),
}

Credentials = Mapping[str, str]


class Refused(Exception):
    """What the provider said, or why it could not be asked; without a credential."""

    def __init__(self, reason: str, status: int = 0) -> None:
        """Take the reason, and the status of HTTP if there is one."""
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Change:
    """The addresses that a name must have, of one family: an A or AAAA record each."""

    name: str
    kind: str
    addresses: list[str]

    def label(self, zone: str) -> str:
        """Return the name within its zone, empty for the zone itself."""
        return self.name.removesuffix(zone).rstrip(".")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Sends no credential to another address."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing: the answer is an error then."""


class Interface:
    """An interface over HTTP that takes and gives JSON."""

    def __init__(self, place: str, authorization: str = "") -> None:
        """Take the address that all others begin with, and what lets us in."""
        self.place = place
        self.headers = {"Authorization": authorization} if authorization else {}
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(NoRedirect, cookies)

    def text(self, method: str, where: str, data: bytes | None = None, **headers: str) -> str:
        """Return the answer to a request."""
        url, headers = self.place + where, {**self.headers, **headers}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310  # PLACES, or the operator's
        try:
            try:
                answer = self.opener.open(request, timeout=TIMEOUT)
            except urllib.error.HTTPError as error:
                answer = error  # an answer as well
            with answer:
                said = str(answer.read(ANSWER_MAX).decode("utf-8", "replace"))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Refused(f"it cannot be reached: {getattr(error, 'reason', error)}") from None
        if answer.status >= http.HTTPStatus.MULTIPLE_CHOICES:
            raise Refused(f"{answer.status} {said.strip() or answer.reason}", answer.status)
        return said

    def ask(self, method: str, where: str, body: Any = None, **headers: str) -> Any:
        """Return the answer to a request, both as JSON; an empty one is None."""
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        answer = self.text(method, where, data, **headers)
        try:
            return json.loads(answer) if answer.strip() else None
        except ValueError:
            raise Refused("its answer is no JSON") from None


def bring_in_line(
    change: Change,
    records: list[Any],
    replace: Callable[[Any, str], object],
    add: Callable[[Change, str], object],
    delete: Callable[[Any], object],
) -> None:
    """Make *records* those of a change: replace as many as there are, add what is missing, delete what is too much."""
    for at, address in enumerate(change.addresses):
        if at < len(records):
            replace(records[at], address)
        else:
            add(change, address)
    for record in records[len(change.addresses) :]:
        delete(record)


def cloudflare(credentials: Credentials, zone: str, changes: list[Change]) -> None:
    """Cloudflare: one record for each address, which is not hidden behind its proxy."""
    interface = Interface(PLACES["cloudflare"], f"Bearer {credentials['CF_DNS_API_TOKEN']}")
    zones = interface.ask("GET", f"/zones?{urllib.parse.urlencode({'name': zone})}")["result"]
    if not zones:
        raise Refused("the account has no such zone")
    records = f"/zones/{zones[0]['id']}/dns_records"
    common = {"ttl": TTL, "proxied": False}
    for change in changes:
        query = urllib.parse.urlencode({"type": change.kind, "name": change.name})
        bring_in_line(
            change,
            [record["id"] for record in interface.ask("GET", f"{records}?{query}")["result"]],
            lambda number, one: interface.ask("PATCH", f"{records}/{number}", common | {"content": one}),
            lambda new, one: interface.ask(
                "POST", records, common | {"type": new.kind, "name": new.name, "content": one}
            ),
            lambda number: interface.ask("DELETE", f"{records}/{number}"),
        )


def desec(credentials: Credentials, zone: str, changes: list[Change]) -> None:
    """deSEC: by its interface for changing addresses, in which records may have a short TTL.

    It takes one request a minute for a zone: all names at once, which have the same addresses, those of this host.
    """
    interface = Interface(PLACES["desec"], f"Token {credentials['DESEC_TOKEN']}")
    addresses = {change.kind: ",".join(change.addresses) for change in changes}
    query = {
        "hostname": ",".join(dict.fromkeys(change.name for change in changes)),
        "myipv4": addresses.get("A", "preserve"),
        "myipv6": addresses.get("AAAA", "preserve"),
    }
    answer = interface.text("GET", f"?{urllib.parse.urlencode(query)}")
    if not answer.startswith(("good", "nochg")):
        raise Refused(answer)


def duckdns(credentials: Credentials, zone: str, changes: list[Change]) -> None:
    """Duck DNS: one address of each family for a whole domain; "muc.friends" is "friends"."""
    wanted: dict[str, dict[str, str]] = {}
    for change in changes:
        if len(change.addresses) > 1:
            raise Refused(f"it takes one address for a name, not {' and '.join(change.addresses)}")
        key = "ip" if change.kind == "A" else "ipv6"
        wanted.setdefault(change.label(zone).rpartition(".")[2], {})[key] = change.addresses[0]
    for domain, addresses in wanted.items():
        query = {"domains": domain, "token": credentials["DUCKDNS_TOKEN"], **addresses}
        answer = Interface(PLACES["duckdns"]).text("GET", f"?{urllib.parse.urlencode(query)}")
        if not answer.startswith("OK"):
            raise Refused(f"the token or the domain {domain} is wrong ({answer})")


def gandi(credentials: Credentials, zone: str, changes: list[Change]) -> None:
    """Gandi: all records of a name and a type at once."""
    interface = Interface(PLACES["gandiv5"], f"Bearer {credentials['GANDIV5_PERSONAL_ACCESS_TOKEN']}")
    for change in changes:
        body = {"rrset_ttl": TTL, "rrset_values": change.addresses}
        interface.ask("PUT", f"/domains/{zone}/records/{change.label(zone) or '@'}/{change.kind}", body)


def hetzner(credentials: Credentials, zone: str, changes: list[Change]) -> None:
    """Hetzner: all records of a name and a type at once, which must be there for that."""
    interface = Interface(PLACES["hetzner"], f"Bearer {credentials['HETZNER_API_TOKEN']}")
    for change in changes:
        label, records = change.label(zone) or "@", [{"value": address} for address in change.addresses]
        try:
            where = f"/zones/{zone}/rrsets/{label}/{change.kind}/actions/set_records"
            interface.ask("POST", where, {"records": records})
        except Refused as refused:
            if refused.status != http.HTTPStatus.NOT_FOUND:
                raise
            new = {"name": label, "type": change.kind, "ttl": TTL, "records": records}
            interface.ask("POST", f"/zones/{zone}/rrsets", new)


def one_time_code(secret: str) -> str:
    """Return the code of a second factor that is valid now (TOTP, RFC 6238)."""
    letters = secret.replace(" ", "").upper()
    try:
        key = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        raise Refused("INWX_SHARED_SECRET is not base32") from None
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), "sha1")
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


def inwx(credentials: Credentials, zone: str, changes: list[Change]) -> None:
    """INWX: one record for each address, in a session."""
    interface = Interface(PLACES["inwx"])

    def call(method: str, **parameters: Any) -> dict[str, Any]:
        answer = interface.ask("POST", "", {"method": method, "params": parameters})
        if not 1000 <= answer["code"] <= 1500:
            raise Refused(f"{answer['code']} {answer.get('msg', '')}")
        data: dict[str, Any] = answer.get("resData") or {}
        return data

    login = {"user": credentials["INWX_USERNAME"], "pass": credentials["INWX_PASSWORD"]}
    if str(call("account.login", lang="en", **login).get("tfa", "0")) != "0":
        if not credentials.get("INWX_SHARED_SECRET"):
            raise Refused("the account has a second factor, and there is no INWX_SHARED_SECRET")
        call("account.unlock", tan=one_time_code(credentials["INWX_SHARED_SECRET"]))
    try:
        for change in changes:
            found = call("nameserver.info", domain=zone, name=change.name, type=change.kind)
            bring_in_line(
                change,
                [record["id"] for record in found.get("record", [])],
                lambda number, one: call("nameserver.updateRecord", id=number, content=one, ttl=TTL),
                lambda new, one: call(
                    "nameserver.createRecord", domain=zone, name=new.name, type=new.kind, content=one, ttl=TTL
                ),
                lambda number: call("nameserver.deleteRecord", id=number),
            )
    finally:
        # It ends by itself as well, and what was done is done.
        with contextlib.suppress(Refused):
            call("account.logout")


def ovh(credentials: Credentials, zone: str, changes: list[Change]) -> None:
    """OVHcloud: one record for each address; each request is signed, or has a token that lasts an hour."""
    endpoint = credentials["OVH_ENDPOINT"]
    place, tokens = OVH.get(endpoint, (endpoint, ""))  # as lego takes it
    if "OVH_CLIENT_ID" in credentials and not tokens:
        raise Refused(f"OVH_CLIENT_ID needs an OVH_ENDPOINT of these: {', '.join(OVH)}")
    interface = Interface(place)
    ahead = 0
    if "OVH_CLIENT_ID" in credentials:
        login = {"client_id": credentials["OVH_CLIENT_ID"], "client_secret": credentials["OVH_CLIENT_SECRET"]}
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "all", **login}).encode()
        interface.headers["Authorization"] = (
            "Bearer " + json.loads(Interface(tokens).text("POST", "", form))["access_token"]
        )
    else:
        ahead = int(interface.ask("GET", "/auth/time")) - int(time.time())

    def call(method: str, where: str, body: Any = None) -> Any:
        if "Authorization" in interface.headers:
            return interface.ask(method, where, body)
        now = str(int(time.time()) + ahead)
        sent = "" if body is None else json.dumps(body, separators=(",", ":"))
        secret, consumer = credentials["OVH_APPLICATION_SECRET"], credentials["OVH_CONSUMER_KEY"]
        signed = "+".join([secret, consumer, method, place + where, sent, now])
        headers = {
            "X-Ovh-Application": credentials["OVH_APPLICATION_KEY"],
            "X-Ovh-Consumer": consumer,
            "X-Ovh-Timestamp": now,
            "X-Ovh-Signature": "$1$" + hashlib.sha1(signed.encode()).hexdigest(),  # noqa: S324  # as they ask for
        }
        return interface.ask(method, where, body, **headers)

    records = f"/domain/zone/{zone}/record"
    for change in changes:
        query = urllib.parse.urlencode({"fieldType": change.kind, "subDomain": change.label(zone)})
        bring_in_line(
            change,
            call("GET", f"{records}?{query}"),
            lambda number, one: call("PUT", f"{records}/{number}", {"target": one, "ttl": TTL}),
            lambda new, one: call(
                "POST", records, {"fieldType": new.kind, "subDomain": new.label(zone), "target": one, "ttl": TTL}
            ),
            lambda number: call("DELETE", f"{records}/{number}"),
        )
    call("POST", f"/domain/zone/{zone}/refresh")


UPDATES: dict[str, Callable[[Credentials, str, list[Change]], None]] = {
    "cloudflare": cloudflare,
    "desec": desec,
    "duckdns": duckdns,
    "gandiv5": gandi,
    "hetzner": hetzner,
    "inwx": inwx,
    "ovh": ovh,
}


def update(provider: str, credentials: Credentials, zone: str, changes: list[Change]) -> None:
    """Have a provider change the records of a zone; raises Refused with words that no credential is in."""
    try:
        UPDATES[provider](credentials, zone, changes)
    except Refused as refused:
        # Shortened at last: half a credential would not be found.
        raise Refused(without_credentials(str(refused), credentials)[:ERROR_MAX], refused.status) from None
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Refused(f"its answer is not as expected ({type(error).__name__})") from None
