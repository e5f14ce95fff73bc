# SPDX-License-Identifier: GPL-3.0-or-later
"""ejabberd's commands (mod_http_api) on its local socket: for the programs beside this file.

They run by themselves, when no Ansible brings its modules, which have the like in plugins/module_utils.
"""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse
from typing import Any

API = "/run/ejabberd/api.sock"
SECONDS = 300


class UnixConnection(http.client.HTTPConnection):
    """HTTP over ejabberd's local socket."""

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(API)


def call(command: str, **arguments: str | int) -> Any:
    """Call a command and return its answer; raises RuntimeError if ejabberd refuses, OSError if it does not run."""
    connection = UnixConnection("localhost")
    connection.request("GET", f"/api/{command}?{urllib.parse.urlencode(arguments)}")
    response = connection.getresponse()
    body = response.read().decode()
    if response.status != http.client.OK:
        raise RuntimeError(f"{command} answered {response.status}: {body}")
    return json.loads(body)
