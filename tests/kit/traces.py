# SPDX-License-Identifier: GPL-3.0-or-later
"""Where whoever came could be written down, and how; and a search of the disk that no missing folder passes."""

from __future__ import annotations

import ipaddress
import re

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
    passed = ("No such file or directory", *(["Permission denied"] if account != "root" else []))
    errors = [line for line in found.stderr.splitlines() if line.startswith("grep: ") and not line.endswith(passed)]
    assert not errors, errors
    assert found.rc in (0, 1, 2), found.stderr
    return list(found.stdout.splitlines())


def named(host: Host, places: str, *names: str) -> list[str]:
    """What has such a name below these places, which must be there. (Files in them may go meanwhile.)"""
    host.check_output(f"ls -d {places}")
    wanted = " -o ".join(f"-name '{name}'" for name in names)
    search = f"find {places} -ignore_readdir_race -path {INSTALLED} -prune -o '(' {wanted} ')' -print"
    return list(host.check_output(search).splitlines())
