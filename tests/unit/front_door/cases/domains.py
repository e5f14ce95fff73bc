# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the service and of its parts."""

from __future__ import annotations

from ..known import COMPONENTS, Cases

NOT_FILLED_IN = "is reserved for examples"
DOMAINS = [
    ("Rooms.test", "contains upper-case letters"),
    ("friends", "has no dot"),
    ("friends.test.", "ends in a dot"),
    ("friends..test", "has two dots in a row, or begins with one"),
    ("https://friends.test", "is a web address"),
    ("friends.test:5222", "contains a port"),
    ("maria@friends.test", "is the address of an account"),
    ("192.0.2.1", "is an IP address"),
    ("2001:db8::1", "is an IP address"),
    ("friends.1", "ends in a number"),
    ("my_friends.test", 'has the label "my_friends"'),
    ("-friends.test", 'has the label "-friends"'),
    ("my friends.test", 'has the label "my friends"'),
    ("friends.test ", "begins or ends with whitespace"),
    (
        "münchen.test",
        "contains non-ASCII letters",
    ),
    ("straße.test", "contains non-ASCII letters"),
    ("xn--a.test", 'has the label "xn--a", which is not a valid xn-- form'),
    (f"{'a' * 64}.test", "has a label of 64 characters"),
]

CASES: Cases = {
    "two components elsewhere": (
        {"xmpp_muc_domain": "rooms.elsewhere.test", "xmpp_upload_domain": "files.other.test"},
        [],
    ),
    "international domain": ({"xmpp_domain": "xn--mnchen-3ya.test"}, []),
    # domains
    "domain: example": ({"xmpp_domain": "example.org"}, [("xmpp_domain", NOT_FILLED_IN)]),
    "domain: below an example": (
        {"xmpp_domain": "Chat.Example.com"},
        [("xmpp_domain", NOT_FILLED_IN)],
    ),
    "domain: upper case": (
        {"xmpp_domain": "Friends.test"},
        [("xmpp_domain", "contains upper-case letters")],
    ),
    **{
        f"domains {start // 5 + 1}": (
            {name: domain for name, (domain, _) in zip(COMPONENTS, DOMAINS[start : start + 5], strict=False)},
            [(name, wrong) for name, (domain, wrong) in zip(COMPONENTS, DOMAINS[start : start + 5], strict=False)],
        )
        for start in range(0, len(DOMAINS), 5)
    },
    "domain: long": (
        {"xmpp_domain": ".".join(["a" * 48] * 5 + ["b"])},
        [],
    ),
    "domain: too long": (
        {"xmpp_domain": ".".join(["a" * 48] * 5 + ["bc"])},
        [("xmpp_domain", "has 247 characters")],
    ),
    "component is the domain": (
        {"xmpp_muc_domain": "friends.test"},
        [("xmpp_muc_domain", "is also xmpp_domain")],
    ),
    "component is another's default": (
        {"xmpp_muc_domain": "proxy.friends.test"},
        [("xmpp_muc_domain", "is also xmpp_proxy_domain")],
    ),
    # domains of one service
    "delegated, and more domains": (
        {"xmpp_host_domain": "chat.friends.test", "xmpp_more_domains": ["family.test", "club.friends.test"]},
        [],
    ),
    "more domains that are taken": (
        {
            "xmpp_host_domain": "upload.friends.test",
            "xmpp_more_domains": ["friends.test", "muc.friends.test", "family.test", "upload.family.test", "Club.test"],
        },
        [
            ("xmpp_host_domain", "is also xmpp_upload_domain"),
            ("xmpp_more_domains (entry 5)", "contains upper-case letters"),
        ],
    ),
    "more domains that are taken twice": (
        {"xmpp_more_domains": ["friends.test", "muc.friends.test", "family.test", "upload.family.test"]},
        [
            ("xmpp_more_domains (entry 1)", "needs the name friends.test, which is already xmpp_domain"),
            ("xmpp_more_domains (entry 2)", "needs the name muc.friends.test, which is already xmpp_muc_domain"),
            (
                "xmpp_more_domains (entry 4)",
                "needs the name upload.family.test, which is already a part of family.test",
            ),
        ],
    ),
    "more domains without an example to follow": (
        {"xmpp_muc_domain": "rooms.elsewhere.test", "xmpp_more_domains": ["family.test"]},
        [
            (
                "xmpp_muc_domain",
                "must end in .friends.test",
            ),
        ],
    ),
    "part below another domain": (
        {"xmpp_muc_domain": "rooms.club.friends.test", "xmpp_more_domains": ["club.friends.test"]},
        [
            ("xmpp_muc_domain", "is below club.friends.test of xmpp_more_domains"),
        ],
    ),
}
