# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that DNS has the records that the service needs: addresses, SRV, TLSA and CAA."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check import dns_queries
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.addresses import is_public
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.dns_queries import Answer, Asker
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.as_written import AsWritten

# Clients and servers need these; they find the other services without SRV records, too.
NEEDED = ("_xmpp-client.", "_xmpp-server.")
METHODS = {"http": "http-01", "dns": "dns-01", "hook": "dns-01"}


@dataclass(frozen=True)
class Service:
    """The value of an SRV record (RFC 2782)."""

    priority: int
    port: int
    target: str

    @classmethod
    def read(cls, value: str) -> Service:
        """Take the value as text."""
        priority, _, port, target = value.split()
        return cls(int(priority), int(port), target)


def plain(name: str) -> str:
    """Return a name without its dot."""
    return name.rstrip(".")


def line(record: Mapping[str, Any]) -> str:
    """Return a record as it is written."""
    return f"{record['name']} {record['ttl']} IN {record['type']} {record['value']}"


def lines(verb: str, records: Iterable[Mapping[str, Any]]) -> str:
    """Return what to do with records; several get a line each, so that they can be pasted."""
    texts = [line(record) for record in records]
    return f"{verb}: {texts[0]}" if len(texts) == 1 else "\n".join([f"{verb}:", *texts])


def listed(values: Iterable[str]) -> str:
    """Return the values, sorted and joined by commas."""
    return ", ".join(sorted(values)) or "nothing"


def climb(name: str) -> Iterator[str]:
    """Yield a name and its parents down to two labels; CAA records of top-level domains are not looked up."""
    labels = plain(name).split(".")
    for start in range(max(1, len(labels) - 1)):
        yield ".".join(labels[start:]) + "."


class RecordCheck:
    """Judges the answers."""

    def __init__(
        self, records: list[dict[str, Any]], asker: Asker, written: AsWritten, names: Iterable[str] = ()
    ) -> None:
        """Take the wanted records, what writes a setting as the operator does, and further names to resolve."""
        self.asker = asker
        self.written = written
        self.wanted: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for record in records:
            kind = "address" if record["type"] in ("A", "AAAA", "CNAME") else record["type"]
            self.wanted[(record["name"], kind)].append(record)
        self.names = {name for name, kind in self.wanted if kind == "address"} | {f"{plain(name)}." for name in names}

    async def examine(self, certificate_names: list[str], authorities: list[str], challenge: str) -> list[Row]:
        """Return the rows: one for each name and type that is wanted."""
        asker = self.asker
        named = [f"{plain(name)}." for name in certificate_names] if authorities else []
        await asyncio.gather(
            asker.ask_addresses(self.names, dns_queries.FIRST),
            asker.ask([question for question in self.wanted if question[1] in ("SRV", "TLSA")], dns_queries.FIRST),
            asker.ask([(parent, "CAA") for name in named for parent in climb(name)], dns_queries.FIRST),
        )
        if asker.answers and all(answer.trouble for answer in asker.answers.values()):
            found = min(answer.trouble for answer in asker.answers.values())
            return [row("name server", FAIL, found, "Try another name server: -e resolver=ADDRESS")]
        # Resolve the targets. Aliases are followed here only where the name server did not.
        services = [asker.get(*question) for question in self.wanted if question[1] == "SRV"]
        targets = {Service.read(value).target for answer in services for value in answer.values}
        alias_ends = [
            (answer.name, kind)
            for (name, kind), answer in asker.answers.items()
            if not answer.values and answer.name not in ("", name)
        ]
        left = max(0.5, asker.end - time.monotonic())
        await asyncio.gather(asker.ask_addresses(targets - {"."}, left), asker.ask(alias_ends, left))
        judges = {"address": self.address, "SRV": self.service, "TLSA": self.keys}
        rows = [judges[kind](name) for name, kind in self.wanted if kind in judges]
        if authorities:
            rows += self.authority(named, authorities, METHODS[challenge])
        elif challenge:
            words = "the ACME directory does not name the CA, or cannot be reached from here"
            rows.append(
                row("CAA", WARN, f"skipped: {words}", "Run this again where xmpp_acme_directory can be reached.")
            )
        return rows

    def expected(self, name: str) -> set[str]:
        """Return the addresses that a name should have."""
        records = self.wanted.get((name, "address"), [])
        leads = [record["value"] for record in records if record["type"] == "CNAME"]
        if leads:
            return self.expected(leads[0]) or set(self.asker.addresses(leads[0]).values)
        return {record["value"] for record in records}

    def address(self, name: str) -> Row:
        """Judge a name by the addresses at the end of its aliases."""
        records = self.wanted[(name, "address")]
        subject = f"{plain(name)} {' '.join(sorted({record['type'] for record in records}))}"
        answer, expected = self.asker.addresses(name), self.expected(name)
        if answer.trouble:
            if answer.name not in (name, *(record["value"] for record in records)):
                words = f"an alias of {plain(answer.name)}: {answer.trouble}"
                return row(subject, FAIL, words, lines("Replace it by", records))
            return row(subject, FAIL, answer.trouble, "Fix the name servers of this domain.")
        found = set(answer.values)
        missing, extra = expected - found, found - expected
        if not found:
            where = "" if answer.name == name else f", only an alias of {plain(answer.name)}"
            return row(subject, FAIL, f"no address{where}", lines("Add", records))
        if not missing and not extra:
            return row(subject, PASS, listed(found))
        leads = records[0]["value"] if records[0]["type"] == "CNAME" else ""
        if leads and found == set(self.asker.addresses(leads).values):
            status = self.address(leads)["status"] if (leads, "address") in self.wanted else FAIL
            return row(subject, status, listed(found), f"Fix {plain(leads)}, which this is an alias of.")
        absent = [record for record in records if leads or record["value"] in missing]
        if not extra:
            return row(subject, WARN, f"only {listed(found)}", lines("Add", absent))
        words = f"{listed(extra)} is not this host" if len(extra) == 1 else f"{listed(extra)} are not this host"
        if not any(is_public(value) for value in expected) and all(is_public(value) for value in extra):
            router = f"If that is your router, set {self.written('xmpp_public_addresses', sorted(extra))}"
            fix = f"{router}\n{lines('Otherwise replace it by', records)}"
            return row(subject, WARN, f"{listed(extra)}, but the host itself has {listed(expected)}", fix)
        if absent:
            return row(subject, FAIL, words, lines("Replace it by", absent))
        return row(subject, FAIL, words, f"Remove {listed(extra)} from {plain(answer.name)}")

    def service(self, name: str) -> Row:
        """Judge the SRV records of a service."""
        records = self.wanted[(name, "SRV")]
        subject, answer = f"{plain(name)} SRV", self.asker.get(name, "SRV")
        if answer.trouble:
            return row(subject, FAIL, answer.trouble, "Fix the name servers of this domain.")
        if not answer.values:
            status = FAIL if name.startswith(NEEDED) else WARN
            return row(subject, status, "no record", lines("Add", records))
        services = [Service.read(value) for value in answer.values]
        every = [(record, Service.read(record["value"])) for record in records]
        ours = [service for service in services if any(self.is_ours(service, wanted) for _, wanted in every)]
        others = [service for service in services if service not in ours]
        words = listed(f"{plain(service.target) or 'nowhere'} port {service.port}" for service in others)
        if not ours:
            return row(subject, FAIL, f"points to {words}", lines("Replace it by", records))
        if others:
            # The lower number is tried first.
            first = any(service.priority <= min(item.priority for item in ours) for service in others)
            verb = "also points" if first else "falls back"
            return row(subject, FAIL if first else WARN, f"{verb} to {words}", lines("Keep only", records))
        missing = [record for record, wanted in every if not any(self.is_ours(service, wanted) for service in ours)]
        if missing:
            ports = " and ".join(str(Service.read(record["value"]).port) for record in missing)
            return row(subject, WARN, f"no record for port {ports}", lines("Add", missing))
        for service in ours:
            lead = self.asker.addresses(service.target)
            if not lead.values:
                found = lead.trouble or "has no address"
                return row(subject, FAIL, f"{plain(service.target)} {found}", f"Fix {plain(service.target)} first.")
            if lead.name != service.target:
                found = f"points to the alias {plain(service.target)}, which RFC 2782 does not allow"
                right = [record for record, wanted in every if self.is_ours(service, wanted)]
                return row(subject, WARN, found, lines("Replace it by", right))
        return row(subject, PASS, listed(f"{plain(service.target)} port {service.port}" for service in ours))

    def is_ours(self, service: Service, wanted: Service) -> bool:
        """Tell whether a service is the wanted one, also by another name of the same host."""
        if service.port != wanted.port:
            return False
        if service.target == wanted.target:
            return True
        there = self.asker.addresses(service.target).values
        return bool(there) and there <= (self.expected(wanted.target) | self.asker.addresses(wanted.target).values)

    def keys(self, name: str) -> Row:
        """Judge the TLSA records of a port."""
        records = self.wanted[(name, "TLSA")]
        subject, answer = f"{plain(name)} TLSA", self.asker.get(name, "TLSA")
        if answer.trouble:
            return row(subject, FAIL, answer.trouble, "Fix the name servers of this domain.")
        missing = [record for record in records if record["value"] not in answer.values]
        if not missing:
            return row(subject, PASS, "matches the key in use")
        if not answer.values:
            return row(subject, WARN, "no record", lines("Add", missing))
        return row(subject, FAIL, "no record matches the key in use", lines("Replace them by", records))

    def authority(self, named: list[str], authorities: list[str], method: str) -> Iterator[Row]:
        """Judge the CAA records that hold for the names of the certificates (RFC 8659 3, RFC 8657)."""
        covered: dict[str, Answer] = {}
        bare = False
        for name in named:
            # If the name is an alias, the CAA records of its target apply.
            answers = [(parent, self.asker.get(parent, "CAA")) for parent in climb(name)]
            found = next(((parent, answer) for parent, answer in answers if answer.values or answer.trouble), None)
            bare = bare or not found
            if found:
                covered[found[1].name or found[0]] = found[1]
        for owner, answer in sorted(covered.items()):
            subject = f"{plain(owner)} CAA"
            if answer.trouble:
                words = f"{answer.trouble}; until this is fixed, no CA issues a certificate"
                yield row(subject, FAIL, words, "Fix the name servers of this domain.")
                continue
            issue = [value.split(None, 2)[2].strip('"') for value in answer.values if value.split()[1] == "issue"]
            if not issue or any(may_issue(value, authorities, method) for value in issue):
                yield row(subject, PASS, listed(issue) if issue else "any CA")
            else:
                add = f'{owner} 3600 IN CAA 0 issue "{authorities[0]}"'
                yield row(subject, FAIL, f"only {listed(issue)}; this CA may not use {method}", f"Add: {add}")
        if bare:
            records = [records[0] for (_, kind), records in self.wanted.items() if kind == "CAA"]
            absent = [record for record in records if record["name"] not in covered]
            if absent:
                yield row("CAA", WARN, "any CA may issue certificates", lines("Add", absent))


def may_issue(value: str, authorities: list[str], method: str) -> bool:
    """Tell whether an issue value, ``authority; parameter=value …``, lets one of ours issue by our method."""
    issuer, *parameters = [part.strip() for part in value.split(";")]
    methods = [
        item.partition("=")[2].strip() for item in parameters if item.partition("=")[0].strip() == "validationmethods"
    ]
    return issuer in authorities and all(method in text.split(",") for text in methods)
