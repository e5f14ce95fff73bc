# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clients that write to each other, against Debian's own ejabberd and Debian's Prosody."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from .bed import DOMAIN, PASSWORD, Bed, load, register_on_site, say
from .report import Result, Row, at_least, at_most

EJABBERD, PROSODY = "bench-ejabberd", "bench-prosody"
CERTIFICATE = f"""openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN={DOMAIN} -addext subjectAltName=DNS:{DOMAIN} \
    -keyout /root/key.pem -out /root/certificate.pem 2>/dev/null"""
INSTALL = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes"


def debian_ejabberd(bed: Bed, clients: int) -> tuple[str, Path]:
    """Debian 13's ejabberd as packaged; changed: domain, certificate, its archive block uncommented, no rate limit."""
    host = bed.host(EJABBERD)
    host.shell(
        f"""{INSTALL} ejabberd openssl >/dev/null
        {CERTIFICATE}
        cat /root/certificate.pem /root/key.pem >/etc/ejabberd/ejabberd.pem
        sed -i -e 's/^  - localhost$/  - {DOMAIN}/' -e 's/^    normal: all$/    none: all/' \
            -e 's/^  ## mod_mam:/  mod_mam:/' -e 's/^  ##   assume_mam_usage: true/    assume_mam_usage: true/' \
            -e 's/^  ##   default: always/    default: always/' /etc/ejabberd/ejabberd.yml
        systemctl restart ejabberd
        ejabberdctl started
        {{
            echo '<server-data xmlns="urn:xmpp:pie:0"><host jid="{DOMAIN}">'
            for n in $(seq 0 {clients - 1}); do echo "<user name='load$n' password='{PASSWORD}'/>"; done
            echo '</host></server-data>'
        }} | install -o ejabberd -m 0600 /dev/stdin /var/lib/ejabberd/accounts.xml
        ejabberdctl import_piefxis /var/lib/ejabberd/accounts.xml"""
    )
    return host.address, host.fetch("/root/certificate.pem")


def debian_prosody(bed: Bed, clients: int) -> tuple[str, Path]:
    """Debian 13's Prosody as packaged; changed: domain, certificate, archive on, direct TLS, no rate limit."""
    host = bed.host(PROSODY)
    host.shell(
        f"""{INSTALL} prosody openssl >/dev/null
        {CERTIFICATE}
        install -o prosody -m 0600 /root/key.pem /etc/prosody/certs/{DOMAIN}.key
        install -o prosody -m 0600 /root/certificate.pem /etc/prosody/certs/{DOMAIN}.crt
        sed -i -e 's/--"mam";/"mam";/' -e 's/"limits";/-- &/' \
            -e 's/^VirtualHost "localhost"$/c2s_direct_tls_ports = {{ 5223 }}\\n&/' /etc/prosody/prosody.cfg.lua
        echo 'VirtualHost "{DOMAIN}"' >/etc/prosody/conf.d/bench.cfg.lua
        systemctl restart prosody
        seq 0 {clients - 1} | xargs -P 2 -I N prosodyctl register loadN {DOMAIN} {PASSWORD} >/dev/null"""
    )
    return host.address, host.fetch("/root/certificate.pem")


def messages(bed: Bed, *, clients: int, rounds: int, window: float) -> Result:
    """The same load on the service and on what Debian offers."""
    host = bed.site()
    register_on_site(host, clients)
    servers = {
        "Conexizan": (host.address, host.fetch("/etc/xmpp/certificates/ca.crt")),
        "Debian's ejabberd": debian_ejabberd(bed, clients),
        "Debian's Prosody": debian_prosody(bed, clients),
    }
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
    order = list(servers)
    for turn in range(rounds):
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            address, certificate = servers[name]
            arguments = ["messages", "--address", address, "--domain", DOMAIN, "--ca", str(certificate)]
            arguments += ["--password", PASSWORD, "--accounts", str(clients), "--window", str(window)]
            measured[name].append(load("xmppload", arguments))
            say(f"messages: {name}: {measured[name][-1]}")
    bed.remove(EJABBERD)
    bed.remove(PROSODY)

    def median(name: str, loop: str, figure: str) -> float:
        return statistics.median(float(entry[loop][figure]) for entry in measured[name])

    rows = []
    for name in order[1:]:
        ours, theirs = (median(side, "closed", "per_second") for side in (order[0], name))
        rows.append(
            Row(
                f"messages a second, {clients} clients, closed loop",
                f"{ours:.0f}",
                f"{theirs:.0f} {name}",
                **at_least(ours / theirs, 1, "ahead"),
            )
        )
    for loop, text in (("closed", "closed loop"), ("offered", "100 messages a second")):
        for name in order[1:]:
            ours, theirs = (median(side, loop, "p99_ms") for side in (order[0], name))
            middle = [median(side, loop, "p50_ms") for side in (order[0], name)]
            rows.append(
                Row(
                    f"p99 delivery latency, {text} (p50)",
                    f"{ours:.1f} ms ({middle[0]:.1f})",
                    f"{theirs:.1f} ms ({middle[1]:.1f}) {name}",
                    **at_most(ours / theirs, 1, "ahead"),
                )
            )
    lost = {
        name: sum(entry[loop]["lost"] for entry in found for loop in ("closed", "offered"))
        for name, found in measured.items()
    }
    notes = ["Messages lost: " + ", ".join(f"{name} {count}" for name, count in lost.items()) + "."]
    return Result("messages", "Messages", rows, notes, raw={"measured": measured})
