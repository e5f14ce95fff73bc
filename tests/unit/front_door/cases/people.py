# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts, contacts, rooms, and what the web site says."""

from __future__ import annotations

import datetime

from ..known import Cases

CASES: Cases = {
    "room without description": ({"xmpp_rooms": [{"name": "support", "title": "Support"}]}, []),
    "ports and schemes": (
        {"xmpp_contact_addresses": ["https://friends.test:8443/help", "mailto:a@b.test", "xmpp:a@b.test"]},
        [],
    ),
    # accounts, contacts, addresses
    "admins": (
        {"xmpp_admins": ["Maria", "a b", "bob@friends.test", ".bob", "x" * 64]},
        [
            ("xmpp_admins (entry 1)", "contains upper-case letters"),
            ("xmpp_admins (entry 2)", "must consist of lower-case letters and digits, with . _ - between them"),
            ("xmpp_admins (entry 3)", "is a whole address"),
            ("xmpp_admins (entry 4)", "must consist of lower-case letters and digits, with . _ - between them"),
            ("xmpp_admins (entry 5)", "has 64 characters"),
        ],
    ),
    "admin twice": (
        {"xmpp_admins": ["maria", "bob", "maria"]},
        [("xmpp_admins (entry 3)", 'repeats "maria" of entry 1')],
    ),
    "moderators": (
        {"xmpp_moderators": ["Maria", "bob@friends.test"]},
        [
            ("xmpp_moderators (entry 1)", "contains upper-case letters"),
            ("xmpp_moderators (entry 2)", "is a whole address"),
        ],
    ),
    "moderator twice": (
        {"xmpp_moderators": ["bob", "carla", "bob"]},
        [("xmpp_moderators (entry 3)", 'repeats "bob" of entry 1')],
    ),
    "administrator who moderates": ({"xmpp_admins": ["maria"], "xmpp_moderators": ["maria"]}, []),
    "circles": (
        {
            "xmpp_circles": [
                {"name": "family", "members": ["maria", "bob"], "former": ["carla", "bob"]},
                {"name": "Family"},
                {"name": "class", "members": ["maria@friends.test", "maria@club.test", "Bob"], "member": []},
                {"title": "Club"},
                {"name": "club", "title": "x" * 101, "members": ["bob", "bob"]},
            ]
        },
        [
            ("xmpp_circles (entry 2, name)", "contains upper-case letters"),
            ("xmpp_circles (entry 3)", 'has the unknown key "member". Did you mean members?'),
            ("xmpp_circles (entry 3, members, entry 1)", "is a whole address: give only the part before the @"),
            ("xmpp_circles (entry 3, members, entry 2)", "is a whole address: give only the part before the @"),
            ("xmpp_circles (entry 3, members, entry 3)", "contains upper-case letters"),
            ("xmpp_circles (entry 4)", "has no name"),
            ("xmpp_circles (entry 5, title)", "has 101 characters"),
            ("xmpp_circles (entry 5, members, entry 2)", 'repeats "bob" of entry 1'),
        ],
    ),
    "circle twice": (
        {"xmpp_circles": [{"name": "family"}, {"name": "family"}]},
        [("xmpp_circles (entry 2)", 'repeats the name "family" of entry 1')],
    ),
    "member who is none": (
        {"xmpp_circles": [{"name": "family", "members": ["bob"], "former": ["carla", "bob"]}]},
        [("xmpp_circles (entry 1, former, entry 2)", "is also in members of this circle")],
    ),
    "circle of nobody yet": ({"xmpp_circles": [{"name": "family"}]}, []),
    "limited accounts": (
        {
            "xmpp_more_domains": ["club.test"],
            "xmpp_admins": ["admin", "tim"],
            "xmpp_limited": ["bob", "tim", "tim@club.test", "eve@elsewhere.test", "bob@friends.test"],
        },
        [
            ("xmpp_limited (entry 2)", "remove it from one of the two settings"),
            (
                "xmpp_limited (entry 4)",
                "is no account of this service, whose domains are friends.test, club.test: give the local "
                "part of an account of friends.test, or an address at one of these",
            ),
            ("xmpp_limited (entry 5)", "is the account of entry 1"),
        ],
    ),
    "addresses of limited accounts": (
        {"xmpp_limited": ["Tim", "tim@", "a b@friends.test", "eva", "eva"]},
        [
            ("xmpp_limited (entry 1)", "contains upper-case letters"),
            ("xmpp_limited (entry 2)", "where a lower-case domain name is expected"),
            ("xmpp_limited (entry 3)", "must consist of lower-case letters and digits"),
        ],
    ),
    "language twice": ({"xmpp_languages": ["de", "de"]}, [("xmpp_languages (entry 2)", 'repeats "de" of entry 1')]),
    "contacts": (
        {"xmpp_contact_addresses": ["maria@friends.test", "mailto:maria", "https:friends.test", "xmpp:a@B.test"]},
        [
            ("xmpp_contact_addresses (entry 1)", "must begin with mailto: or xmpp: or https:"),
            ("xmpp_contact_addresses (entry 2)", "must continue with name@domain after mailto:"),
            ("xmpp_contact_addresses (entry 3)", "must continue with // and a host name"),
            ("xmpp_contact_addresses (entry 4)", 'has "B.test" where a lower-case domain name is expected'),
        ],
    ),
    "contacts of one purpose": (
        {"xmpp_contact_purposes": {"abuse": ["mailto:abuse@a.test"], "support": ["xmpp:help@muc.friends.test?join"]}},
        [],
    ),
    "contacts of a purpose": (
        {
            "xmpp_contact_purposes": {
                "abuse": ["abuse@friends.test", "mailto:abuse@friends.test?join"],
                "feedback": ["xmpp:a@b.test", "xmpp:a@b.test"],
                "security": [],
                "selling": ["mailto:a@b.test"],
                "support": ["xmpp:help@muc.friends.test?message"],
            }
        },
        [
            ("xmpp_contact_purposes", 'has the unknown key "selling"'),
            ("xmpp_contact_purposes (abuse, entry 1)", "must begin with mailto: or xmpp: or https:"),
            ("xmpp_contact_purposes (abuse, entry 2)", 'has "friends.test?join"'),
            ("xmpp_contact_purposes (feedback, entry 2)", 'repeats "xmpp:a@b.test" of entry 1'),
            ("xmpp_contact_purposes (security)", "is empty"),
            ("xmpp_contact_purposes (support, entry 1)", 'has "muc.friends.test?message"'),
        ],
    ),
    "state of the service": (
        {"xmpp_status_url": "http://status.friends.test/status.json"},
        [
            ("xmpp_status_url", "is not a URL like https://name/path"),
        ],
    ),
    # the web site
    "recommended rooms": (
        {
            "xmpp_recommended_rooms": [
                {"address": "gardening", "title": "Gardening"},
                {"address": "a@Muc.test", "title": "A"},
                {"address": "b@muc.test", "title": "B"},
                {"address": "b@muc.test"},
            ],
            "xmpp_room_search_url": "http://search.test",
        },
        [
            ("xmpp_recommended_rooms (entry 1, address)", "must be an address like name@domain"),
            ("xmpp_recommended_rooms (entry 2, address)", 'has "Muc.test" where a lower-case domain name is expected'),
            ("xmpp_recommended_rooms (entry 4)", "has no title"),
            ("xmpp_room_search_url", "must begin with https://"),
        ],
    ),
    "recommended room twice, donation twice": (
        {
            "xmpp_recommended_rooms": [{"address": "b@muc.test", "title": title} for title in ("B", "C")],
            "xmpp_donations": [{"name": name, "address": "monero:4x"} for name in ("Monero", "XMR")],
        },
        [
            ("xmpp_recommended_rooms (entry 2)", 'repeats "b@muc.test" of entry 1'),
            ("xmpp_donations (entry 2)", 'repeats "monero:4x" of entry 1'),
        ],
    ),
    "donations, provider, pages": (
        {
            "xmpp_donations": [{"name": "Monero", "address": "4x 5y"}],
            "xmpp_provider": {
                "since": "1.5.2023",
                "locations": ["DE", "Germany"],
                "organization": "club",
                "bus_factor": "2",
                "professional": True,
            },
            "xmpp_website_dir": "website",
        },
        [
            ("xmpp_donations (entry 1, address)", "contains whitespace"),
            ("xmpp_provider", 'has the unknown key "professional". Did you mean professional_hosting?'),
            ("xmpp_provider (since)", "is not a date like 2026-11-22"),
            ("xmpp_provider (locations, entry 2)", "must be a country code of two capital letters"),
            (
                "xmpp_provider (organization)",
                "must be one of: company, commercial person,",
            ),
            ("xmpp_provider (bus_factor)", "is a string, but must be an integer"),
            ("xmpp_website_dir", "is not an absolute path"),
        ],
    ),
    # rooms
    "rooms": (
        {
            "xmpp_rooms": [
                {"name": "Support", "title": "Support"},
                {"name": "news", "titel": "News"},
                {"name": "lobby", "title": "", "moderated": "no", "description": "x" * 1001},
                {},
            ]
        },
        [
            ("xmpp_rooms (entry 1, name)", "contains upper-case letters"),
            ("xmpp_rooms (entry 2)", 'has the unknown key "titel". Did you mean title?'),
            ("xmpp_rooms (entry 2)", "has no title"),
            ("xmpp_rooms (entry 3, title)", "is empty"),
            ("xmpp_rooms (entry 3, description)", "has 1001 characters"),
            ("xmpp_rooms (entry 3, moderated)", "is a string, but must be a boolean"),
            ("xmpp_rooms (entry 4)", "is empty"),
        ],
    ),
    "room twice": (
        {"xmpp_rooms": [{"name": "news", "title": "News"}, {"name": "news", "title": "Newer"}]},
        [("xmpp_rooms (entry 2)", 'repeats the name "news" of entry 1')],
    ),
    # ways to give
    **{
        f"donation to {address}": (
            {"xmpp_donations": [{"name": "Gift", "address": address}]},
            [("xmpp_donations (entry 1, address)", wrong)] if wrong else [],
        )
        for address, wrong in (
            ("monero:4x", ""),
            ("4AdUndXHHZ6cfufTMvppY6JwXNouMBzSkbLYfpAV5Usx3skxNgYeYTRj5UzqtReoS44qo9mtmXCqY45DJ852K5Jv2684Rge", ""),
            ("payto://iban/DE75512108001245126199?amount=EUR:5", ""),
            *(
                (
                    address,
                    f"begins with {scheme}:, which is not a payment address",
                )
                for address, scheme in (
                    ("javascript:alert(1)", "javascript"),
                    ("JavaScript:alert(1)", "javascript"),
                    ("data:text/html,hello", "data"),
                    ("file:///etc/passwd", "file"),
                )
            ),
            ("http://friends.test/give", "is a web address without TLS"),
            ("https:friends.test", "must continue with // and a host name"),
            (
                "https://friends.test/><b>",
                'contains one of the characters < > " ` \\, which are not allowed in a URL',
            ),
        )
    },
    **{
        f"provider since {since}": (
            {"xmpp_provider": {"since": since}},
            [("xmpp_provider (since)", wrong)],
        )
        for since, wrong in (
            ("2999-01-01", "is in the future"),
            (str(datetime.date.today() + datetime.timedelta(days=3)), "is in the future"),
            ("0001-01-01", "is before the first XMPP service existed"),
        )
    },
}
