# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that lets out nothing but port 443, as a hotel's or a company's does."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator

from testinfra.host import Host

from .ports import ONE_PORT, SSH

EVERYBODY = ("0.0.0.0/0", "::/0")
_TABLE = "conexizan_hotel"


@contextlib.contextmanager
def one_port_alone(host: Host, guests: Iterable[str], closed: Iterable[str] = ()) -> Iterator[None]:
    """Between the host and these addresses, everything new but TCP 443 is dropped; and for those *closed* this as well.

    In front of the service's own table. What the host sends to itself is not on the way from there. The tests need ssh,
    and neighbours in IPv6 find each other by ICMP.
    """

    def dropped(addresses: Iterable[str]) -> str:
        families = {4: "ip", 6: "ip6"}
        return "\n".join(f"{families[ipaddress.ip_network(one).version]} saddr {one} drop" for one in addresses)

    rules = f"""
table inet {_TABLE} {{
    chain input {{
        type filter hook input priority filter - 10; policy accept;
        iif lo accept
        tcp dport {SSH} accept
        meta l4proto icmpv6 accept
        ct state established,related accept
        {dropped(closed)}
        tcp dport {ONE_PORT} accept
        {dropped(guests)}
    }}
}}"""
    host.check_output(f"nft --file - <<'END'\n{rules}\nEND")
    try:
        yield
    finally:
        host.check_output(f"nft delete table inet {_TABLE}")
