# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door: real ansible-playbook runs on inventories that are wrong, each with what the operator is told."""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.secrets_dir import closed_folder, name_of
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
OPTIONS: dict[str, Any] = yaml.safe_load((ROOT / "roles/xmpp/meta/argument_specs.yml").read_text())["argument_specs"][
    "settings"
]["options"]
CHANGES: list[str] = yaml.safe_load((ROOT / "roles/xmpp/vars/main.yml").read_text())["__xmpp_changes"]
GOOD = {"xmpp_domain": "friends.test"}
NAMES = ["friends.test", *(f"{name}.friends.test" for name in ("muc", "upload", "turn", "proxy", "pubsub"))]
DEFAULT = " Give it a value, or remove it to have the default."
NOT_FILLED_IN = "is not filled in yet: it is reserved for examples (RFC 2606), put your own domain there"
EMPTY_LIST: list[str] = []
COMPONENTS = [name for name in OPTIONS if name.endswith("_domain") and name not in ("xmpp_domain", "xmpp_host_domain")]
SIGNS = "only letters, digits and, between them, hyphens are allowed (RFC 1035)"
DOMAINS = [
    ("Rooms.test", "is not in lower case"),
    ("friends", "has no dot: a full domain name is needed"),
    ("friends.test.", "ends in a dot"),
    ("friends..test", "has two dots in a row, or begins with one"),
    ("https://friends.test", "is a web address: only the name of the host in it is meant"),
    ("friends.test:5222", "ends in a port: only the name is meant"),
    ("maria@friends.test", "is the address of an account: only the part after the @ is meant"),
    ("192.0.2.1", "is an IP address: a name is needed"),
    ("2001:db8::1", "is an IP address: a name is needed"),
    ("friends.1", "ends in a number: no top-level domain is a number"),
    ("my_friends.test", f'has the part "my_friends": {SIGNS}'),
    ("-friends.test", f'has the part "-friends": {SIGNS}'),
    ("my friends.test", f'has the part "my friends": {SIGNS}'),
    ("friends.test ", "begins or ends with white space"),
    (
        "münchen.test",
        "has letters that DNS does not know: write it in its xn-- form, xn--mnchen-3ya.test (RFC 5890)",
    ),
    ("straße.test", "has letters that DNS does not know: write it in its xn-- form (RFC 5890)"),
    ("xn--a.test", 'has the part "xn--a", which is not a valid xn-- form (RFC 5890)'),
    (f"{'a' * 64}.test", "has a part of 64 characters between dots: DNS allows 63 (RFC 1035)"),
]

# ------------------------------------------------------------------ the table
# A name for the case: the settings of a host (beside a good xmpp_domain), and exactly what is reported about them.
# DIR stands for the folder of the inventory.
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    # nothing wrong
    "minimal": ({}, []),
    "two components elsewhere": (
        {"xmpp_muc_domain": "rooms.elsewhere.test", "xmpp_upload_domain": "files.other.test"},
        [],
    ),
    "international domain": ({"xmpp_domain": "xn--mnchen-3ya.test"}, []),
    "calls off behind NAT": ({"xmpp_calls": False, "xmpp_public_addresses": ["203.0.113.7", "2001:db8::7"]}, []),
    "room without description": ({"xmpp_rooms": [{"name": "support", "title": "Support"}]}, []),
    "computed number": ({"xmpp_upload_days": "{{ 2 * 7 }}"}, []),
    "own variable": ({"friends_name": "Friends", "xmpp_name": "{{ friends_name }}"}, []),
    "ports and schemes": (
        {"xmpp_contact_addresses": ["https://friends.test:8443/help", "mailto:a@b.test", "xmpp:a@b.test"]},
        [],
    ),
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
    # backups
    **{
        f"backup {place}": ({"xmpp_backup_repository": place}, [])
        for place in (
            "/mnt/backup",
            "sftp:u1@nas.test:/srv/xmpp",
            "sftp:u1@nas.test:xmpp",
            "sftp://u1@nas.test:23/xmpp",
            "sftp:u1@[2001:db8::1]:/xmpp",
            "/srv/backup",
            "/srv/xmpp-backups/",
            "/mnt",
            "/var/backups/xmpp",
            "/mnt/Büro/xmpp.example@nas+1",
        )
    },
    "backup in S3": (
        {
            "xmpp_backup_repository": "s3:https://s3.test/bucket/xmpp",
            "xmpp_backup_s3_key_id": "id",
            "xmpp_backup_s3_secret": "key",
        },
        [],
    ),
    **{
        f"backup {place}": (
            {"xmpp_backup_repository": place},
            [f'xmpp_backup_repository is "{place}", which {wrong}.'],
        )
        for place, wrong in (
            ("backups", "must begin with / or sftp: or s3:"),
            ("rest:https://nas.test/", "must begin with / or sftp: or s3:"),
            ("/", "is a folder for folders: name one in it that is for the backups alone"),
            *(
                (folder, "is a folder of the system, which the backup cannot write to, or where it does not last")
                for folder in ("/home/maria/backup", "/etc", "/usr", "/usr/local/backup", "/var/cache/b", "/boot/")
            ),
            ("/srv", "is a folder for folders: name one in it that is for the backups alone"),
            ("/var/lib/", "is a folder for folders: name one in it that is for the backups alone"),
            *(
                (
                    f"{own}{below}",
                    f"is in {own}, which is the service's own: playbooks/remove.yml would delete the backups, too",
                )
                for own, below in (
                    ("/var/lib/ejabberd", "/backup"),
                    ("/srv/xmpp", "/backup"),
                    ("/var/lib/xmpp-backup", ""),
                    ("/var/lib/turn", "/b/"),
                )
            ),
            ("/srv/../root/x", "has the part . or .. in its path: write the path that is meant"),
            ("/mnt/./x", "has the part . or .. in its path: write the path that is meant"),
            ("sftp:u1@nas.test:/srv/../etc", "has the part . or .. in its path: write the path that is meant"),
            ("/mnt//x", "has two slashes in a row"),
            *(
                (
                    place,
                    f"has the character {place[6]} in it: letters, digits and . _ - + , = ~ @ are possible in a path",
                )
                for place in ("/srv/b$(id)", "/srv/b'x", "/srv/b`id`", "/srv/b;x", "/srv/b%h", "/srv/b*", "/srv/b{a}")
            ),
            ("sftp:-oProxyCommand=x@nas.test:/srv", "must go on with user@host:/folder after sftp:"),
            ("/mnt/my backup", "has white space in it"),
            ("sftp:nas.test", "must go on with user@host:/folder after sftp:"),
            ("sftp:backup:secret@nas.test:/srv", "must go on with user@host:/folder after sftp:"),
            ("s3:nas.test/bucket", "must go on with https://host/bucket after s3:"),
            ("s3:https://id:secret@s3.test/bucket", "must go on with https://host/bucket after s3:"),
        )
    },
    "backup in S3 without keys": (
        {"xmpp_backup_repository": "s3:https://s3.test/bucket"},
        [
            f"xmpp_backup_repository is in S3, but {name} is not set."
            for name in ("xmpp_backup_s3_key_id", "xmpp_backup_s3_secret")
        ],
    ),
    "backup, values": (
        {
            "xmpp_backup_days": 0,
            "xmpp_backup_uploads": "no",
            "xmpp_backup_s3_key_id": "x" * 201,
            "xmpp_backup_s3_secret": " key",
        },
        [
            "xmpp_backup_days is 0, which must be from 1 to 365.",
            'xmpp_backup_uploads is "no", which is a text where true or false is meant: write it without quotes.',
            f'xmpp_backup_s3_key_id is "{"x" * 119}…, which has 201 characters: at most 200 are possible.',
            "xmpp_backup_s3_secret is a value that is not shown, which is not valid (its help is in docs/settings.md).",
        ],
    ),
    # names
    "misspelt": (
        {"XMPP_CALLS": False, "xmpp_admin": ["maria"], "xmp_rooms": EMPTY_LIST},
        [
            "XMPP_CALLS is not a setting. Did you mean xmpp_calls?",
            "xmp_rooms is not a setting. Did you mean xmpp_rooms?",
            "xmpp_admin is not a setting. Did you mean xmpp_admins?",
        ],
    ),
    "unknown, value not shown": (
        {"xmpp_database_password": "hunter2"},
        ["xmpp_database_password is not a setting. All settings are listed in docs/settings.md."],
    ),
    "renamed": (
        {"xmpp_old_name": "Friends"},
        ["xmpp_old_name is now called xmpp_name."],
    ),
    # missing and empty
    "no domain": (
        {"xmpp_domain": ...},
        ["xmpp_domain is not set, and nothing can stand in for it."],
    ),
    "null domain": ({"xmpp_domain": None}, ["xmpp_domain is empty."]),
    "empty domain": ({"xmpp_domain": ""}, ["xmpp_domain is empty."]),
    "empty values": (
        {
            "xmpp_name": "  ",
            "xmpp_languages": EMPTY_LIST,
            "xmpp_certificates": "",
            "xmpp_admins": EMPTY_LIST,
            "xmpp_rooms": None,
            "xmpp_upload_days": None,
            "xmpp_public_addresses": [""],
        },
        [
            f"xmpp_name is empty.{DEFAULT}",
            f"xmpp_languages is empty.{DEFAULT}",
            f"xmpp_certificates is empty.{DEFAULT}",
            f"xmpp_admins is empty.{DEFAULT}",
            f"xmpp_rooms is empty.{DEFAULT}",
            f"xmpp_upload_days is empty.{DEFAULT}",
            "xmpp_public_addresses (entry 1) is empty.",
        ],
    ),
    "undefined": (
        {"xmpp_name": "{{ no_such_name }}", "xmpp_admins": ["maria", "{{ no_such_name }}"]},
        [
            "xmpp_name cannot be computed: 'no_such_name' is undefined.",
            "xmpp_admins cannot be computed: 'no_such_name' is undefined.",
        ],
    ),
    # types
    "types": (
        {
            "xmpp_name": 2025,
            "xmpp_sha1_passwords": "yes",
            "xmpp_admins": "maria",
            "xmpp_rooms": ["support"],
            "xmpp_archive_days": "30",
            "xmpp_upload_days": True,
            "xmpp_upload_max_mib": 1.5,
            "xmpp_calls": 1,
            "xmpp_webchat": "true",
            "xmpp_firewall": "yes",
        },
        [
            "xmpp_name is 2025, which is a whole number where a text is meant: write it in quotes.",
            'xmpp_sha1_passwords is "yes", which is a text where true or false is meant: write it without quotes.',
            'xmpp_admins is "maria", which is a text where a list is meant: '
            "write it in brackets, or each entry on a line of its own behind a hyphen.",
            'xmpp_rooms (entry 1) is "support", which is a text where a set of keys and values is meant.',
            'xmpp_archive_days is "30", which is a text where a whole number is meant: write it without quotes.',
            "xmpp_upload_days is true, which is true or false where a whole number is meant.",
            "xmpp_upload_max_mib is 1.5, which is a number with a fraction where a whole number is meant.",
            "xmpp_calls is 1, which is a whole number where true or false is meant.",
            'xmpp_webchat is "true", which is a text where true or false is meant: write it without quotes.',
            'xmpp_firewall is "yes", which is a text where true or false is meant: write it without quotes.',
        ],
    ),
    # Not even in quotes.
    "neither true nor false, no number": (
        {"xmpp_calls": "maybe", "xmpp_upload_days": "two weeks"},
        [
            'xmpp_upload_days is "two weeks", which is a text where a whole number is meant.',
            'xmpp_calls is "maybe", which is a text where true or false is meant.',
        ],
    ),
    "date for text": (
        {"xmpp_name": datetime.date(2025, 1, 2)},
        ['xmpp_name is "2025-01-02", which is a date where a text is meant: write it in quotes.'],
    ),
    "wrong choices": (
        {
            "xmpp_languages": ["de", "fr"],
            "xmpp_certificates": "letsencrypt",
            "xmpp_acme_challenge": "http-01",
            "xmpp_registration": "invited",
            "xmpp_federation": "closed",
            "xmpp_archive_default": "Always",
        },
        [
            'xmpp_languages (entry 2) is "fr", which must be one of: de, en.',
            'xmpp_certificates is "letsencrypt", which must be one of: acme, provided, selfsigned.',
            'xmpp_acme_challenge is "http-01", which must be one of: http, dns, hook.',
            'xmpp_registration is "invited", which must be one of: open, invite, closed.',
            'xmpp_federation is "closed", which must be one of: open, allowlist, off.',
            'xmpp_archive_default is "Always", which must be one of: always, roster, never.',
        ],
    ),
    # domains
    "domain: example": ({"xmpp_domain": "example.org"}, [f'xmpp_domain is "example.org", which {NOT_FILLED_IN}.']),
    "domain: below an example": (
        {"xmpp_domain": "Chat.Example.com"},
        [f'xmpp_domain is "Chat.Example.com", which {NOT_FILLED_IN}.'],
    ),
    "domain: upper case": (
        {"xmpp_domain": "Friends.test"},
        ['xmpp_domain is "Friends.test", which is not in lower case.'],
    ),
    **{
        f"domains {start // 5 + 1}": (
            {name: domain for name, (domain, _) in zip(COMPONENTS, DOMAINS[start : start + 5], strict=False)},
            [
                f'{name} is "{domain}", which {wrong}.'
                for name, (domain, wrong) in zip(COMPONENTS, DOMAINS[start : start + 5], strict=False)
            ],
        )
        for start in range(0, len(DOMAINS), 5)
    },
    "domain: long": (
        {"xmpp_domain": ".".join(["a" * 48] * 5 + ["b"])},
        [],
    ),
    "domain: too long": (
        {"xmpp_domain": ".".join(["a" * 48] * 5 + ["bc"])},
        [
            f'xmpp_domain is "{"a" * 48}.{"a" * 48}.{"a" * 21}…, which has 247 characters: '
            "246 are possible, so that upload.… fits into DNS (RFC 1035)."
        ],
    ),
    "component is the domain": (
        {"xmpp_muc_domain": "friends.test"},
        ['xmpp_muc_domain is "friends.test", which is xmpp_domain as well: each needs a name of its own.'],
    ),
    "component is another's default": (
        {"xmpp_muc_domain": "proxy.friends.test"},
        ['xmpp_muc_domain is "proxy.friends.test", which is xmpp_proxy_domain as well: each needs a name of its own.'],
    ),
    # accounts, contacts, addresses
    "admins": (
        {"xmpp_admins": ["Maria", "a b", "bob@friends.test", ".bob", "x" * 64]},
        [
            'xmpp_admins (entry 1) is "Maria", which is not in lower case.',
            'xmpp_admins (entry 2) is "a b", which must be lower-case letters and digits, and between them also . _ -.',
            'xmpp_admins (entry 3) is "bob@friends.test", '
            "which is a whole address: only the part before the @ is meant.",
            'xmpp_admins (entry 4) is ".bob", '
            "which must be lower-case letters and digits, and between them also . _ -.",
            f'xmpp_admins (entry 5) is "{"x" * 64}", which has 64 characters: at most 63 are possible.',
        ],
    ),
    "admin twice": (
        {"xmpp_admins": ["maria", "bob", "maria"]},
        ['xmpp_admins (entry 3) repeats "maria" of entry 1.'],
    ),
    "language twice": ({"xmpp_languages": ["de", "de"]}, ['xmpp_languages (entry 2) repeats "de" of entry 1.']),
    "contacts": (
        {"xmpp_contact_addresses": ["maria@friends.test", "mailto:maria", "https:friends.test", "xmpp:a@B.test"]},
        [
            'xmpp_contact_addresses (entry 1) is "maria@friends.test", '
            "which must begin with mailto: or xmpp: or https:.",
            'xmpp_contact_addresses (entry 2) is "mailto:maria", which must go on with name@domain after mailto:.',
            'xmpp_contact_addresses (entry 3) is "https:friends.test", '
            "which must go on with // and the name of a host.",
            'xmpp_contact_addresses (entry 4) is "xmpp:a@B.test", '
            'which has "B.test" where a lower-case domain name is meant.',
        ],
    ),
    "state of the service": (
        {"xmpp_status_url": "http://status.friends.test/status.json"},
        [
            'xmpp_status_url is "http://status.friends.test/status.json", '
            "which is not an address of the form https://name/path.",
        ],
    ),
    "addresses": (
        {"xmpp_public_addresses": ["home.test", "127.0.0.1", "::1", "192.0.2.0/24", "fe80::1", "0.0.0.0", "224.0.0.1"]},
        [
            'xmpp_public_addresses (entry 1) is "home.test", which is not an IP address.',
            'xmpp_public_addresses (entry 2) is "127.0.0.1", '
            "which is the loopback address: only the host itself reaches it.",
            'xmpp_public_addresses (entry 3) is "::1", which is the loopback address: only the host itself reaches it.',
            'xmpp_public_addresses (entry 4) is "192.0.2.0/24", '
            "which is not an IP address: a network is given, leave out the / and what follows.",
            'xmpp_public_addresses (entry 5) is "fe80::1", '
            "which is a link-local address: only the local network reaches it.",
            'xmpp_public_addresses (entry 6) is "0.0.0.0", which is the unspecified address.',
            'xmpp_public_addresses (entry 7) is "224.0.0.1", which is a multicast address.',
        ],
    ),
    "mapped address": (
        {"xmpp_public_addresses": ["::ffff:203.0.113.7"]},
        [
            'xmpp_public_addresses (entry 1) is "::ffff:203.0.113.7", '
            "which is an IPv4 address in IPv6 form: write the IPv4 address."
        ],
    ),
    "address twice, spelt differently": (
        {"xmpp_public_addresses": ["2001:db8::1", "2001:db8:0::1"]},
        ['xmpp_public_addresses (entry 2) repeats "2001:db8:0::1" of entry 1.'],
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
            'xmpp_recommended_rooms (entry 1, address) is "gardening", which must be name@domain.',
            'xmpp_recommended_rooms (entry 2, address) is "a@Muc.test", '
            'which has "Muc.test" where a lower-case domain name is meant.',
            "xmpp_recommended_rooms (entry 4) has no title.",
            'xmpp_room_search_url is "http://search.test", which must begin with https://.',
        ],
    ),
    "recommended room twice, donation twice": (
        {
            "xmpp_recommended_rooms": [{"address": "b@muc.test", "title": title} for title in ("B", "C")],
            "xmpp_donations": [{"name": name, "address": "monero:4x"} for name in ("Monero", "XMR")],
        },
        [
            'xmpp_recommended_rooms (entry 2) repeats "b@muc.test" of entry 1.',
            'xmpp_donations (entry 2) repeats "monero:4x" of entry 1.',
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
            'xmpp_donations (entry 1, address) is "4x 5y", which has white space in it.',
            'xmpp_provider has the unknown key "professional". Did you mean professional_hosting?',
            'xmpp_provider (since) is "1.5.2023", which is no date like 2026-11-22.',
            'xmpp_provider (locations, entry 2) is "Germany", '
            "which must be the two capital letters of a country (ISO 3166).",
            'xmpp_provider (organization) is "club", '
            "which must be one of: company, commercial person, private person, governmental, non-governmental.",
            'xmpp_provider (bus_factor) is "2", '
            "which is a text where a whole number is meant: write it without quotes.",
            'xmpp_website_dir is "website", '
            "which is not an absolute path: begin it with / or with {{ inventory_dir }}/.",
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
            'xmpp_rooms (entry 1, name) is "Support", which is not in lower case.',
            'xmpp_rooms (entry 2) has the unknown key "titel". Did you mean title?',
            "xmpp_rooms (entry 2) has no title.",
            "xmpp_rooms (entry 3, title) is empty.",
            f'xmpp_rooms (entry 3, description) is "{"x" * 119}…, '
            "which has 1001 characters: at most 1000 are possible.",
            'xmpp_rooms (entry 3, moderated) is "no", '
            "which is a text where true or false is meant: write it without quotes.",
            "xmpp_rooms (entry 4) is empty.",
        ],
    ),
    "room twice": (
        {"xmpp_rooms": [{"name": "news", "title": "News"}, {"name": "news", "title": "Newer"}]},
        ['xmpp_rooms (entry 2) repeats the name "news" of entry 1.'],
    ),
    # numbers
    "out of range": (
        {
            "xmpp_archive_days": 0,
            "xmpp_archive_quota_mib": 0,
            "xmpp_upload_days": 3651,
            "xmpp_upload_max_mib": -1,
            "xmpp_upload_quota_mib": 1048577,
            "xmpp_https_port": 65536,
        },
        [
            "xmpp_archive_days is 0, which must be from 1 to 3650.",
            "xmpp_archive_quota_mib is 0, which must be from 1 to 1048576.",
            "xmpp_upload_days is 3651, which must be from 1 to 3650.",
            "xmpp_upload_max_mib is -1, which must be from 1 to 4096.",
            "xmpp_upload_quota_mib is 1048577, which must be from 1 to 1048576.",
            "xmpp_https_port is 65536, which must be from 1 to 49151.",
        ],
    ),
    "change that is still to come": (
        {"xmpp_acknowledged": 1000},
        [
            "xmpp_acknowledged is 1000, which is not the number of a change in CHANGELOG.md: "
            f"the last one is {len(CHANGES)}."
        ],
    ),
    "quota below file size": (
        {"xmpp_upload_max_mib": 2000},
        [
            "xmpp_upload_quota_mib is 1000, less than xmpp_upload_max_mib, 2000: "
            "an account could not upload the largest file."
        ],
    ),
    "total below file size": (
        {"xmpp_upload_total_mib": 99},
        [
            "xmpp_upload_total_mib is 99, less than xmpp_upload_max_mib, 100: "
            "the largest file could never be uploaded. 0 is half of the disk.",
        ],
    ),
    "total below zero": (
        {"xmpp_upload_total_mib": -1},
        ["xmpp_upload_total_mib is -1, which must be from 0 to 1073741824."],
    ),
    "total of a file": ({"xmpp_upload_total_mib": 100}, []),
    "total by itself": ({"xmpp_upload_total_mib": 0, "xmpp_upload_max_mib": 500}, []),
    "quota above file size": ({"xmpp_upload_max_mib": 2000, "xmpp_upload_quota_mib": 2000}, []),
    # dynamic addresses
    "dynamic address": (
        {
            "xmpp_dynamic_address": True,
            "xmpp_dns_server": "2001:db8::53",
            "xmpp_dns_key_name": "Home_update.friends.test.",
            "xmpp_dns_key_secret": "bXkgb3duIGtleSwgbm90IHRoaXMgb25l",
            "xmpp_stun_server": "turn.neighbour.test:3478",
        },
        [],
    ),
    "stun server without a port": ({"xmpp_stun_server": "203.0.113.7"}, []),
    "dynamic address without a name server": (
        {"xmpp_dynamic_address": True},
        [
            f"xmpp_dynamic_address is true, but {name} is not set."
            for name in ("xmpp_dns_server", "xmpp_dns_key_name", "xmpp_dns_key_secret")
        ],
    ),
    "name server and key": (
        {
            "xmpp_dns_server": "https://dns.test",
            "xmpp_dns_key_name": "update key",
            "xmpp_dns_key_algorithm": "hmac-md5",
            "xmpp_dns_key_secret": "not base64",
            "xmpp_stun_server": "turn.neighbour.test:0",
        },
        [
            'xmpp_dns_server is "https://dns.test", which is not an IP address.',
            'xmpp_dns_key_name is "update key", which is no name of a key.',
            'xmpp_dns_key_algorithm is "hmac-md5", which must be one of: hmac-sha256, hmac-sha384, hmac-sha512.',
            "xmpp_dns_key_secret is a value that is not shown, which is not in base64 form.",
            'xmpp_stun_server is "turn.neighbour.test:0", '
            "which has something else than a port, 1 to 65535, behind the colon.",
        ],
    ),
    "name server in brackets": (
        {"xmpp_dns_server": "[2001:db8::53]", "xmpp_stun_server": "2001:db8::7"},
        [
            'xmpp_dns_server is "[2001:db8::53]", which has brackets around the address: leave them out.',
            'xmpp_stun_server is "2001:db8::7", '
            "which is an IPv6 address: the question is which IPv4 address the server sees.",
        ],
    ),
    # counters
    **{
        f"metrics on {place}": ({"xmpp_metrics": place}, [])
        for place in ("127.0.0.1", "127.0.0.1:9101", "::1", "[::1]:9100", "10.8.0.1:9100")
    },
    **{
        f"metrics on {place}": ({"xmpp_metrics": place}, [f'xmpp_metrics is "{place}", which {wrong}.'])
        for place, wrong in (
            ("localhost:9100", "is not an IP address, with or without a port"),
            ("127.0.0.1:", "is not an IP address, with or without a port"),
            ("[::1]", "is not an IP address, with or without a port"),
            ("::1:99999x", "is not an IP address, with or without a port"),
            ("127.0.0.1:80", "has a port that is not from 1024 to 49151"),
            ("[::1]:65000", "has a port that is not from 1024 to 49151"),
            *(
                (
                    place,
                    "is not private: everybody who reaches it can read it, name a loopback address or that of a VPN",
                )
                for place in ("203.0.113.7", "[2a01:db8::7]:9100", "169.254.1.1", "fe80::1")
            ),
            ("0.0.0.0", "means every address of the host: anybody could read it, name one"),
            ("[::]:9100", "means every address of the host: anybody could read it, name one"),
            ("127.0.0.1:5280", "has a port of another part of the service: WebSocket and BOSH on loopback"),
        )
    },
    "metrics where the web site is": (
        {"xmpp_metrics": "127.0.0.1", "xmpp_https_port": 9100},
        ['xmpp_metrics is "127.0.0.1", which has a port of another part of the service: the web site.'],
    ),
    "port taken": (
        {"xmpp_https_port": 5223},
        ["xmpp_https_port is 5223, which is used by another part of the service: clients (direct TLS)."],
    ),
    # files
    "relative folder": (
        {"xmpp_secrets_dir": "secrets"},
        ['xmpp_secrets_dir is "secrets", which is not an absolute path: begin it with / or with {{ inventory_dir }}/.'],
    ),
    "folder is a file": (
        {"xmpp_secrets_dir": "DIR/good.pem"},
        ['xmpp_secrets_dir is "DIR/good.pem", which is a file: a folder is needed.'],
    ),
    "provided without files": (
        {"xmpp_certificates": "provided"},
        [
            'xmpp_certificates is "provided", but xmpp_certificate_file is not set: both files are needed.',
            'xmpp_certificates is "provided", but xmpp_certificate_key_file is not set: both files are needed.',
        ],
    ),
    "files without provided": (
        {"xmpp_certificate_file": "DIR/good.pem"},
        [
            'xmpp_certificate_file is "DIR/good.pem", which is not used, because xmpp_certificates is "acme": '
            "remove it, or set xmpp_certificates."
        ],
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
            'xmpp_host_domain is "upload.friends.test", which is xmpp_upload_domain as well: '
            "each needs a name of its own.",
            'xmpp_more_domains (entry 5) is "Club.test", which is not in lower case.',
        ],
    ),
    "more domains that are taken twice": (
        {"xmpp_more_domains": ["friends.test", "muc.friends.test", "family.test", "upload.family.test"]},
        [
            'xmpp_more_domains (entry 1) is "friends.test", which needs the name friends.test, '
            "which is xmpp_domain already.",
            'xmpp_more_domains (entry 2) is "muc.friends.test", which needs the name muc.friends.test, '
            "which is xmpp_muc_domain already.",
            'xmpp_more_domains (entry 4) is "upload.family.test", which needs the name upload.family.test, '
            "which is a part of family.test already.",
        ],
    ),
    "more domains without an example to follow": (
        {"xmpp_muc_domain": "rooms.elsewhere.test", "xmpp_more_domains": ["family.test"]},
        [
            'xmpp_muc_domain is "rooms.elsewhere.test", which must end in .friends.test, so that the parts of those '
            "in xmpp_more_domains can be named like it.",
        ],
    ),
    "part below another domain": (
        {"xmpp_muc_domain": "rooms.club.friends.test", "xmpp_more_domains": ["club.friends.test"]},
        [
            'xmpp_muc_domain is "rooms.club.friends.test", which is below club.friends.test of xmpp_more_domains, '
            "where apps of friends.test do not find it.",
        ],
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
            "xmpp_acme_eab_secret is not set, "
            "but an external account needs both xmpp_acme_eab_kid and xmpp_acme_eab_secret.",
            'xmpp_acme_challenge is "dns", but xmpp_dns_server is not set.',
            'xmpp_acme_challenge is "dns", but xmpp_dns_key_name is not set.',
            'xmpp_acme_challenge is "dns", but xmpp_dns_key_secret is not set.',
        ],
    ),
    "order without a hook": (
        {"xmpp_acme_challenge": "hook"},
        ['xmpp_acme_challenge is "hook", but xmpp_acme_hook_file is not set.'],
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
            'xmpp_acme_directory is "http://acme.friends.test/dir", which is not an address of the form https://name/path.',
            'xmpp_acme_hook_file is "/nowhere/hook", which is not a file that can be read.',
            'xmpp_acme_email is "mailto:operator@friends.test", which must be of the form name@domain.',
            f'xmpp_acme_eab_kid is "{"x" * 119}…, which has 201 characters: at most 200 are possible.',
            "xmpp_acme_eab_secret is a value that is not shown, which is not in base64url form.",
            'xmpp_acme_ca_file is "ca.pem", '
            "which is not an absolute path: begin it with / or with {{ inventory_dir }}/.",
            'xmpp_dnssec is "yes", which is a text where true or false is meant: write it without quotes.',
        ],
    ),
    **{
        f"hook {name}": (
            {"xmpp_acme_challenge": "hook", "xmpp_acme_hook_file": f"DIR/{name}"},
            [f'xmpp_acme_hook_file is "DIR/{name}", which {wrong}.'] if wrong else [],
        )
        for name, wrong in (
            ("hook.sh", ""),
            ("hook.elf", ""),
            ("hook.dos", "has line ends of Windows: store it with those of Unix (LF)"),
            *(
                (name, "is no program: it must begin with #! and the path of what runs it, such as #!/bin/sh")
                for name in ("text.pem", "hook.empty", "hook.bom", "good.key")
            ),
            ("", "is not a file that can be read"),
        )
    },
    **{
        f"authority {name}": (
            {"xmpp_acme_ca_file": f"DIR/{name}"},
            [f'xmpp_acme_ca_file is "DIR/{name}", which {wrong}.'],
        )
        for name, wrong in (
            ("good.key", "has a private key in it: only the certificate of the authority is meant"),
            ("both.pem", "has a private key in it: only the certificate of the authority is meant"),
            ("text.pem", "has no certificate in PEM form (-----BEGIN CERTIFICATE-----)"),
            ("hook.empty", "has no certificate in PEM form (-----BEGIN CERTIFICATE-----)"),
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
            [f"xmpp_dns_key_secret is a value that is not shown, which {wrong}."] if wrong else [],
        )
        for size, wrong in (
            (1, "is a key of 1 byte: at least 16 are needed (tsig-keygen makes one)"),
            (15, "is a key of 15 bytes: at least 16 are needed (tsig-keygen makes one)"),
            (16, ""),
        )
    },
    "key of an account with a letter too many": (
        {"xmpp_acme_eab_kid": "kid", "xmpp_acme_eab_secret": "a" * 17},
        ["xmpp_acme_eab_secret is a value that is not shown, which is not in base64url form."],
    ),
    # what has no effect
    "settings of an order without one": (
        {"xmpp_certificates": "selfsigned", "xmpp_acme_challenge": "dns", "xmpp_acme_email": "op@friends.test"},
        [
            f'{name} is "{value}", which is not used, because xmpp_certificates is "selfsigned": remove it.'
            for name, value in (("xmpp_acme_challenge", "dns"), ("xmpp_acme_email", "op@friends.test"))
        ],
    ),
    "hook without its challenge": (
        {"xmpp_acme_hook_file": "DIR/hook.sh"},
        ['xmpp_acme_hook_file is "DIR/hook.sh", which is not used, because xmpp_acme_challenge is "http": remove it.'],
    ),
    "backup settings without a backup": (
        {"xmpp_backup_days": 3, "xmpp_backup_uploads": False, "xmpp_backup_s3_key_id": "id"},
        [
            f"{name} is {value}, which is not used, because xmpp_backup_repository is empty: remove it."
            for name, value in (
                ("xmpp_backup_days", 3),
                ("xmpp_backup_uploads", "false"),
                ("xmpp_backup_s3_key_id", '"id"'),
            )
        ],
    ),
    "keys of S3 for a folder": (
        {"xmpp_backup_repository": "/mnt/backup", "xmpp_backup_s3_key_id": "id", "xmpp_backup_s3_secret": "key"},
        [
            f"{name} is {value}, which is not used, because xmpp_backup_repository is not in S3: remove it."
            for name, value in (
                ("xmpp_backup_s3_key_id", '"id"'),
                ("xmpp_backup_s3_secret", "a value that is not shown"),
            )
        ],
    ),
    "STUN server that nobody asks": (
        {"xmpp_calls": False, "xmpp_stun_server": "turn.neighbour.test"},
        [
            'xmpp_stun_server is "turn.neighbour.test", which is not used, '
            "because neither xmpp_calls nor xmpp_dynamic_address is true: remove it."
        ],
    ),
    **{
        f"STUN server {server}": (
            {"xmpp_stun_server": server, "xmpp_public_addresses": ["203.0.113.7"], "xmpp_more_domains": ["club.test"]},
            [
                f'xmpp_stun_server is "{server}", which is this service itself, which cannot see its own address from '
                "outside: name a server of others."
            ],
        )
        for server in ("turn.friends.test", "friends.test:3478", "upload.club.test", "203.0.113.7:3478", "127.0.0.1")
    },
    # addresses among each other
    "two addresses of a kind": (
        {"xmpp_public_addresses": ["203.0.113.7", "2001:db8::7", "203.0.113.8", "203.0.113.9"]},
        [
            f'xmpp_public_addresses (entry {entry}) is "203.0.113.{last}", '
            "which is an IPv4 address like entry 1: apps are told one of each kind."
            for entry, last in ((3, 8), (4, 9))
        ],
    ),
    **{
        f"private address {private} beside a public one": (
            {"xmpp_public_addresses": [public, private]},
            [
                f'xmpp_public_addresses (entry 2) is "{private}", '
                "which is private, and others are public: where those are reached from, this one is not, remove it."
            ],
        )
        for public, private in (
            ("203.0.113.7", "fd00::7"),
            ("2001:db8::7", "192.168.1.7"),
            ("2001:db8::7", "100.64.1.7"),
        )
    },
    "private addresses of a local network": ({"xmpp_public_addresses": ["192.168.1.7", "fd00::7"]}, []),
    # other servers
    "own domain allowed": (
        {
            "xmpp_federation": "allowlist",
            "xmpp_federation_allow": ["neighbour.test", "friends.test"],
            "xmpp_block_lists": ["club.test"],
            "xmpp_more_domains": ["club.test"],
        },
        [
            f'{name} is "{domain}", which is this service\'s own domain: only other servers are meant.'
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
            'xmpp_federation_allow (entry 1) is "neighbour.test", which entry 1 of xmpp_federation_block, '
            "neighbour.test, refuses: remove one of the two.",
            'xmpp_federation_allow (entry 2) is "chat.family.test", which entry 2 of xmpp_federation_block, '
            "family.test, refuses: remove one of the two.",
        ],
    ),
    "own rooms blocked": (
        {"xmpp_federation_block": ["muc.friends.test"]},
        ['xmpp_federation_block (entry 1) is "muc.friends.test", which is this service\'s own domain, or above it.'],
    ),
    "wrong list is not empty as well": (
        {"xmpp_federation": "allowlist", "xmpp_federation_allow": ["com"]},
        ['xmpp_federation_allow (entry 1) is "com", which has no dot: a full domain name is needed.'],
    ),
    "yes for a word": (
        {"xmpp_registration": True, "xmpp_federation": True, "xmpp_archive_default": False, "xmpp_certificates": 1},
        [
            "xmpp_certificates is 1, which must be one of: acme, provided, selfsigned.",
            "xmpp_registration is true, which must be one of: open, invite, closed.",
            "xmpp_federation is true, which must be one of: open, allowlist, off.",
            "xmpp_archive_default is false, which must be one of: always, roster, never.",
        ],
    ),
    # ways to give
    **{
        f"donation to {address}": (
            {"xmpp_donations": [{"name": "Gift", "address": address}]},
            [f"xmpp_donations (entry 1, address) is {json.dumps(address)}, which {wrong}."] if wrong else [],
        )
        for address, wrong in (
            ("monero:4x", ""),
            ("4AdUndXHHZ6cfufTMvppY6JwXNouMBzSkbLYfpAV5Usx3skxNgYeYTRj5UzqtReoS44qo9mtmXCqY45DJ852K5Jv2684Rge", ""),
            ("payto://iban/DE75512108001245126199?amount=EUR:5", ""),
            *(
                (
                    address,
                    f"begins with {scheme}:, which is no way to pay: "
                    "a browser would run it, or open a file of the reader",
                )
                for address, scheme in (
                    ("javascript:alert(1)", "javascript"),
                    ("JavaScript:alert(1)", "javascript"),
                    ("data:text/html,hello", "data"),
                    ("file:///etc/passwd", "file"),
                )
            ),
            ("http://friends.test/give", "is a web address without TLS: it must begin with https://"),
            ("https:friends.test", "must go on with // and the name of a host"),
            (
                "https://friends.test/><b>",
                'has one of the characters < > " ` \\ in it, which no address has',
            ),
        )
    },
    **{
        f"provider since {since}": (
            {"xmpp_provider": {"since": since}},
            [f'xmpp_provider (since) is "{since}", which {wrong}.'],
        )
        for since, wrong in (
            ("2999-01-01", "is in the future"),
            (str(datetime.date.today() + datetime.timedelta(days=3)), "is in the future"),
            ("0001-01-01", "is before the first XMPP service was opened"),
        )
    },
    # folders of the controller
    **{
        f"secrets in {folder}": (
            {"xmpp_secrets_dir": folder},
            [f'xmpp_secrets_dir is "{folder}", which is a folder {wrong}: name one for the secrets alone.'],
        )
        for folder, wrong in (
            ("/", "of the system"),
            ("/usr/local/secrets", "of the system"),
            ("/srv/../", "of the system"),
            ("/tmp/", "of the system"),
            ("/etc", "with much else in it"),
        )
    },
    "pages that are not there": (
        {"xmpp_website_dir": "DIR/nowhere"},
        ['xmpp_website_dir is "DIR/nowhere", which does not exist: make the folder, or remove the setting.'],
    ),
    "pages that are a file": (
        {"xmpp_website_dir": "DIR/good.pem"},
        ['xmpp_website_dir is "DIR/good.pem", which is a file: a folder is needed.'],
    ),
    # ports
    "port of SSH": (
        {"xmpp_https_port": 2222, "ansible_port": 2222},
        ["xmpp_https_port is 2222, which is the port of SSH on this host (ansible_port)."],
    ),
    "port of SSH, computed": (
        {"xmpp_https_port": 2222, "ansible_ssh_port": "{{ own_port }}", "own_port": "2222"},
        ["xmpp_https_port is 2222, which is the port of SSH on this host (ansible_port)."],
    ),
    "counters on the port of SSH": (
        {"xmpp_metrics": "10.8.0.1:2222", "ansible_port": 2222},
        ['xmpp_metrics is "10.8.0.1:2222", which has a port of another part of the service: SSH (ansible_port).'],
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
            'xmpp_push_servers (entry 1) is "chat.friends.test", which is this service\'s own domain: the server that '
            "wakes up an app is its maker's.",
            'xmpp_push_servers (entry 2) is "push.maker.test", which is shut out by xmpp_federation_block: take it out '
            "of one of the two.",
        ],
    ),
    "who wakes up phones, by no name": (
        {"xmpp_push_servers": ["push"]},
        ['xmpp_push_servers (entry 1) is "push", which has no dot: a full domain name is needed.'],
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
            'xmpp_federation_allow is empty, but xmpp_federation is "allowlist": name the domains to talk to.',
            'xmpp_federation_block (entry 1) is "test", which has no dot: a full domain name is needed.',
        ],
    ),
    "federation with lists that are not used": (
        {"xmpp_federation": False, "xmpp_federation_allow": ["a.test"], "xmpp_federation_block": ["b.test"]},
        [
            'xmpp_federation_allow is ["a.test"], which is not used unless xmpp_federation is "allowlist": '
            "remove it, or set xmpp_federation.",
            'xmpp_federation_block is ["b.test"], which is not used, because xmpp_federation is "off": remove it.',
        ],
    ),
    "block lists": ({"xmpp_block_lists": ["xmppbl.org", "lists.neighbour.test"]}, []),
    "block lists that are none": (
        {"xmpp_block_lists": ["lists.test", "https://xmppbl.org/"]},
        [
            'xmpp_block_lists (entry 2) is "https://xmppbl.org/", which is a web address: '
            "only the name of the host in it is meant.",
        ],
    ),
    "block lists out of reach": (
        {"xmpp_federation": "off", "xmpp_block_lists": ["xmppbl.org"]},
        ['xmpp_block_lists is ["xmppbl.org"], which cannot be fetched, because xmpp_federation is "off": remove it.'],
    ),
    "federation without oneself": (
        {"xmpp_domain": "chat.friends.test", "xmpp_federation_block": ["friends.test"]},
        [
            'xmpp_federation_block (entry 1) is "friends.test", which is this service\'s own domain, or above it.',
        ],
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
                    'xmpp_certificate_file is "DIR/none.pem", which cannot be read: it does not exist.',
                    'xmpp_certificate_key_file is "DIR/none.key", which cannot be read: it does not exist.',
                ],
            ),
            (
                "not PEM",
                "text.pem",
                "text.pem",
                [
                    'xmpp_certificate_file is "DIR/text.pem", '
                    "which has no certificate in PEM form (-----BEGIN CERTIFICATE-----).",
                    'xmpp_certificate_key_file is "DIR/text.pem", '
                    "which has no private key in PEM form (-----BEGIN PRIVATE KEY-----).",
                ],
            ),
            (
                "foreign key",
                "good.pem",
                "wildcard.key",
                [
                    'xmpp_certificate_key_file is "DIR/wildcard.key", '
                    "which does not belong to the first certificate in xmpp_certificate_file."
                ],
            ),
            (
                "key with passphrase",
                "good.pem",
                "locked.key",
                [
                    'xmpp_certificate_key_file is "DIR/locked.key", which is protected by a passphrase: '
                    "store it without one (Ansible Vault may encrypt it)."
                ],
            ),
            (
                "expired, names missing",
                "old.pem",
                "old.key",
                [
                    'xmpp_certificate_file is "DIR/old.pem", which has expired on 02 January 2020.',
                    f'xmpp_certificate_file is "DIR/old.pem", which is not valid for {", ".join(NAMES[1:])}.',
                ],
            ),
            (
                "not yet valid",
                "early.pem",
                "early.key",
                ['xmpp_certificate_file is "DIR/early.pem", which is not valid before 01 January 2199.'],
            ),
        )
    },
    "names that no public authority certifies": (
        {"xmpp_domain": "friends.local", "xmpp_more_domains": ["family.test", "club.home.arpa"]},
        [
            f'{name} is "{value}", which ends in .{top}, where no public authority certifies anything, and '
            'xmpp_certificates is "acme": take a domain of your own, or an authority of the host\'s own.'
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
    # one mistake, one message: what follows from a wrong setting is not reported as well
    "what follows is not reported": (
        {"xmpp_domain": "{{ xmpp_name }}", "xmpp_name": 5, "xmpp_contact_addresses": ["xmpp:a@{{ xmpp_domain }}"]},
        ["xmpp_name is 5, which is a whole number where a text is meant: write it in quotes."],
    ),
    "later setting in an earlier one": (
        {"xmpp_domain": "{{ xmpp_name }}", "xmpp_name": "Friends"},
        ['xmpp_domain is "Friends", which is not in lower case.'],
    ),
    # nothing sneaks onto the terminal
    "control characters": (
        {"xmpp_name": "a\x1b[31m\u202eb"},
        ['xmpp_name is "a\\u001b[31m\\u202eb", which contains U+001B (ESC): remove it.'],
    ),
    # what scripts and emoji are written with is no control character
    "any script": (
        {
            "xmpp_name": "گفت\u200cوگو",
            "xmpp_rooms": [
                {
                    "name": "family",
                    "title": "Family 👨\u200d👩\u200d👧 🏴\U000e0067\U000e007f",
                    "description": "शक्\u200dति\n\u200fשלום\u200f!",
                },
                {"name": "school", "title": "Sch\u00adule\u00a0?"},
            ],
            "xmpp_donations": [{"name": "\u061cزكاة", "address": "bitcoin:x", "note": "Merci\u202f!"}],
        },
        [],
    ),
    **{
        f"sign {ord(sign):04x}": (
            {"xmpp_name": f"a{sign}b"},
            [f'xmpp_name is "a\\u{ord(sign):04x}b", which contains U+{ord(sign):04X} ({name}): remove it.'],
        )
        for sign, name in (
            ("\u202e", "RIGHT-TO-LEFT OVERRIDE"),
            ("\u2066", "LEFT-TO-RIGHT ISOLATE"),
            ("\u2028", "LINE SEPARATOR"),
        )
    },
    "nothing to be seen": (
        {"xmpp_name": "\u200d"},
        ['xmpp_name is "\\u200d", which contains U+200D (ZERO WIDTH JOINER): remove it.'],
    ),
    # where nobody reads it, what cannot be seen is a slip
    "key with a joiner": (
        {"xmpp_acme_eab_kid": "a\u200cb"},
        ['xmpp_acme_eab_kid is "a\\u200cb", which contains U+200C (ZERO WIDTH NON-JOINER): remove it.'],
    ),
    "all at once": (
        {
            "xmpp_domain": "Friends.test",
            "xmpp_archive_days": "30",
            "xmpp_languages": ["fr"],
            "xmpp_https_port": 22,
            "xmpp_adminss": ["a"],
        },
        [
            "xmpp_adminss is not a setting. Did you mean xmpp_admins?",
            'xmpp_domain is "Friends.test", which is not in lower case.',
            'xmpp_languages (entry 1) is "fr", which must be one of: de, en.',
            'xmpp_archive_days is "30", which is a text where a whole number is meant: write it without quotes.',
            "xmpp_https_port is 22, which is used by another part of the service: SSH.",
        ],
    ),
}


# ------------------------------------------------------------------ where to change it
HOSTS = """\
places:
  hosts:
    first:
      xmpp_calls: "no"
      xmpp_firewall:
    second:
      xmpp_firewall:
      xmpp_rooms:
        - name: news
          title: News
          moderated:
        - name: News
          title: News
      xmpp_rom: 1
    third:
"""
GROUP = """\
# Settings of the group
xmpp_domain: Friends.test

xmpp_archive_days:
"""
HOST = """\
xmpp_archive_days:
"""
SECRET = "Hunter.Two"
VAULT_PASSWORD = "vault password"


def vaulted(name: str, value: str) -> str:
    """Return the YAML of a setting encrypted by Ansible Vault."""
    text = VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))]).encrypt(value).decode()
    return f"{name}: !vault |\n" + "".join(f"  {line}\n" for line in text.splitlines())


FILES = {
    "inventory/hosts.yml": HOSTS,
    "inventory/group_vars/places.yml": GROUP,
    "inventory/host_vars/second.yml": HOST,
    "inventory/host_vars/third.yml": vaulted("xmpp_name", SECRET + "\n"),
    "host_vars/nowhere.test.yml": "xmpp_domain: friends.test\n",
}
PLACES = {
    ("first", "xmpp_domain"): "inventory/group_vars/places.yml:2",
    ("first", "xmpp_calls"): "inventory/hosts.yml:4",
    ("first", "xmpp_firewall"): "inventory/hosts.yml:5",
    ("first", "xmpp_archive_days"): "inventory/group_vars/places.yml:4",
    ("second", "xmpp_firewall"): "inventory/hosts.yml:7",
    ("second", "xmpp_rooms (entry 1, moderated)"): "inventory/hosts.yml:11",
    ("second", "xmpp_rooms (entry 2, name)"): "inventory/hosts.yml:12",
    ("second", "xmpp_rom"): "inventory/hosts.yml:14",
    ("second", "xmpp_archive_days"): "inventory/host_vars/second.yml:1",
    ("third", "xmpp_name"): "inventory/host_vars/third.yml:1",
}


# ------------------------------------------------------------------ running Ansible
PLAYBOOK = """
- name: Front door
  hosts: all
  gather_facts: false
  roles:
    - {role: xmpp, tags: always}
  post_tasks:
    - name: Touch the host
      ansible.builtin.ping:
      tags: touch
    - name: Show what follows
      ansible.builtin.fail:
        msg: "{{ [__xmpp_web_url, __xmpp_domains, __xmpp_certificate_names, __xmpp_rooms, xmpp_contact_addresses] }}"
      tags: follows
"""
# No host answers there: who passes the front door proves that it needs no host.
NOWHERE = {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1"}


def play(
    folder: Path,
    *arguments: str,
    result_format: str = "json",
    playbook: str = PLAYBOOK,
    path: str = os.environ["PATH"],
) -> str:
    """Run the front door with the project's configuration and return what the operator sees."""
    (folder / "playbook.yml").write_text(playbook)
    done = subprocess.run(
        [ANSIBLE_PLAYBOOK, folder / "playbook.yml", "--tags=always", "--forks=8", *arguments],
        cwd=folder,
        env=os.environ
        | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": result_format,
            "ANSIBLE_NOCOLOR": "1",
            "PATH": path,
            "COLUMNS": "200",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def results(output: str) -> dict[str, dict[str, Any]]:
    """Return each host's result of the front door."""
    found: dict[str, dict[str, Any]] = {
        host: {"problems": []} for host in re.findall(r"^ok: \[(.+)\]", output, re.MULTILINE)
    }
    for host, text in re.findall(r"^fatal: \[(.+)\]: FAILED! => (\{.*\})$", output, re.MULTILINE):
        found[host] = json.loads(text)
    return found


def place(problem: str) -> str:
    """Return the part of a problem that says where to change it."""
    found = re.search(r"^  where:   (.*)$", problem, re.MULTILINE)
    assert found, problem
    return found[1]


def make_certificate(folder: Path, name: str, names: list[str], first: int = 2020, last: int = 2200) -> None:
    """Write name.pem, valid from new year to new year, and name.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(first, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(last, 1, 2, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(entry) for entry in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    save_key(key, folder / f"{name}.key", serialization.NoEncryption())


def save_key(key: ec.EllipticCurvePrivateKey, path: Path, encryption: serialization.KeySerializationEncryption) -> None:
    """Write a private key in PEM form."""
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption),
    )


# Programs of an operator's, and what is none.
HOOKS = {
    "hook.sh": b"#!/bin/sh\n",
    "hook.elf": b"\x7fELF\x02\x01\x01\x00",
    "hook.dos": b"#!/bin/sh\r\nexit\r\n",
    "hook.bom": b"\xef\xbb\xbf#!/bin/sh\n",
    "hook.empty": b"",
}


@dataclass(frozen=True)
class Run:
    """The one run that all cases share."""

    folder: Path
    found: dict[str, dict[str, Any]]


def slug(name: str) -> str:
    """Return the name of a case's host."""
    return f"case-{list(CASES).index(name)}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run every case of the table as one host of one inventory."""
    folder = tmp_path_factory.mktemp("front-door")
    make_certificate(folder, "good", NAMES)
    make_certificate(folder, "wildcard", ["friends.test", "*.friends.test"])
    make_certificate(folder, "quiet", [name for name in NAMES if not name.startswith("turn.")])
    make_certificate(folder, "old", ["friends.test"], first=2019, last=2020)
    make_certificate(folder, "early", NAMES, first=2199)
    save_key(
        ec.generate_private_key(ec.SECP256R1()),
        folder / "locked.key",
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    (folder / "text.pem").write_text("This is no certificate.\n")
    (folder / "both.pem").write_bytes((folder / "good.pem").read_bytes() + (folder / "good.key").read_bytes())
    for name, content in HOOKS.items():
        (folder / name).write_bytes(content)

    hosts: dict[str, Any] = {}
    for name, (settings, _) in CASES.items():
        wanted = {key: value for key, value in (GOOD | settings).items() if value is not ...}
        for key, value in wanted.items():
            if isinstance(value, str) and value.startswith("DIR/"):
                wanted[key] = value.replace("DIR", str(folder))
        hosts[slug(name)] = wanted

    # What the front door offers as an example must pass it, all examples together.
    examples = {name: option["example"] for name, option in OPTIONS.items()}
    (folder / "certificates").mkdir()
    names = [value for name, value in examples.items() if name.endswith("_domain")]
    for other in examples["xmpp_more_domains"]:
        names += [other, *(f"{label}.{other}" for label in ("rooms", "files", "transfer", "news"))]
    make_certificate(folder / "certificates", "fullchain", names)
    (folder / "certificates/fullchain.key").rename(folder / "certificates/privkey.pem")
    (folder / "acme-hook").write_bytes(HOOKS["hook.sh"])
    (folder / "private-ca.pem").write_bytes((folder / "good.pem").read_bytes())
    Path(examples["xmpp_website_dir"].replace("{{ inventory_dir }}", str(folder))).mkdir()
    # But for those that have no effect beside another one's.
    hosts["examples"] = {
        name: value for name, value in examples.items() if not name.startswith(("xmpp_acme_", "xmpp_backup_s3_"))
    }
    others = {"xmpp_acme_challenge": "hook", "xmpp_backup_repository": "s3:https://s3.test/bucket"}
    # With a domain that an authority certifies.
    certified = json.loads(json.dumps(examples).replace(".example", ".im"))
    hosts["examples-2"] = {
        name: value for name, value in certified.items() if not name.startswith("xmpp_certificate")
    } | others

    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": NOWHERE}}, sort_keys=False))
    renamed = json.dumps({"__xmpp_renamed": {"xmpp_old_name": "xmpp_name"}})
    # Beside the table: an inventory of several files, and a host that is in no file.
    for file, text in FILES.items():
        (folder / file).parent.mkdir(exist_ok=True, parents=True)
        (folder / file).write_text(text)
    (folder / "vault").write_text(VAULT_PASSWORD)
    sources = ("-i", "hosts.yml", "-i", "inventory", "-i", "nowhere.test,")
    return Run(folder, results(play(folder, *sources, "-e", renamed, "--vault-password-file=vault")))


@pytest.mark.parametrize("name", CASES)
def test_case(run: Run, name: str) -> None:
    """Exactly the expected problems are reported, in the order of the specification."""
    wrongs = [problem.splitlines()[0] for problem in run.found[slug(name)]["problems"]]
    assert [wrong.replace(str(run.folder), "DIR") for wrong in wrongs] == CASES[name][1]


def test_every_setting_has_a_case() -> None:
    """A new setting needs a bad inventory here."""
    tried = {key for settings, wrongs in CASES.values() if wrongs for key in settings}
    assert OPTIONS.keys() - tried == {"xmpp_debug"}  # a bad xmpp_debug is shown in test_one_stops_all


def test_help_names_the_bounds() -> None:
    """Who reads the help need not try the largest number, or the longest text."""
    bounds = r"^(\w+)(?: \(entry \d+(?:, (\w+))?\))? is .*(?:must be from \d+ to|characters: at most) (\d+)"
    found = [re.match(bounds, wrong) for _, wrongs in CASES.values() for wrong in wrongs]
    checked = [match.groups() for match in found if match]
    assert len(checked) > 5
    for name, key, bound in checked:
        option = OPTIONS[name]["options"][key] if key else OPTIONS[name]
        assert re.search(rf"\b{bound}\b", option["description"]), (name, key, bound)


def test_examples_pass(run: Run) -> None:
    """Who pastes the example of a message gets through."""
    assert run.found["examples"]["problems"] == run.found["examples-2"]["problems"] == []


@pytest.mark.parametrize(("host", "value"), PLACES, ids=" ".join)
def test_place(run: Run, host: str, value: str) -> None:
    """The file and the line are named, also for true, false and null, which carry no origin."""
    matching = [problem for problem in run.found[host]["problems"] if problem.startswith(f"{value} ")]
    assert [place(problem) for problem in matching] == [PLACES[host, value]]


def test_secret_is_not_shown(run: Run) -> None:
    """A value that was encrypted in the inventory does not end up on the terminal."""
    assert [problem.splitlines()[0] for problem in run.found["third"]["problems"] if "xmpp_name" in problem] == [
        "xmpp_name is a value that is not shown, which is not valid (its help is in docs/settings.md)."
    ]
    assert SECRET not in json.dumps(run.found)


def test_value_of_unknown_name_is_not_shown(run: Run) -> None:
    """A misspelt password is still a password."""
    assert "hunter2" not in json.dumps(run.found)


def test_missing_domain_points_to_the_inventory(run: Run) -> None:
    """What was never said has no place; it belongs into the inventory."""
    (problem,) = run.found[slug("no domain")]["problems"]
    assert place(problem) == "hosts.yml"


def test_no_tags_of_ansible(tmp_path: Path) -> None:
    """Where the internal interface for origins is missing, the text of the inventory is searched."""
    # Runs in a process of its own, where that import fails.
    code = f"""
import sys
from pathlib import Path
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([{str(ROOT / "collections")!r}])
sys.modules["ansible._internal._datatag._tags"] = None
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Places, is_vaulted
variables = {{"inventory_hostname": "a", "inventory_file": "hosts.ini", "xmpp_name": "", "xmpp_calls": "no"}}
places = Places(variables, Path("defaults"))
print(places.find(("xmpp_calls",)), places.find(("xmpp_domain",)), is_vaulted("x"))
"""
    (tmp_path / "hosts.ini").write_text("a xmpp_name='' xmpp_calls='\"no\"'\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "hosts.ini:1 hosts.ini False\n"


# ------------------------------------------------------------------ on the terminal
def test_one_stops_all(tmp_path: Path) -> None:
    """With one bad host no host is touched, not even a good one, and the report can be read."""
    (tmp_path / "hosts.yml").write_text(
        yaml.safe_dump({"all": {"hosts": {"bad": {"xmpp_debug": "no"}, "good": {}}, "vars": NOWHERE | GOOD}})
    )
    output = play(tmp_path, "-i", "hosts.yml", "--tags=touch", result_format="yaml")
    assert "Touch the host" not in output
    assert "UNREACHABLE" not in output
    report = output.partition("fatal: [bad]")[2].splitlines()[1:6]
    assert report == [
        "1 correction is needed, nothing was changed yet.",
        "",
        'xmpp_debug is "no", which is a text where true or false is meant: write it without quotes.',
        "  where:   hosts.yml:4",
        "  example: xmpp_debug: true",
    ]


def test_what_follows(tmp_path: Path) -> None:
    """Addresses carry the port, every domain has its parts, rooms have every key, the administrators can be reached."""
    settings = {
        "xmpp_domain": "friends.test",
        "xmpp_host_domain": "chat.friends.test",
        "xmpp_more_domains": ["club.test"],
        "xmpp_muc_domain": "rooms.{{ xmpp_domain }}",
        "xmpp_https_port": 8443,
        "xmpp_admins": ["maria", "bob"],
        "xmpp_rooms": [{"name": "news", "title": "News"}],
    }
    hosts = {"friends.test": "chat.friends.test", "club.test": "club.test"}

    def parts(domain: str) -> dict[str, str]:
        labels = {"muc": "rooms", "upload": "upload", "proxy": "proxy", "pubsub": "pubsub"}
        return {part: f"{label}.{domain}" for part, label in labels.items()}

    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"good": settings}}}))
    found = results(play(tmp_path, "-i", "hosts.yml", "--tags=follows"))
    assert found["good"]["msg"] == [
        "https://chat.friends.test:8443",
        [{"domain": domain, "host": host, **parts(domain)} for domain, host in hosts.items()],
        {
            "friends.test": ["friends.test", "chat.friends.test", *parts("friends.test").values(), "turn.friends.test"],
            "club.test": ["club.test", *parts("club.test").values()],
        },
        [{"name": "news", "title": "News", "description": "", "moderated": False}],
        ["xmpp:maria@friends.test", "xmpp:bob@friends.test"],
    ]


def test_variables_of_the_other_roles_have_their_type(tmp_path: Path) -> None:
    """They are no settings, but whoever sets one is told before a host is touched. What needs the host has to wait."""
    own = {
        "nginx_https_port": "soon",
        "ejabberd_small_host": "{{ [1] }}",
        "nginx_domain": "{{ ansible_facts.name }}",
        "nginx_upload_max_mib": 99,
        "ejabberd_sha1_passwords": "no",
        "nginx_host_domain": 5,
        "nginx_htps_port": 8443,
    }
    settings = GOOD | NOWHERE | own
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"bad": settings}}}))
    roles = "    - {role: nginx, tags: others}\n    - {role: ejabberd, tags: others}\n"
    playbook = PLAYBOOK.replace("  post_tasks:", f"{roles}  post_tasks:")
    (found,) = results(play(tmp_path, "-i", "hosts.yml", playbook=playbook)).values()
    lines = [problem.splitlines() for problem in found["problems"]]
    assert [(line[0], line[1]) for line in lines] == [
        ('nginx_https_port is "soon", which is a text where a whole number is meant.', "  where:   hosts.yml:11"),
        (
            'ejabberd_sha1_passwords is "no", which is a text where true or false is meant: write it without quotes.',
            "  where:   hosts.yml:6",
        ),
        (
            "ejabberd_small_host is [1], which is a list where true or false is meant: let the template end in | bool.",
            "  where:   hosts.yml:7",
        ),
        ("nginx_htps_port is no variable of the role nginx. Did you mean nginx_https_port?", "  where:   hosts.yml:10"),
    ]


def test_names_without_effect_are_said(tmp_path: Path) -> None:
    """A forgotten xmpp_, or what is of another project's role: nobody knows which, so a word must do."""
    own = {"registration": "open", "Calls": False, "nginx_vhosts": [1], "domain": "friends.test", "nickname": "x"}
    settings = NOWHERE | own | {"xmpp_domain": "{{ domain }}"}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"bad": settings}}}, sort_keys=False))
    playbook = PLAYBOOK.replace("  post_tasks:", "    - {role: nginx, tags: others}\n  post_tasks:")
    output = play(tmp_path, "-i", "hosts.yml", "-e", "debug=true", playbook=playbook)
    (found,) = results(output).values()
    assert found["problems"] == []
    warnings = re.findall(r"^\[WARNING\]: (\w+ is no.*)$", output, re.MULTILINE)
    assert sorted(warnings) == [
        "Calls is not a setting: it has no effect. Did you mean xmpp_calls? (hosts.yml:7)",
        "debug is not a setting: it has no effect. Did you mean xmpp_debug? (the command line (-e))",
        "nginx_vhosts is no variable of this project's role nginx: it has no effect (hosts.yml:9).",
        "registration is not a setting: it has no effect. Did you mean xmpp_registration? (hosts.yml:6)",
    ]


@pytest.mark.parametrize("npm", [None, "#!/bin/sh\necho E404 >&2\nexit 1\n", "#!/bin/sh\nexit 0\n"])
def test_web_chat_that_cannot_be_had(tmp_path: Path, npm: str | None) -> None:
    """The web site would lead to it when the run fails: it is fetched before a host is touched."""
    programs = tmp_path / "bin"
    programs.mkdir()
    if npm:
        (programs / "npm").write_text(npm)
        (programs / "npm").chmod(0o755)
    (tmp_path / "hosts.yml").write_text(
        yaml.safe_dump({"all": {"hosts": {"bad": NOWHERE | GOOD | {"xmpp_webchat": True}}}}, sort_keys=False)
    )
    playbook = PLAYBOOK.replace("  post_tasks:", "    - {role: webchat, tags: others}\n  post_tasks:")
    folder = f"__webchat_folder={tmp_path}/roles/../cache/14"
    output = play(tmp_path, "-i", "hosts.yml", "-e", folder, playbook=playbook, path=str(programs))
    ((problem,),) = (found["problems"] for found in results(output).values())
    lines = problem.splitlines()
    reasons = {None: "and this machine has no npm", "#!/bin/sh\nexit 0\n": "npm brought no"}
    assert lines[0].startswith("xmpp_webchat is true, but ")
    assert reasons.get(npm, "E404") in lines[0]
    assert f"into {tmp_path}/cache: it is used from there" in problem
    assert lines[-2:] == ["  where:   hosts.yml:7", "  example: xmpp_webchat: false"]


def test_one_service_is_on_one_host(tmp_path: Path) -> None:
    """Whoever deploys two by the same name is told, before a host is touched; of several services, each has its own."""
    hosts = {"one": {}, "other": {"xmpp_domain": "friends.test"}, "third": {"xmpp_domain": "family.test"}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": NOWHERE | GOOD}}))
    playbook = PLAYBOOK.replace("  post_tasks:", "    - {role: preflight, tags: always}\n  post_tasks:")
    playbook = playbook.replace("  roles:", "  any_errors_fatal: true\n  roles:")  # as in site.yml
    output = play(tmp_path, "-i", "hosts.yml", playbook=playbook)
    assert set(re.findall(r"^fatal: \[(.+)\]: FAILED!", output, re.MULTILINE)) == {"one", "other"}
    assert 'xmpp_domain is \\"friends.test\\" for one, and for other as well: a service is on one host.' in output
    assert "Gather facts of the host" not in output


def test_inventory_without_a_folder(run: Run) -> None:
    """The generated secrets need a folder: a host named on the command line has none."""
    assert run.found["nowhere.test"]["problems"] == [
        'xmpp_secrets_dir is "None/secrets", which comes from an inventory that is no file, '
        "so it has no folder (inventory_dir).\n"
        "  where:   your inventory\n"
        '  example: xmpp_secrets_dir: "{{ inventory_dir }}/secrets"'
    ]


INI = """\
[services]
first xmpp_calls=false xmpp_archive_days='"14"' xmpp_admins=maria
second

[services:vars]
xmpp_webchat=no
xmpp_name=2025
xmpp_languages=de
xmpp_upload_days = "{{ '14' }}"
xmpp_firewall=maybe
xmpp_acme_email=nobody
"""
IN_BRACKETS = "which is a text where a list is meant: in this file, write it in brackets, each entry in quotes."
CAPITAL = (
    "which is a text where true or false is meant: "
    "in this file, write True or False, with a capital letter and without quotes."
)
AS_JSON = "after -e, NAME=VALUE is always a text, so write it as JSON."


def test_each_place_has_its_own_way_to_write(tmp_path: Path) -> None:
    """INI takes Python's values, and the command line JSON: an example in YAML would not pass there. These do."""
    (tmp_path / "hosts.ini").write_text(INI)
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/services.yml").write_text(yaml.safe_dump(NOWHERE | GOOD))
    wrong = ["-e", "xmpp_sha1_passwords=true", "-e", "xmpp_backup_days=x", "-e", "xmpp_recommended_rooms=a@muc.test"]
    found = results(play(tmp_path, "-i", "hosts.ini", *wrong))["first"]["problems"]
    examples = {}
    lines = []
    for problem in found:
        first, _, example = problem.splitlines()
        lines.append(first)
        name = first.split()[0]
        examples[name] = example.removeprefix("  example: ")
    assert lines == [
        "xmpp_name is 2025, which is a whole number where a text is meant: write it in quotes.",
        f'xmpp_languages is "de", {IN_BRACKETS}',
        'xmpp_acme_email is "nobody", which must be of the form name@domain.',
        f'xmpp_sha1_passwords is "true", which is a text where true or false is meant: {AS_JSON}',
        f'xmpp_admins is "maria", {IN_BRACKETS}',
        f'xmpp_recommended_rooms is "a@muc.test", which is a text where a list is meant: {AS_JSON}',
        'xmpp_archive_days is "14", which is a text where a whole number is meant: write it without quotes.',
        'xmpp_upload_days is "14", which is a text where a whole number is meant: let the template end in | int.',
        f'xmpp_backup_days is "x", which is a text where a whole number is meant: {AS_JSON}',
        f'xmpp_calls is "false", {CAPITAL}',
        f'xmpp_webchat is "no", {CAPITAL}',
        f'xmpp_firewall is "maybe", {CAPITAL}',
    ]
    assert examples | {"xmpp_recommended_rooms": ""} == {
        "xmpp_name": "xmpp_name=Friends",
        "xmpp_languages": "xmpp_languages=['de', 'en']",
        "xmpp_acme_email": "xmpp_acme_email=operator@friends.example",
        "xmpp_sha1_passwords": """-e '{"xmpp_sha1_passwords": true}'""",
        "xmpp_admins": """xmpp_admins='['"'"'admin'"'"', '"'"'maria'"'"']'""",
        "xmpp_recommended_rooms": "",
        "xmpp_archive_days": "xmpp_archive_days=14",
        "xmpp_upload_days": "xmpp_upload_days=14",
        "xmpp_backup_days": """-e '{"xmpp_backup_days": 3}'""",
        "xmpp_calls": "xmpp_calls=False",
        "xmpp_webchat": "xmpp_webchat=False",
        "xmpp_firewall": "xmpp_firewall=False",
    }
    # Who pastes them gets through. (The days of a backup need a place for it.)
    of_host = [examples.pop(name) for name in ("xmpp_calls", "xmpp_archive_days", "xmpp_admins")]
    options = [
        word for name in list(examples) if examples[name].startswith("-e") for word in shlex.split(examples.pop(name))
    ]
    options += ["-e", "xmpp_backup_repository=/mnt/backup"]
    fixed = f"[services]\nfirst {' '.join(of_host)}\n[services:vars]\n" + "\n".join(examples.values()) + "\n"
    (tmp_path / "hosts.ini").write_text(fixed)
    assert results(play(tmp_path, "-i", "hosts.ini", *options))["first"]["problems"] == []


def test_home_inventory_waits_for_its_domain(tmp_path: Path) -> None:
    """The template to copy has one thing to fill in, and says so; beside it, a setting from the command line."""
    (found,) = results(
        play(tmp_path, "-i", str(ROOT / "inventories/home"), "-e", "xmpp_upload_days=14"),
    ).values()
    assert [problem.splitlines()[0] for problem in found["problems"]] == [
        f'xmpp_domain is "example.org", which {NOT_FILLED_IN}.',
        f'xmpp_upload_days is "14", which is a text where a whole number is meant: {AS_JSON}',
    ]
    places = [place(problem) for problem in found["problems"]]
    assert re.fullmatch(rf"{ROOT}/inventories/home/hosts.yml:\d+", places[0])
    assert places[1] == "the command line (-e)"


# ------------------------------------------------------------------ Ansible's configuration
def play_elsewhere(folder: Path, playbook: Path, **environment: str) -> str:
    """Run a playbook as whoever has no configuration for Ansible, in a folder; return what it says, in one line."""
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"good": NOWHERE | GOOD}}}))
    done = subprocess.run(
        [ANSIBLE_PLAYBOOK, "-i", inventory, playbook],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        | {"HOME": str(folder), "ANSIBLE_NOCOLOR": "1"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "playbook", [ROOT / "site.yml", *sorted((ROOT / "playbooks").glob("[!d]*.yml"))], ids=lambda p: p.stem
)
def test_configuration_of_another_folder(tmp_path: Path, playbook: Path) -> None:
    """Started elsewhere, a playbook says what to do, in a sentence; not that a module is missing."""
    said = play_elsewhere(tmp_path, playbook)
    assert f"does not use the configuration of this project, {ROOT}/ansible.cfg, and no other file either." in said
    assert f"Start it in the folder of the project: cd {ROOT} (or: export ANSIBLE_CONFIG={ROOT}/ansible.cfg)" in said
    assert "UNREACHABLE" not in said


def test_configuration_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "own.cfg").write_text("[defaults]\nforks = 9\n")
    said = play_elsewhere(tmp_path, ROOT / "site.yml", ANSIBLE_CONFIG=str(tmp_path / "own.cfg"))
    assert f"{ROOT}/ansible.cfg, but {tmp_path}/own.cfg. Start it in the folder" in said


def test_folder_that_everybody_may_write_into(tmp_path: Path) -> None:
    """Ansible leaves out the configuration in it: there, the way out is another one."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("roles", "plugins", "playbooks", "collections"):
        shutil.copytree(ROOT / name, clone / name, symlinks=True)
    for name in ("site.yml", "ansible.cfg"):
        shutil.copy(ROOT / name, clone / name)
    clone.chmod(0o777)
    assert f"so Ansible leaves it out. Change that: chmod o-w {clone}" in play_elsewhere(clone, clone / "site.yml")


# ------------------------------------------------------------------ secrets that are another user's
def test_secrets_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a run with sudo they are root's: a run without it says so, before a lookup fails in the middle."""
    secrets, closed, real = tmp_path / "secrets", tmp_path / "closed", os.access
    secrets.mkdir()
    closed.mkdir()
    (secrets / "coturn").write_text("x")
    assert closed_folder(secrets) is None
    assert closed_folder(tmp_path / "new/secrets") is None
    me = name_of(os.geteuid())

    def access(path: Path, mode: int) -> bool:
        return real(path, mode) and Path(path) not in (secrets / "coturn", closed)

    monkeypatch.setattr(os, "access", access)
    assert closed_folder(secrets) == (
        f"{me} cannot read and write ({secrets}/coturn is of {me}): "
        f"run Ansible as {me}, or give it to {me}: sudo chown -R {me} {secrets}"
    )
    for below in (closed / "secrets", closed / "deep/secrets"):
        assert closed_folder(below) == (f"{me} cannot read and write ({closed} is of {me}): name a folder of {me}'s")
