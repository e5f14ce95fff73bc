# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of the web site in a browser: how large each is, and how long the account page takes."""

from __future__ import annotations

import json
import statistics

from .bed import DOMAIN, PASSWORD, Bed, register_on_site, run, tool
from .report import Result, Row, at_most, spread

KB = 60
SECONDS = 1


def pages(bed: Bed, rounds: int) -> Result:
    """By a browser that has nothing of the site yet, on a host of its own beside that of the service."""
    host = bed.site()
    register_on_site(host, 1)
    authority = host.fetch("/etc/xmpp/certificates/ca.crt")
    command = [tool("python"), "-m", "tests.load.pageload"]
    command += [DOMAIN, host.address, str(authority), "load0", PASSWORD, str(rounds)]
    found = json.loads(run(command, what="tests/load/pageload.py"))
    sizes: dict[str, int] = found["bytes"]
    largest = max(sizes, key=lambda path: sizes[path])
    account = max(size for path, size in sizes.items() if path.endswith("/account/"))
    rows = [
        Row(
            f"largest of {len(sizes)} pages, with all that it loads ({largest})",
            f"{sizes[largest] / 1000:.1f} kB",
            f"{account / 1000:.1f} kB account page",
            **at_most(sizes[largest] / 1000 / KB, 1, f"at most {KB} kB"),
        )
    ]
    for name, what in (("open", "account page, until one can log in"), ("login", "login, until all is there")):
        ratio = statistics.median(found[name]) / SECONDS
        rows.append(Row(what, spread(found[name]), f"{SECONDS} s wanted", **at_most(ratio, 1, f"at most {SECONDS} s")))
    return Result("pages", "Web pages", rows, raw=found)
