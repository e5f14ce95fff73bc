# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on the neighbour. Asks for a page again and again, each time as if for another address. Prints the statuses.

Argument: {"address", "name", "path", "count", "headers": with {} for an address}.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys

SECONDS = 60

wanted = json.loads(sys.argv[1])
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whose it is, others test
statuses = []
for number in range(wanted["count"]):
    connection = http.client.HTTPSConnection(wanted["name"])
    plain = socket.create_connection((wanted["address"], 443), SECONDS)
    connection.sock = context.wrap_socket(plain, server_hostname=wanted["name"])
    headers = dict(header.format(f"198.51.100.{number}").split(": ") for header in wanted["headers"])
    connection.request("GET", wanted["path"], headers=headers)
    statuses.append(connection.getresponse().status)
    connection.close()
print(json.dumps(statuses))
