# SPDX-License-Identifier: GPL-3.0-or-later
"""Send all DNS queries at the same time, and keep the answers."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ansible.errors import AnsibleActionFail

try:
    import dns.asyncresolver
    import dns.exception
    import dns.rcode
    import dns.resolver
except ImportError as error:
    raise AnsibleActionFail("Checking DNS needs dnspython: apt install python3-dnspython, or script/setup.") from error

# Seconds. All queries are sent at once; names in the first answers are resolved in the remaining time.
LIMIT = 4.5
FIRST = 3.5
TRY = 1.2  # a lost datagram is sent again


@dataclass(frozen=True)
class Answer:
    """The values of one name and type; ``name`` is the end of the aliases, ``trouble`` why there is no answer."""

    values: frozenset[str] = frozenset()
    name: str = ""
    trouble: str = ""


def name_server(text: str) -> tuple[str, int]:
    """Return address and port of ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT; raises AnsibleActionFail."""
    match = re.fullmatch(r"(?:\[(.+)\]|([^:]+))(?::(\d{1,5}))?", text, re.ASCII)
    address, number = (match[1] or match[2], int(match[3] or 53)) if match else (text, 53)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        number = 0
    if not 1 <= number <= 65535:
        raise AnsibleActionFail(
            f'resolver is "{text}", which is not an IP address with an optional port (1 to 65535). '
            "Change it on the command line, for example: -e resolver=192.0.2.53, 127.0.0.1:5353 or [2001:db8::53]:5353"
        )
    return address, number


class Asker:
    """Sends each query once, all at the same time."""

    def __init__(self, resolver: str) -> None:
        """Take ADDRESS or ADDRESS:PORT of a name server; an empty string means those of the system."""
        try:
            self.resolver = dns.asyncresolver.Resolver(configure=not resolver)
        except dns.resolver.NoResolverConfiguration as error:
            raise AnsibleActionFail(
                "This machine has no name server in /etc/resolv.conf. Name one, for example: -e resolver=192.0.2.53"
            ) from error
        if resolver:
            address, self.resolver.port = name_server(resolver)
            self.resolver.nameservers = [address]
        self.resolver.timeout = TRY
        self.resolver.use_edns(0, 0, 1232)
        self.servers = resolver or ", ".join(str(server) for server in self.resolver.nameservers)
        self.answers: dict[tuple[str, str], Answer] = {}
        self.end = time.monotonic() + LIMIT

    async def ask(self, questions: Iterable[tuple[str, str]], seconds: float) -> None:
        """Query those (name, type) that were not queried yet."""
        new = list(dict.fromkeys(question for question in questions if question not in self.answers))
        found = await asyncio.gather(*(self._resolve(name, kind, seconds) for name, kind in new))
        self.answers.update(zip(new, found, strict=True))

    async def _resolve(self, name: str, kind: str, seconds: float) -> Answer:
        try:
            answer = await self.resolver.resolve(name, kind, raise_on_no_answer=False, lifetime=seconds, search=False)
        except dns.resolver.NXDOMAIN:
            return Answer(name=name)
        except dns.resolver.NoNameservers as error:
            codes = {dns.rcode.to_text(try_[4].rcode()) for try_ in error.kwargs["errors"] if try_[4]}
            answered = f"answers {' and '.join(sorted(codes))}" if codes else "sent an unexpected response"
            return Answer(trouble=f"{self.servers} {answered}")
        except (dns.exception.DNSException, OSError):
            return Answer(trouble=f"{self.servers} does not answer")
        lead = answer.canonical_name.to_text().lower()
        return Answer(frozenset(item.to_text().lower() for item in answer.rrset or ()), lead)

    def get(self, name: str, kind: str) -> Answer:
        """Return an answer, following aliases; a name server of one zone stops at an alias into another zone."""
        for _ in range(8):
            answer = self.answers.get((name, kind), Answer(name=name))
            if answer.values or answer.trouble or not answer.name or answer.name == name:
                break
            name = answer.name
        return replace(answer, name=name) if answer.trouble else answer

    def addresses(self, name: str) -> Answer:
        """Return the addresses of a name, of both families."""
        four, six = self.get(name, "A"), self.get(name, "AAAA")
        return Answer(four.values | six.values, four.name or six.name, four.trouble or six.trouble)

    async def ask_addresses(self, names: Iterable[str], seconds: float) -> None:
        """Fetch the addresses of names."""
        await self.ask([(name, kind) for name in names for kind in ("A", "AAAA")], seconds)
