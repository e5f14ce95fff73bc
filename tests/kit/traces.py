# SPDX-License-Identifier: GPL-3.0-or-later
"""Where whoever came could be written down, and how; and a search of the disk that no missing folder passes."""

from __future__ import annotations

import ipaddress
import re

from testinfra.backend.base import CommandResult
from testinfra.host import Host

from .footprint import footprint

SERVICES = tuple(footprint("logs_nobody"))
# Where services keep or log anything. The operator's own ssh logins are not theirs.
PLACES = ("/var/log/nginx", "/var/log/ejabberd", "/run/ejabberd", "/var/lib/ejabberd", "/var/lib/nginx", "/srv/xmpp")
INSTALLED = "/var/lib/xmpp/tree"  # what roles have installed, and had


def forms(address: str) -> str:
    """An expression for every way an address is written: as text, and as Erlang's tuples."""
    ip = ipaddress.ip_address(address)
    texts = [re.escape(str(ip))]
    if isinstance(ip, ipaddress.IPv4Address):
        high, low = divmod(int(ip), 65536)
        texts += [",".join(str(ip).split(".")), f"65535,{high},{low}", re.escape(f"::ffff:{high:x}:{low:x}")]
    return "|".join(texts)


def holding(host: Host, patterns: str, *places: str, account: str = "root") -> list[str]:
    """The files below these places, which must be there, that hold what grep's options name, as an account reads them.

    All that it may read are read, but for those that go meanwhile.
    """
    host.check_output(f"ls -d {' '.join(places)}")
    search = f"grep --recursive --text --files-with-matches {patterns} {' '.join(places)}"
    found = host.run(f"LC_ALL=C runuser -u {account} -- {search}")
    assert found.rc in (0, 1, 2), found.stderr
    return lines(found, *(["Permission denied"] if account != "root" else []))


def named(host: Host, places: str, *names: str) -> list[str]:
    """What has such a name below these places, which must be there. (Files and folders in them may go meanwhile.)"""
    host.check_output(f"ls -d {places}")
    wanted = " -o ".join(f"-name '{name}'" for name in names)
    found = host.run(f"LC_ALL=C find {places} -path {INSTALLED} -prune -o '(' {wanted} ')' -print")
    assert found.rc in (0, 1), found.stderr
    return lines(found)


def lines(found: CommandResult, *passed: str) -> list[str]:
    """What a search has found, if nothing went wrong but that something was gone when its turn came."""
    allowed = ("No such file or directory", *passed)
    said = [line for line in found.stderr.splitlines() if line.startswith(("grep: ", "find: "))]
    errors = [line for line in said if not line.endswith(allowed)]
    assert not errors, errors
    return list(found.stdout.splitlines())
