# SPDX-License-Identifier: GPL-3.0-or-later
"""ejabberd's commands (mod_http_api) on its local socket: for modules, and for the programs on its host."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SOCKET = "/run/ejabberd/api.sock"
PROGRAM = Path("/usr/sbin/ejabberdctl")
SECONDS = 60
# Of a module; the documentation fragment conexizan.xmpp.ejabberd describes it.
SOCKET_ARGUMENT: dict[str, Any] = {"socket": {"type": "path", "default": SOCKET}}


class ApiError(Exception):
    """The API refused a call or could not be reached, or an option is invalid. The message holds no secret."""


class Api:
    """ejabberd's commands as HTTP calls over one connection to its socket.

    GET only: over a socket, ejabberd 26.07 answers every POST with 400 (its request log expects a port number).
    """

    def __init__(self, path: str = SOCKET, seconds: float = SECONDS) -> None:
        """Connect; an answer may take so many *seconds*. Raises ApiError if ejabberd does not run."""
        self.path = path
        self.connection = http.client.HTTPConnection("localhost", timeout=seconds)
        self.connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.sock.settimeout(seconds)
        try:
            self.connection.sock.connect(path)
        except OSError as error:
            if not PROGRAM.exists():
                raise ApiError("There is no service on this host yet: run site.yml first.") from error
            raise ApiError(
                f"ejabberd does not answer on {path}: {error.strerror}; is ejabberd.service running?"
            ) from error

    def call(self, command: str, **arguments: str | int) -> Any:
        """Call *command* and return its decoded answer; raises ApiError naming the command, never its arguments."""
        try:
            self.connection.request("GET", f"/api/{command}?{urllib.parse.urlencode(arguments)}")
            response = self.connection.getresponse()
            body = response.read().decode()
            answer = json.loads(body) if body else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ApiError(f"{command} got no answer from ejabberd: {type(error).__name__} {error}") from error
        if response.status != http.client.OK:
            raise ApiError(f"{command} answered {response.status}: {answer}")
        return answer


def user_of(address: str) -> dict[str, str]:
    """Return the address of an account as the commands take it."""
    user, _, host = address.partition("@")
    return {"user": user, "host": host}


def room_of(address: str) -> dict[str, str]:
    """Return the address of a room as the commands take it."""
    room, _, service = address.partition("@")
    return {"room": room, "service": service}


def unknown(word: str, name: str, what: str, known: Iterable[str]) -> ApiError:
    """Return the error that says that *name*, the value of *word*, is none of the *known* ones.

    It names one that is written nearly so, but has no command with it: that could delete somebody else.
    """
    import difflib  # programs that start every minute have no use for it

    local, _, domain = name.partition("@")
    names = {one.partition("@")[0]: one for one in known if one.partition("@")[2] == domain}
    near = difflib.get_close_matches(local, sorted(names), n=1, cutoff=0.75)
    maybe = f" Written nearly so: {names[near[0]]}." if near else ""
    book = "playbooks/room.yml" if what == "room" else "playbooks/user.yml"
    return ApiError(f'{word} is "{name}", which is no {what} here.{maybe} {book} alone lists them all.')
