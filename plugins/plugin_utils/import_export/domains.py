# SPDX-License-Identifier: GPL-3.0-or-later
"""Which domain of another server becomes which of this service."""

from __future__ import annotations

from collections.abc import Iterable

from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.elements import Moves
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.files import Accounts, Wrong


def choose(found: Accounts, source: str, target: str, domains: list[str], file: str) -> dict[str, str]:
    """Return which domains of the files become which of the service; raises AnsibleActionFail."""
    there = ", ".join(sorted(found))
    into = target or domains[0]
    if not found:
        return {source: into} if source else {}
    if source and source not in found:
        raise AnsibleActionFail(
            f'domain is "{source}", of which there is no account in {file}, but of {there}. Change it on the command '
            f"line, for example: -e domain={min(found)}"
        )
    if source:
        return {source: into}
    strange = sorted(set(found) - set(domains))
    if target or strange:
        raise AnsibleActionFail(
            f'file is "{file}", with accounts of {there}; the service has {", ".join(domains)}. Say on the command '
            f"line whose accounts are to become accounts of {into}, for example: -e domain={min(strange or found)}"
        )
    return {domain: domain for domain in found}


def only(account: str, addresses: Iterable[str]) -> None:
    """Raise Wrong if files have anything of others: their owner may have put it there, for the operator to import."""
    if others := sorted({*addresses} - {account}):
        raise Wrong(
            f"with {', '.join(others[:10])}, while user is {account}",
            f"If {account} is to get what the file has, take all else out of it; to import all, leave -e user= out",
        )


def service_of(domain: str, into: Moves, target: str, services: Moves) -> str:
    """Return the domain that another server's rooms move to; *services* are those of our rooms, by domain."""
    of = [new for old, new in into.items() if domain.endswith(f".{old}")]
    return services[of[0] if of else target or next(iter(services))]


def apart(domains: Iterable[str], accounts: Iterable[str]) -> None:
    """Raise Wrong if rooms are of a domain of accounts: these would all become addresses of rooms."""
    if both := sorted(set(domains) & set(accounts)):
        raise Wrong(
            f"with a room of {both[0]}, which is a domain of accounts, as the files or the command line say",
            "If accounts are of another, say that, for example: -e domain=old.example. If not, take the room out by "
            "deleting its file, which is called after it, for example: config/garden.dat",
        )
