# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are uploaded: their slots (XEP-0363), and where they are on the host."""

from __future__ import annotations

import hashlib
import http.client
from dataclasses import dataclass

from .clients import Client, login
from .service import UPLOADS, Account, Service

UPLOAD = "{urn:xmpp:http:upload:0}"


@dataclass(frozen=True)
class Slot:
    """Where a file may be put, once, and where it will be found."""

    put: str
    get: str


async def ask_slot(client: Client, name: str, size: int) -> Slot:
    answer = await client.query(
        "get",
        f"<request xmlns='{UPLOAD[1:-1]}' filename='{name}' size='{size}'/>",
        to=client.service.name("upload"),
    )
    put, get = (answer.find(f"{UPLOAD}slot/{UPLOAD}{verb}") for verb in ("put", "get"))
    assert put is not None
    assert get is not None
    assert list(put) == [], "the token is in the address; no header is needed"
    return Slot(put.get("url", ""), get.get("url", ""))


def files_of(service: Service, account: Account) -> list[str]:
    """The files of one user, by their names on the host."""
    data = f"{UPLOADS}/data"  # is always there; the user's folder comes and goes
    folder = f"{data}/{hashlib.sha1(account.jid.encode()).hexdigest()}"
    # (find fails when a folder goes between being found and being entered, whatever it is told about races.)
    found: str = service.host.check_output(
        f"ls -d {data} && for file in {folder}/*/*; do if test -f $file; then echo $file; fi; done"
    )
    return found.splitlines()[1:]


async def slot_for(service: Service, account: Account, name: str, size: int) -> Slot:
    async with login(service, account) as client:
        return await ask_slot(client, name, size)


def stored_files(service: Service) -> set[str]:
    """All files below /srv/xmpp, finished or not."""
    return set(service.host.check_output("find /srv/xmpp -type f").splitlines())


def send_raw(service: Service, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
    """A request whose target goes over the wire letter by letter; returns status and body of the answer."""
    name = service.name("upload")
    connection = http.client.HTTPSConnection(name)
    connection.sock = service.connect_tls(name)
    connection.putrequest(method, target)
    if method == "PUT":
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content
