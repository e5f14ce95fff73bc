# SPDX-License-Identifier: GPL-3.0-or-later
"""The web by a port that takes all (xmpp_single_port), against the same web servers by their own."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from .bed import CHECKOUT, DOMAIN, PASSWORD, Host, load
from .report import Row, at_least

PORT = 8443
TEMPLATE = CHECKOUT / "roles/nginx/templates/etc/nginx/xmpp.conf.j2"
# nginx reads what is there outside of its block "http", as the part of the single port is.
DROPIN, OPENING = "/etc/nginx/modules-enabled/90-bench.conf", "/etc/xmpp/firewall.d/own.nft"
REMOVE = f"rm -f {DROPIN} {OPENING}; systemctl reload xmpp-firewall"


def put_in_front() -> str:
    """Return a script: the role's own lines for the single port, at another one, from where the web is handed to."""
    _, _, rest = TEMPLATE.read_text(encoding="utf-8").partition("\nstream {")
    block, _, _ = rest.partition("\n}\n")
    lines = block.replace("{{ nginx_https_port }}", str(PORT)).replace("$xmpp_way", "127.0.0.1:443")
    return f"""cat >{DROPIN} <<'END'
stream {{{lines}
}}
END
echo 'tcp dport {PORT} accept' >{OPENING}
systemctl reload xmpp-firewall
"""


def compared(host: Host, certificate: Path, *, quick: bool) -> tuple[list[Row], Any]:
    """Both ports of one host in turns, so that nothing but the part in front differs."""
    arguments = ["--address", host.address, "--domain", DOMAIN, "--ca", str(certificate), "--password", PASSWORD]
    arguments += ["--account", "load1", "--upload-domain", f"upload.{DOMAIN}", "--one-port", str(PORT)]
    less = ["--size", "5000000", "--window", "0.2", "--turns", "1"] if quick else []
    measured = load("portload", [*arguments, *less])
    rows = []
    for what, figure, unit, least in (
        ("TLS handshakes a second", "handshakes", "", 0.9),
        ("PUT", "bytes", " MB/s", 0.95),
    ):
        scale = 1e6 if unit else 1
        rates = {
            side: statistics.median(entry[figure] for entry in measured if entry["side"] == side) / scale
            for side in ("one port", "own port")
        }
        judged = at_least(rates["one port"] / rates["own port"], least, f"at least {least}x the speed")
        ours, theirs = (f"{rates[side]:.0f}{unit}" for side in ("one port", "own port"))
        rows.append(Row(f"{what} by the single port", ours, f"{theirs} by the web's own port", **judged))
    return rows, measured
