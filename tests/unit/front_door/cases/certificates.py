# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates: provided, or ordered from an authority."""

from __future__ import annotations

import base64

from ..known import NAMES, Cases

CASES: Cases = {
    "own certificate": (
        {
            "xmpp_certificates": "provided",
            "xmpp_certificate_file": "DIR/good.pem",
            "xmpp_certificate_key_file": "DIR/good.key",
        },
        [],
    ),
    "wildcard certificate": (
        {
            "xmpp_certificates": "provided",
            "xmpp_certificate_file": "DIR/wildcard.pem",
            "xmpp_certificate_key_file": "DIR/wildcard.key",
        },
        [],
    ),
    "certificate without the relay": (
        {
            "xmpp_calls": False,
            "xmpp_certificates": "provided",
            "xmpp_certificate_file": "DIR/quiet.pem",
            "xmpp_certificate_key_file": "DIR/quiet.key",
        },
        [],
    ),
    "provided without files": (
        {"xmpp_certificates": "provided"},
        [
            ("xmpp_certificates", 'is "provided", but xmpp_certificate_file is not set'),
            ("xmpp_certificates", 'is "provided", but xmpp_certificate_key_file is not set'),
        ],
    ),
    "files without provided": (
        {"xmpp_certificate_file": "DIR/good.pem"},
        [("xmpp_certificate_file", 'is not used, because xmpp_certificates is "acme"')],
    ),
    # ACME
    "order by DNS": (
        {
            "xmpp_acme_challenge": "dns",
            "xmpp_dns_server": "192.0.2.53",
            "xmpp_dns_key_name": "update",
            "xmpp_dns_key_secret": "bXkgb3duIGtleSwgbm90IHRoaXMgb25l",
            "xmpp_acme_email": "operator@friends.test",
            "xmpp_acme_eab_kid": "kid-1",
            "xmpp_acme_eab_secret": "zWNDZM6eQGHWpSRTPal5eIUYFTu7Eaj",
            "xmpp_acme_ca_file": "DIR/good.pem",
            "xmpp_acme_directory": "https://acme.friends.test:14000/dir",
        },
        [],
    ),
    "order without what it needs": (
        {"xmpp_acme_challenge": "dns", "xmpp_acme_eab_kid": "kid-1"},
        [
            (
                "xmpp_acme_eab_secret",
                "is not set, but an external account needs both xmpp_acme_eab_kid and",
            ),
            ("xmpp_acme_challenge", 'is "dns", but xmpp_dns_server is not set, nor xmpp_dns_provider'),
            ("xmpp_acme_challenge", 'is "dns", but xmpp_dns_key_name is not set'),
            ("xmpp_acme_challenge", 'is "dns", but xmpp_dns_key_secret is not set'),
        ],
    ),
    "order without a hook": (
        {"xmpp_acme_challenge": "hook"},
        [("xmpp_acme_challenge", 'is "hook", but xmpp_acme_hook_file is not set')],
    ),
    "order, all wrong": (
        {
            "xmpp_acme_directory": "http://acme.friends.test/dir",
            "xmpp_acme_challenge": "hook",
            "xmpp_acme_hook_file": "/nowhere/hook",
            "xmpp_acme_email": "mailto:operator@friends.test",
            "xmpp_acme_eab_kid": "x" * 201,
            "xmpp_acme_eab_secret": "hunter 2",
            "xmpp_acme_ca_file": "ca.pem",
            "xmpp_dnssec": "yes",
        },
        [
            ("xmpp_acme_directory", "is not a URL like https://name/path"),
            ("xmpp_acme_hook_file", "cannot be read"),
            ("xmpp_acme_email", "must be an address like name@domain"),
            ("xmpp_acme_eab_kid", "has 201 characters"),
            ("xmpp_acme_eab_secret", "is not base64url"),
            ("xmpp_acme_ca_file", "is not an absolute path"),
            ("xmpp_dnssec", "is a string, but must be a boolean"),
        ],
    ),
    **{
        f"hook {name}": (
            {"xmpp_acme_challenge": "hook", "xmpp_acme_hook_file": f"DIR/{name}"},
            [("xmpp_acme_hook_file", wrong)] if wrong else [],
        )
        for name, wrong in (
            ("hook.sh", ""),
            ("hook.elf", ""),
            ("hook.dos", "has Windows line endings"),
            *((name, "is not a program") for name in ("text.pem", "hook.empty", "hook.bom", "good.key")),
            ("", "cannot be read"),
        )
    },
    **{
        f"authority {name}": (
            {"xmpp_acme_ca_file": f"DIR/{name}"},
            [("xmpp_acme_ca_file", wrong)],
        )
        for name, wrong in (
            ("good.key", "contains a private key"),
            ("both.pem", "contains a private key"),
            ("text.pem", "contains no certificate in PEM format (-----BEGIN CERTIFICATE-----)"),
            ("hook.empty", "contains no certificate in PEM format (-----BEGIN CERTIFICATE-----)"),
        )
    },
    **{
        f"DNS key of {size} bytes": (
            {
                "xmpp_acme_challenge": "dns",
                "xmpp_dns_server": "192.0.2.53",
                "xmpp_dns_key_name": "update",
                "xmpp_dns_key_secret": base64.b64encode(b"k" * size).decode(),
            },
            [("xmpp_dns_key_secret", wrong)] if wrong else [],
        )
        for size, wrong in (
            (1, "is a key of 1 byte"),
            (15, "is a key of 15 bytes"),
            (16, ""),
        )
    },
    "key of an account with a letter too many": (
        {"xmpp_acme_eab_kid": "kid", "xmpp_acme_eab_secret": "a" * 17},
        [("xmpp_acme_eab_secret", "is not base64url")],
    ),
    **{
        f"certificate: {name}": (
            {
                "xmpp_certificates": "provided",
                "xmpp_certificate_file": f"DIR/{chain}",
                "xmpp_certificate_key_file": f"DIR/{key}",
            },
            wrongs,
        )
        for name, chain, key, wrongs in (
            (
                "missing files",
                "none.pem",
                "none.key",
                [
                    ("xmpp_certificate_file", "cannot be read"),
                    ("xmpp_certificate_key_file", "cannot be read"),
                ],
            ),
            (
                "not PEM",
                "text.pem",
                "text.pem",
                [
                    ("xmpp_certificate_file", "contains no certificate in PEM format (-----BEGIN CERTIFICATE-----)"),
                    (
                        "xmpp_certificate_key_file",
                        "contains no private key in PEM format (-----BEGIN PRIVATE KEY-----)",
                    ),
                ],
            ),
            (
                "foreign key",
                "good.pem",
                "wildcard.key",
                [("xmpp_certificate_key_file", "does not belong to the first certificate in xmpp_certificate_file")],
            ),
            (
                "key with passphrase",
                "good.pem",
                "locked.key",
                [("xmpp_certificate_key_file", "is protected by a passphrase")],
            ),
            (
                "expired, names missing",
                "old.pem",
                "old.key",
                [
                    ("xmpp_certificate_file", "expired on 02 January 2020"),
                    ("xmpp_certificate_file", f"is not valid for {', '.join(NAMES[1:])}"),
                ],
            ),
            (
                "not yet valid",
                "early.pem",
                "early.key",
                [("xmpp_certificate_file", "is not valid before 01 January 2199")],
            ),
        )
    },
    "names that no public authority certifies": (
        {"xmpp_domain": "friends.local", "xmpp_more_domains": ["family.test", "club.home.arpa"]},
        [
            (name, f"ends in .{top}")
            for name, value, top in (
                ("xmpp_domain", "friends.local", "local"),
                ("xmpp_more_domains (entry 2)", "club.home.arpa", "home.arpa"),
            )
        ],
    ),
    **{
        f"names by another authority: {settings}": ({"xmpp_domain": "friends.localhost"} | settings, [])
        for settings in (
            {"xmpp_certificates": "selfsigned"},
            {"xmpp_acme_directory": "https://ca.friends.local:14000/dir"},
        )
    },
}
