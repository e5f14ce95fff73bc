# SPDX-License-Identifier: GPL-3.0-or-later
# More than 150 lines: both filters print one plan of the zones, whose records depend on those before them.
"""The filters ``dns_records`` and ``dns_zones``: what DNS has to say about the service, as data and as text."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

DOCUMENTATION = r"""
name: dns_records
short_description: The DNS records that a service needs
description:
  - >-
    From the settings of the service (the variable C(dns_settings) of playbooks/vars/dns.yml), the list of records, each
    with the keys C(name) (absolute, with its dot), C(type), C(value), C(ttl) (seconds) and C(why).
  - >-
    The filter C(dns_zones) takes the same and returns for each zone its C(origin) and, as C(text), its lines for a
    master file (RFC 1035).
options:
  _input: {description: The settings., type: dict, required: true}
"""

TTL = 3600
# As the host writes them itself (roles/dynamic_dns).
DYNAMIC_TTL = 300

# What the port of HTTPS also takes, with xmpp_single_port.
SINGLE = ("xmpps-client._tcp", "xmpps-server._tcp", "turns._tcp")

# A router keeps these to itself (RFC 1918, RFC 6598, RFC 4193).
LOCAL = [
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]


@dataclass(frozen=True)
class Record:
    """One record; name and the names in the value are absolute, ttl is in seconds."""

    name: str
    type: str
    value: str
    ttl: int
    why: str


@dataclass
class Zone:
    """The records below one origin, with remarks about what no record can say."""

    origin: str
    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_local(address: str) -> bool:
    """Tell whether an address is reached from the local network only."""
    ip = ipaddress.ip_address(address)
    return any(ip.version == network.version and ip in network for network in LOCAL)


def below(name: str, origin: str) -> bool:
    """Tell whether *name* is *origin* or below it."""
    return f".{name}".endswith(f".{origin}")


def key_hash(pem: str) -> str:
    """Return the SHA-256 of the public key of the first certificate in *pem*, in hex (RFC 7671 5.1: TLSA 3 1 1)."""
    # Here: Ansible loads all filters in each task that uses any, and that was a twentieth of a run with nothing to do.
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_pem_x509_certificate

    key = load_pem_x509_certificate(pem.encode()).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class Plan:
    """The zones of one service."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the settings, see playbooks/vars/dns.yml."""
        self.settings = settings
        self.domains: list[Mapping[str, str]] = settings["domains"]
        self.host: str = self.domains[0]["host"]
        self.turn: str = settings["turn_domain"]
        self.seen: set[str] = set()
        self.ttl = DYNAMIC_TTL if settings["dynamic"] else TTL
        self.addresses = self._addresses()
        own = [domain["domain"] for domain in self.domains]
        names = [name for domain in self.domains for name in domain.values()] + [self.turn] * bool(self.turn)
        outside = {name for name in names if not any(below(name, origin) for origin in own)}
        self.outside = {name for name in outside if not any(name != other and below(name, other) for other in outside)}
        self.zones = [Zone(origin) for origin in [*own, *sorted(self.outside)]]
        for domain in self.domains:
            self._address(domain["host"], "where the host is")
        for domain in self.domains:
            self._components(domain)
        # Those of programs that the operator runs are below the first domain.
        for name in settings["components"]:
            self._add(name, "CNAME", f"{self.host}.", "the components that other servers reach (xmpp_components)")
        if self.turn:
            self._address(self.turn, "the relay for calls: SRV must not lead to an alias (RFC 2782)")
        for domain in self.domains:
            self._services(domain["domain"])
        self._notes()
        self._authority()
        self._keys()

    def _addresses(self) -> list[str]:
        """Return the host's addresses: what the operator says about a family counts, else what the host has."""
        public: list[str] = self.settings["public_addresses"]
        families = {ipaddress.ip_address(address).version for address in public}
        # Somebody who names public addresses is behind a router: what it does not pass on is of no use to others. A
        # host that asks for its address by STUN is behind one as well.
        behind_router = bool(public) or (self.settings["dynamic"] and self.settings["stun"])
        own = [
            address
            for address in self.settings["own_addresses"]
            if ipaddress.ip_address(address).version not in families and not (behind_router and is_local(address))
        ]
        return sorted({*public, *own}, key=lambda text: (ipaddress.ip_address(text).version, text))

    def _zone(self, name: str) -> Zone:
        """Return the zone a name is in: the one of the longest origin."""
        return max((zone for zone in self.zones if below(name, zone.origin)), key=lambda zone: len(zone.origin))

    def _add(self, name: str, kind: str, value: str, why: str, ttl: int = TTL) -> None:
        self._zone(name).records.append(Record(f"{name}.", kind, value, ttl, why))

    def _address(self, name: str, why: str) -> None:
        """Add the host's addresses under a name, once."""
        if name in self.seen:
            return
        self.seen.add(name)
        for address in self.addresses:
            kind = "A" if ipaddress.ip_address(address).version == 4 else "AAAA"
            self._add(name, kind, str(ipaddress.ip_address(address)), why, self.ttl)

    def _components(self, domain: Mapping[str, str]) -> None:
        """Add the names of a domain's parts, as aliases of its host."""
        for part in ("muc", "upload", "proxy", "pubsub"):
            name = domain[part]
            if name == self.turn:
                continue
            # A name of its own may be the top of a zone, where no alias is allowed (RFC 1034 3.6.2).
            if name in self.outside and not self.settings["dynamic"]:
                self._address(name, "a part of the service")
            elif name not in self.seen:
                self.seen.add(name)
                self._add(name, "CNAME", f"{domain['host']}.", "the parts of the service")

    def _services(self, domain: str) -> None:
        """Add where the services of a domain are (RFC 6120 3.2.1, XEP-0368, RFC 8489 8.1, RFC 5928)."""
        # Tried last: a client that does not say in TLS what it wants (ALPN) is led to the web there.
        single = [self.settings["https_port"]] * self.settings["single_port"]
        services = [
            ("xmpp-client._tcp", 5222, self.host, "clients"),
            ("xmpps-client._tcp", 5223, self.host, "clients"),
        ]
        if self.settings["federation"]:
            services += [
                ("xmpp-server._tcp", 5269, self.host, "other servers"),
                ("xmpps-server._tcp", 5270, self.host, "other servers"),
            ]
        if self.turn:
            services += [
                ("stun._udp", 3478, self.turn, "calls"),
                ("stun._tcp", 3478, self.turn, "calls"),
                ("stuns._tcp", 5349, self.turn, "calls"),
                ("turn._udp", 3478, self.turn, "calls"),
                ("turn._tcp", 3478, self.turn, "calls"),
                ("turns._tcp", 5349, self.turn, "calls"),
            ]
        for service, port, target, why in services:
            for priority, number in enumerate([port, *(single if service in SINGLE else [])]):
                self._add(f"_{service}.{domain}", "SRV", f"{priority} 1 {number} {target}.", why)

    def _notes(self) -> None:
        """Say what no record can."""
        main, first = self.domains[0]["domain"], self.zones[0].notes
        settings = self.settings
        if settings["dynamic"]:
            first.append("The host keeps its own addresses up to date (xmpp_dynamic_address); they need no care here.")
        elif not self.addresses:
            first.append("The host has no address to the outside. Set xmpp_public_addresses, then run this again.")
        elif any(is_local(address) for address in self.addresses):
            first += [
                f"{' and '.join(address for address in self.addresses if is_local(address))}: only the local network "
                "reaches this. For the Internet,",
                "put the address of your router into xmpp_public_addresses, then run this again.",
            ]
        if self.host != main:
            port = "" if settings["https_port"] == 443 else f":{settings['https_port']}"
            first += [
                f"{main} itself stays with its web site, which has to serve for the service:",
                "  /.well-known/host-meta and /.well-known/host-meta.json",
                f"    what https://{self.host}{port} serves there, with the header Access-Control-Allow-Origin: *",
            ]
            if settings["challenge"] == "http":
                first += [
                    "  /.well-known/acme-challenge/, on port 80",
                    f"    a redirect to http://{self.host}/.well-known/acme-challenge/, path and all; or set",
                    f"    {settings['challenge_dns']}",
                ]

    def _authority(self) -> None:
        """Add which authority may issue certificates (RFC 8659), where that binds nothing but the service's names."""
        settings = self.settings
        if not settings["challenge"]:
            return
        if not settings["authorities"]:
            self.zones[0].notes += [
                f"No CAA record: {settings['authorities_missing']}",
            ]
            return
        done: list[str] = []
        for name in [domain["host"] for domain in self.domains] + [*sorted(self.outside), self.turn]:
            # A record binds every name below its own.
            if name in self.seen and not any(below(name, other) for other in done):
                done.append(name)
                why = "who may issue certificates (CAA), for all names below as well: add other authorities you use"
                self._add(name, "CAA", f'0 issue "{settings["authorities"][0]}"', why)
        if self.host != self.domains[0]["domain"]:
            self.zones[0].notes.append(
                f"No CAA record for {self.domains[0]['domain']} itself, as its web site may have another authority."
            )

    def _keys(self) -> None:
        """Add the keys of the certificates (RFC 7671, RFC 7673)."""
        certificates: Mapping[str, str] = self.settings["certificates"]
        if not self.settings["dnssec"]:
            return
        missing = [domain["domain"] for domain in self.domains if domain["domain"] not in certificates]
        if missing:
            # Half of the keys would be worse than none: the other domains are behind the same ports.
            names = " and ".join(missing)
            self.zones[0].notes.append(
                f"No TLSA record: the host has no certificate for {names} yet. Run this again after site.yml."
            )
            return
        hashes = {domain["domain"]: key_hash(certificates[domain["domain"]]) for domain in self.domains}
        main = self.domains[0]["domain"]
        single = [self.settings["https_port"]] * self.settings["single_port"]
        ports = [5222, 5223] + [5269, 5270] * self.settings["federation"] + single
        # All domains are served on the same ports of the same host, each with its own key.
        wanted = [(self.host, port, key) for port in ports for key in hashes.values()]
        for domain in self.domains:
            web = {domain["host"], *(name for name in domain.values() if name in self.outside)}
            wanted += [(name, self.settings["https_port"], hashes[domain["domain"]]) for name in sorted(web)]
        if self.turn:
            wanted += [(self.turn, port, hashes[main]) for port in [5349, *single]]
        for name, port, key in dict.fromkeys(wanted):
            self._add(f"_{port}._tcp.{name}", "TLSA", f"3 1 1 {key}", "the keys of the certificates (TLSA)")

    def texts(self) -> Iterator[dict[str, str]]:
        """Yield origin and text of every zone."""
        for zone in self.zones:
            if zone.records or zone.notes:
                yield {"origin": zone.origin, "text": "\n".join(self._lines(zone)) + "\n"}

    def _lines(self, zone: Zone) -> Iterator[str]:
        yield f"; ---- {zone.origin}"
        yield from (f"; {note}" for note in zone.notes)
        yield f"$ORIGIN {zone.origin}."
        names = {record.name: self._shown(record.name, zone) for record in zone.records}
        width = max(map(len, names.values()), default=0)
        for why, records in groupby(zone.records, key=lambda record: record.why):
            yield f"; {why}"
            for record in records:
                yield f"{names[record.name]:{width}} {record.ttl:4} IN {record.type:5} {record.value}"

    def _shown(self, name: str, zone: Zone) -> str:
        """Return a name as short as its zone allows; whole where the zone may well begin further up."""
        if zone.origin in self.outside:
            return name
        return name.removesuffix(f"{zone.origin}.").rstrip(".") or "@"


def dns_records(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the wanted records; raises ValueError for a certificate that is none."""
    return [asdict(record) for zone in Plan(settings).zones for record in zone.records]


def dns_zones(settings: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return origin and text of every zone; raises ValueError for a certificate that is none."""
    return list(Plan(settings).texts())


class FilterModule:
    """Registers the filters."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"dns_records": dns_records, "dns_zones": dns_zones}
