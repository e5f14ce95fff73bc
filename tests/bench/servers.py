# SPDX-License-Identifier: GPL-3.0-or-later
"""The service and what Debian offers, side by side: each on a host of its own, with the same accounts."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .bed import DOMAIN, PASSWORD, Bed, Host, load, register_on_site, say
from .report import Row, at_least, at_most

OURS, EJABBERD, PROSODY = "Conexizan", "Debian's ejabberd", "Debian's Prosody"
CERTIFICATE = f"""openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN={DOMAIN} -addext subjectAltName=DNS:{DOMAIN} \
    -keyout /root/key.pem -out /root/certificate.pem 2>/dev/null"""
INSTALL = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes"


@dataclass(frozen=True)
class Server:
    """One of the three."""

    name: str
    host: Host
    certificate: Path
    unit: str
    rooms: str

    def load(self, mode: str, **options: Any) -> list[str]:
        """What the load generator is told: the options are its own."""
        arguments = [mode, "--address", self.host.address, "--domain", DOMAIN, "--ca", str(self.certificate)]
        arguments += ["--password", PASSWORD, "--rooms", self.rooms]
        for option, value in options.items():
            arguments += [f"--{option.replace('_', '-')}", str(value)]
        return arguments

    def measure(self, mode: str, **options: Any) -> Any:
        found = load("xmppload", self.load(mode, **options))
        say(f"{mode}: {self.name}: {found}")
        return found


def window(*, quick: bool) -> dict[str, float]:
    """Seconds of a load before it is measured, and while it is."""
    return {"warmup": 0.3, "window": 1} if quick else {"warmup": 2, "window": 7}


def people(*, quick: bool) -> int:
    """Accounts that each of the servers has; the last two are those with an archive (history)."""
    return 52 if quick else 1002


@functools.cache
def servers(bed: Bed, *, quick: bool) -> list[Server]:
    """Ours first; made once, for all that is measured in this run."""
    accounts = people(quick=quick)
    with ThreadPoolExecutor() as threads:
        made = [threads.submit(make, bed, accounts) for make in (conexizan, debian_ejabberd, debian_prosody)]
        return [server.result() for server in made]


def conexizan(bed: Bed, accounts: int) -> Server:
    """As deployed."""
    host = bed.site()
    register_on_site(host, accounts)
    return Server(OURS, host, host.fetch("/etc/xmpp/certificates/ca.crt"), "ejabberd", f"muc.{DOMAIN}")


def debian_ejabberd(bed: Bed, accounts: int) -> Server:
    """Debian 13's ejabberd as packaged; changed: domain, certificate, its archive block uncommented, no rate limit."""
    host = bed.host("bench-ejabberd")
    host.shell(
        f"""{INSTALL} ejabberd openssl >/dev/null
        {CERTIFICATE}
        cat /root/certificate.pem /root/key.pem >/etc/ejabberd/ejabberd.pem
        sed -i -e 's/^  - localhost$/  - {DOMAIN}/' -e 's/^    normal: all$/    none: all/' \
            -e 's/^  ## mod_mam:/  mod_mam:/' -e 's/^  ##   assume_mam_usage: true/    assume_mam_usage: true/' \
            -e 's/^  ##   default: always/    default: always/' /etc/ejabberd/ejabberd.yml
        systemctl restart ejabberd
        ejabberdctl started
        seq 0 {accounts - 1} | sed 's/^/load/' | sort >/root/accounts
        ejabberdctl registered_users {DOMAIN} | sort | comm -13 - /root/accounts >/root/missing
        {{
            echo '<server-data xmlns="urn:xmpp:pie:0"><host jid="{DOMAIN}">'
            sed "s|.*|<user name='&' password='{PASSWORD}'/>|" /root/missing
            echo '</host></server-data>'
        }} | install -o ejabberd -m 0600 /dev/stdin /var/lib/ejabberd/accounts.xml
        ejabberdctl import_piefxis /var/lib/ejabberd/accounts.xml"""
    )
    return Server(EJABBERD, host, host.fetch("/root/certificate.pem"), "ejabberd", f"conference.{DOMAIN}")


def debian_prosody(bed: Bed, accounts: int) -> Server:
    """Debian 13's Prosody as packaged; changed: domain, certificate, archive and rooms, direct TLS, no rate limit, more
    open files: 1,024 are too few for 1,000 clients."""
    host = bed.host("bench-prosody")
    # An account's file holds no name: with the same password, one does for all.
    host.shell(
        f"""{INSTALL} prosody openssl >/dev/null
        {CERTIFICATE}
        install -o prosody -m 0600 /root/key.pem /etc/prosody/certs/{DOMAIN}.key
        install -o prosody -m 0600 /root/certificate.pem /etc/prosody/certs/{DOMAIN}.crt
        sed -i -e 's/--"mam";/"mam";/' -e 's/"limits";/-- &/' \
            -e 's/^VirtualHost "localhost"$/c2s_direct_tls_ports = {{ 5223 }}\\n&/' /etc/prosody/prosody.cfg.lua
        cat >/etc/prosody/conf.d/bench.cfg.lua <<'END'
VirtualHost "{DOMAIN}"
Component "conference.{DOMAIN}" "muc"
    modules_enabled = {{ "muc_mam" }}
END
        mkdir -p /etc/systemd/system/prosody.service.d
        printf '[Service]\nLimitNOFILE=8192\n' >/etc/systemd/system/prosody.service.d/bench.conf
        systemctl daemon-reload
        systemctl restart prosody
        prosodyctl register load0 {DOMAIN} {PASSWORD} >/dev/null
        cd /var/lib/prosody/{DOMAIN.replace(".", "%2e")}/accounts
        seq 1 {accounts - 1} | xargs -I N cp --preserve load0.dat loadN.dat"""
    )
    return Server(PROSODY, host, host.fetch("/root/certificate.pem"), "prosody", f"conference.{DOMAIN}")


def in_turns(sides: Mapping[str, Callable[[], Any]], rounds: int, *, quick: bool) -> dict[str, list[Any]]:
    """Each side so many times, in changing order; once and all together where it is only to be seen that it works."""
    if quick:
        with ThreadPoolExecutor() as threads:
            running = {name: threads.submit(side) for name, side in sides.items()}
            return {name: [side.result()] for name, side in running.items()}
    found: dict[str, list[Any]] = {name: [] for name in sides}
    order = list(sides)
    for turn in range(rounds):
        first = turn % len(order)
        for name in order[first:] + order[:first]:
            found[name].append(sides[name]())
    return found


def medians(found: dict[str, list[Any]], *path: str) -> dict[str, float]:
    """Of the figure at that place in what each turn of each side has found."""

    def figure(entry: Any) -> float:
        return float(functools.reduce(lambda inside, key: inside[key], path, entry))

    return {name: statistics.median(map(figure, entries)) for name, entries in found.items()}


def against(what: str, values: dict[str, float], texts: dict[str, str], *, more: bool) -> list[Row]:
    """A row for ours, the first, against each of the others: whether more is better, or less."""
    ours, *others = values
    judge = at_least if more else at_most
    return [
        Row(what, texts[ours], f"{texts[name]} {name}", **judge(values[ours] / values[name], 1, "ahead"))
        for name in others
    ]


def busy(found: dict[str, list[Any]]) -> str:
    """Where that is near one core, the figure is rather the generator's than the server's."""
    cores = medians(found, "generator_cpu")
    return "Cores that the load generator took: " + ", ".join(f"{name} {cores[name]:.2f}" for name in cores) + "."
