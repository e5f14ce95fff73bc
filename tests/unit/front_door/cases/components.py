# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the operator that are a part of the service."""

from __future__ import annotations

from typing import Any

from ..known import Cases

SECRET = "0123456789abcdef" * 2


def component(name: str = "bridge.friends.test", **others: Any) -> dict[str, Any]:
    """Return one, with nothing wrong but what is said."""
    return {"name": name, "description": "A bridge", "secret": SECRET} | others


CASES: Cases = {
    "components": (
        {
            "xmpp_components": [
                component(),
                component("bot.friends.test", hosts=["10.8.0.7", "fd00::7"], privileges=["message", "presence"]),
                component("open.friends.test", public=True),
            ]
        },
        [],
    ),
    "names of components": (
        {
            "xmpp_more_domains": ["club.friends.test"],
            "xmpp_calls": False,
            "xmpp_components": [
                component(name, public=public)
                for public in (False, True)
                for name in (
                    f"elsewhere-{public}.test".lower(),
                    *((f"{part}friends.test" for part in ("", "muc.", "turn.", "club.")) if public else ()),
                    "upload.club.friends.test" if public else "bridge.friends.test",
                    "bridge.club.friends.test" if public else "bot.friends.test",
                )
            ],
        },
        [
            ("xmpp_components (entry 1, name)", "is not below friends.test"),
            ("xmpp_components (entry 4, name)", "is not below friends.test"),
            ("xmpp_components (entry 5, name)", "is not below friends.test"),
            *((f"xmpp_components (entry {n}, name)", "is already a name of the service") for n in range(6, 10)),
            ("xmpp_components (entry 10, name)", "is below club.friends.test of xmpp_more_domains"),
        ],
    ),
    "component twice": (
        {"xmpp_components": [component(), component()]},
        [("xmpp_components (entry 2)", 'repeats the name "bridge.friends.test" of entry 1')],
    ),
    "keys of components": (
        {
            "xmpp_components": [
                {"name": "Bridge.friends.test", "secret": SECRET, "host": "10.8.0.7"},
                component(secret="short"),
                component(secret=SECRET + " ä"),
                component(privileges=["roster", "everything"]),
                component(hosts=["203.0.113.7", "127.0.0.1", "bridge.test", "10.8.0.0/24", "fd00::7%eth0"]),
                component(description="x" * 201),
            ]
        },
        [
            ("xmpp_components (entry 1)", 'has the unknown key "host". Did you mean hosts?'),
            ("xmpp_components (entry 1, name)", "contains upper-case letters"),
            ("xmpp_components (entry 1)", "has no description"),
            ("xmpp_components (entry 2, secret)", "is a value that is not shown, which has 5 characters"),
            ("xmpp_components (entry 3, secret)", "must consist of printable ASCII characters without spaces"),
            ("xmpp_components (entry 4, privileges, entry 2)", "must be one of: message, presence, roster"),
            ("xmpp_components (entry 5, hosts, entry 1)", "is a public address"),
            ("xmpp_components (entry 5, hosts, entry 2)", "is this host itself"),
            ("xmpp_components (entry 5, hosts, entry 3)", "is not an IP address"),
            ("xmpp_components (entry 5, hosts, entry 4)", "is not an IP address"),
            ("xmpp_components (entry 5, hosts, entry 5)", "is not an IP address"),
            ("xmpp_components (entry 6, description)", "has 201 characters"),
        ],
    ),
    "components without what they need": (
        {
            "xmpp_firewall": False,
            "xmpp_federation": "off",
            "xmpp_components": [component(), component("bot.friends.test", hosts=["10.8.0.7"], public=True)],
        },
        [
            ("xmpp_components (entry 2, hosts)", "needs the firewall"),
            ("xmpp_components (entry 2, public)", "has no effect with xmpp_federation: off"),
        ],
    ),
}
