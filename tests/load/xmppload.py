# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a bounded, ordinary load on an XMPP server and say how quickly it answers.

Run by script/bench, only ever against the bench's own containers. Every client is an asyncio connection with direct
TLS (or a WebSocket), SCRAM, roster, presence and stream management, and asks for an acknowledgement of each message, as
a phone's client does. Sender and receiver live in one process, so one clock gives the latency. The answer is one JSON
document on standard output. Runs by its path on any machine with Python.

  messages   each client writes to the next one
  rooms      all clients are in a room and speak in turn
  history    one client reads its archive
  logins     clients log in and out
  idle       clients stay until standard input ends
  return     clients come back when the server has been away
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.load.client import add_server_arguments, server_of
from tests.load.history import history
from tests.load.ring import messages
from tests.load.rooms import rooms
from tests.load.sessions import come_back, idle, logins
from tests.load.transport import LoadError

MODES = {
    "messages": messages,
    "rooms": rooms,
    "history": history,
    "logins": logins,
    "idle": idle,
    "return": come_back,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=MODES)
    add_server_arguments(parser)
    parser.add_argument("--accounts", type=int, default=100, help="how many of load0, load1 … (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them (default: %(default)s)")
    parser.add_argument("--rooms", default="", help="domain of the rooms")
    parser.add_argument("--messages", type=int, default=1000, help="messages in the archive (default: %(default)s)")
    parser.add_argument("--page", type=int, default=50, help="messages in a page of it (default: %(default)s)")
    parser.add_argument(
        "--in-flight", type=int, default=1, help="messages under way, closed loop: of each client, or in the room"
    )
    parser.add_argument("--rate", type=float, default=100, help="messages a second, open loop; 0: none (%(default)s)")
    parser.add_argument("--warmup", type=float, default=2, help="seconds before a window (default: %(default)s)")
    parser.add_argument("--window", type=float, default=7, help="seconds measured (default: %(default)s)")
    arguments = parser.parse_args()
    # A connection is an open file: what limits them is to be the server.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    names = [f"load{number}" for number in range(arguments.first, arguments.first + arguments.accounts)]
    try:
        print(json.dumps(asyncio.run(MODES[arguments.what](server_of(arguments), names, arguments))))
    except (LoadError, OSError, TimeoutError) as failure:
        print(f"xmppload: {type(failure).__name__}: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
