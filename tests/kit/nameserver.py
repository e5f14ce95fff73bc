# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server on loopback that speaks real DNS."""

from __future__ import annotations

import socket
import threading

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.zone


class NameServer:
    """Answers from zones by UDP, each on its own like an authoritative server; ``mood`` is a code, or silence."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.zones: dict[dns.name.Name, dns.zone.Zone] = {}
        self.moods: dict[str, dns.rcode.Rcode | None] = {}  # type of query, or *
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def load(self, text: str, origin: str) -> None:
        """Serve a zone."""
        zone = dns.zone.from_text(text, origin=origin, relativize=False, check_origin=False)
        self.zones[dns.name.from_text(origin)] = zone

    def serve(self) -> None:
        """Answer until an empty datagram comes."""
        while True:
            data, client = self.socket.recvfrom(4096)
            if not data:
                return
            if reply := self.reply(dns.message.from_wire(data)):
                self.socket.sendto(reply.to_wire(), client)

    def reply(self, query: dns.message.Message) -> dns.message.Message | None:
        """Return the reply, or None to stay silent."""
        question = query.question[0]
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        mood = self.moods.get(question.rdtype.name, self.moods.get("*", dns.rcode.NOERROR))
        if mood is None:
            return None
        name = question.name
        origin = max((origin for origin in self.zones if name.is_subdomain(origin)), key=len, default=None)
        if mood or origin is None:
            response.set_rcode(mood or dns.rcode.REFUSED)
            return response
        zone = self.zones[origin]
        while alias := zone.get_rrset(name, dns.rdatatype.CNAME) if name.is_subdomain(origin) else None:
            response.answer.append(alias)
            name = alias[0].target
        if name.is_subdomain(origin):
            if found := zone.get_rrset(name, question.rdtype):
                response.answer.append(found)
            elif not any(known.is_subdomain(name) for known in zone.nodes):
                response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    def close(self) -> None:
        """Stop."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
            stopper.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
