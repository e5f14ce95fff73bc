# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of other servers."""

from __future__ import annotations

from ..known import Cases

CASES: Cases = {
    # other servers
    "own domain allowed": (
        {
            "xmpp_federation": "allowlist",
            "xmpp_federation_allow": ["neighbour.test", "friends.test"],
            "xmpp_block_lists": ["club.test"],
            "xmpp_more_domains": ["club.test"],
        },
        [
            (name, "is this service's own domain")
            for name, domain in (
                ("xmpp_federation_allow (entry 2)", "friends.test"),
                ("xmpp_block_lists (entry 1)", "club.test"),
            )
        ],
    ),
    "allowed and blocked": (
        {
            "xmpp_federation": "allowlist",
            "xmpp_federation_allow": ["neighbour.test", "chat.family.test"],
            "xmpp_federation_block": ["neighbour.test", "family.test", "bad.chat.family.test"],
        },
        [
            ("xmpp_federation_allow (entry 1)", "entry 1 of xmpp_federation_block, neighbour.test, blocks"),
            ("xmpp_federation_allow (entry 2)", "entry 2 of xmpp_federation_block, family.test, blocks"),
        ],
    ),
    "own rooms blocked": (
        {"xmpp_federation_block": ["muc.friends.test"]},
        [("xmpp_federation_block (entry 1)", "is this service's own domain, or a parent of it")],
    ),
    "wrong list is not empty as well": (
        {"xmpp_federation": "allowlist", "xmpp_federation_allow": ["com"]},
        [("xmpp_federation_allow (entry 1)", "has no dot")],
    ),
    "federation off": ({"xmpp_federation": False}, []),
    "federation off, in quotes": ({"xmpp_federation": "off"}, []),
    "federation off, and nobody to wake up phones": ({"xmpp_federation": "off", "xmpp_push_servers": []}, []),
    "who wakes up phones": (
        {
            "xmpp_domain": "chat.friends.test",
            "xmpp_federation_block": ["maker.test"],
            "xmpp_push_servers": ["chat.friends.test", "push.maker.test", "push.other.test"],
        },
        [
            ("xmpp_push_servers (entry 1)", "is this service's own domain"),
            ("xmpp_push_servers (entry 2)", "is blocked by xmpp_federation_block"),
        ],
    ),
    "who wakes up phones, by no name": (
        {"xmpp_push_servers": ["push"]},
        [("xmpp_push_servers (entry 1)", "has no dot")],
    ),
    "federation by a list": (
        {
            "xmpp_federation": "allowlist",
            "xmpp_federation_allow": ["neighbour.test"],
            "xmpp_federation_block": ["bad.neighbour.test"],
        },
        [],
    ),
    "federation by an empty list": (
        {"xmpp_federation": "allowlist", "xmpp_federation_block": ["test"]},
        [
            ("xmpp_federation_allow", 'is empty, but xmpp_federation is "allowlist"'),
            ("xmpp_federation_block (entry 1)", "has no dot"),
        ],
    ),
    "federation with lists that are not used": (
        {"xmpp_federation": False, "xmpp_federation_allow": ["a.test"], "xmpp_federation_block": ["b.test"]},
        [
            ("xmpp_federation_allow", 'is not used unless xmpp_federation is "allowlist"'),
            ("xmpp_federation_block", 'is not used, because xmpp_federation is "off"'),
        ],
    ),
    "block lists": ({"xmpp_block_lists": ["xmppbl.org", "lists.neighbour.test"]}, []),
    "block lists that are none": (
        {"xmpp_block_lists": ["lists.test", "https://xmppbl.org/"]},
        [
            ("xmpp_block_lists (entry 2)", "is a web address"),
        ],
    ),
    "block lists out of reach": (
        {"xmpp_federation": "off", "xmpp_block_lists": ["xmppbl.org"]},
        [("xmpp_block_lists", 'cannot be fetched, because xmpp_federation is "off"')],
    ),
    "federation without oneself": (
        {"xmpp_domain": "chat.friends.test", "xmpp_federation_block": ["friends.test"]},
        [
            ("xmpp_federation_block (entry 1)", "is this service's own domain, or a parent of it"),
        ],
    ),
}
