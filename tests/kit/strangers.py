# SPDX-License-Identifier: GPL-3.0-or-later
"""People on other servers, which need not be there."""

from __future__ import annotations

import secrets

from .service import Account, Service


def elsewhere() -> str:
    """Somebody on a server that nobody has heard of."""
    return f"user-{secrets.token_hex(4)}@server-{secrets.token_hex(4)}.example"


def come_in(service: Service, sender: str, to: str, *bodies: str) -> None:
    """Messages from somebody elsewhere."""
    service.api(
        *(
            ("send_stanza", {"from": sender, "to": to, "stanza": f"<message type='chat'><body>{body}</body></message>"})
            for body in bodies
        )
    )


def befriended(service: Service, account: Account, friend: str) -> None:
    """Somebody elsewhere is among the contacts of an account."""
    name, domain = friend.split("@")
    contact = {"user": name, "host": domain, "nick": "friend", "groups": "", "subs": "both"}
    service.api(("add_rosteritem", {"localuser": account.name, "localhost": service.domain, **contact}))
