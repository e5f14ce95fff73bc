# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on the neighbour. Sends a datagram to each UDP port of an address, and prints how many.

Argument: {"address"}.
"""

from __future__ import annotations

import json
import socket
import sys
import time

PORTION = 256

address = json.loads(sys.argv[1])["address"]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as out:
    for port in range(1, 65536):
        out.sendto(b"?", (address, port))
        if port % PORTION == 0:
            time.sleep(0.005)  # no more than the receiving queue holds
print(65535)
