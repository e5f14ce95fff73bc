# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, types, choices and numbers, whatever the setting."""

from __future__ import annotations

import datetime

from ..known import Cases

CASES: Cases = {
    # nothing wrong
    "minimal": ({}, []),
    "computed number": ({"xmpp_upload_days": "{{ 2 * 7 }}"}, []),
    "own variable": ({"friends_name": "Friends", "xmpp_name": "{{ friends_name }}"}, []),
    # names
    "misspelt": (
        {"XMPP_CALLS": False, "xmpp_admin": ["maria"], "xmp_rooms": []},
        [
            ("XMPP_CALLS", "is not a setting. Did you mean xmpp_calls?"),
            ("xmp_rooms", "is not a setting. Did you mean xmpp_rooms?"),
            ("xmpp_admin", "is not a setting. Did you mean xmpp_admins?"),
        ],
    ),
    "unknown, value not shown": (
        {"xmpp_database_password": "hunter2"},
        [("xmpp_database_password", "is not a setting")],
    ),
    "renamed": (
        {"xmpp_old_name": "Friends"},
        [("xmpp_old_name", "is now called xmpp_name")],
    ),
    # missing and empty
    "no domain": (
        {"xmpp_domain": ...},
        [("xmpp_domain", "is required, but not set")],
    ),
    "null domain": ({"xmpp_domain": None}, [("xmpp_domain", "is empty")]),
    "empty domain": ({"xmpp_domain": ""}, [("xmpp_domain", "is empty")]),
    "empty values": (
        {
            "xmpp_name": "  ",
            "xmpp_languages": [],
            "xmpp_certificates": "",
            "xmpp_admins": [],
            "xmpp_rooms": None,
            "xmpp_upload_days": None,
            "xmpp_public_addresses": [""],
        },
        [
            ("xmpp_name", "is empty"),
            ("xmpp_languages", "is empty"),
            ("xmpp_certificates", "is empty"),
            ("xmpp_admins", "is empty"),
            ("xmpp_rooms", "is empty"),
            ("xmpp_upload_days", "is empty"),
            ("xmpp_public_addresses (entry 1)", "is empty"),
        ],
    ),
    "undefined": (
        {"xmpp_name": "{{ no_such_name }}", "xmpp_admins": ["maria", "{{ no_such_name }}"]},
        [
            ("xmpp_name", "cannot be computed"),
            ("xmpp_admins", "cannot be computed"),
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
            ("xmpp_name", "is an integer, but must be a string"),
            ("xmpp_sha1_passwords", "is a string, but must be a boolean"),
            ("xmpp_admins", "is a string, but must be a list"),
            ("xmpp_rooms (entry 1)", "is a string, but must be a mapping"),
            ("xmpp_archive_days", "is a string, but must be an integer"),
            ("xmpp_upload_days", "is a boolean, but must be an integer"),
            ("xmpp_upload_max_mib", "is a float, but must be an integer"),
            ("xmpp_calls", "is an integer, but must be a boolean"),
            ("xmpp_webchat", "is a string, but must be a boolean"),
            ("xmpp_firewall", "is a string, but must be a boolean"),
        ],
    ),
    # Not even in quotes.
    "neither true nor false, no number": (
        {"xmpp_calls": "maybe", "xmpp_upload_days": "two weeks"},
        [
            ("xmpp_upload_days", "is a string, but must be an integer"),
            ("xmpp_calls", "is a string, but must be a boolean"),
        ],
    ),
    "date for text": (
        {"xmpp_name": datetime.date(2025, 1, 2)},
        [("xmpp_name", "is a date, but must be a string")],
    ),
    "wrong choices": (
        {
            "xmpp_languages": ["de", "it"],
            "xmpp_certificates": "letsencrypt",
            "xmpp_acme_challenge": "http-01",
            "xmpp_registration": "invited",
            "xmpp_inviters": "users",
            "xmpp_federation": "closed",
            "xmpp_archive_default": "Always",
        },
        [
            ("xmpp_languages (entry 2)", "must be one of: de, en, es, fr"),
            ("xmpp_certificates", "must be one of: acme, provided, selfsigned"),
            ("xmpp_acme_challenge", "must be one of: http, dns, hook"),
            ("xmpp_registration", "must be one of: open, review, invite, closed"),
            ("xmpp_inviters", "must be one of: administrators, members"),
            ("xmpp_federation", "must be one of: open, allowlist, off"),
            ("xmpp_archive_default", "must be one of: always, roster, never"),
        ],
    ),
    "change that is still to come": (
        {"xmpp_acknowledged": 1000},
        [("xmpp_acknowledged", "is not the number of a change in CHANGELOG.md")],
    ),
    "yes for a word": (
        {"xmpp_registration": True, "xmpp_federation": True, "xmpp_archive_default": False, "xmpp_certificates": 1},
        [
            ("xmpp_certificates", "must be one of: acme, provided, selfsigned"),
            ("xmpp_registration", "must be one of: open, review, invite, closed"),
            ("xmpp_federation", "must be one of: open, allowlist, off"),
            ("xmpp_archive_default", "must be one of: always, roster, never"),
        ],
    ),
    # one mistake, one message: what follows from a wrong setting is not reported as well
    "what follows is not reported": (
        {"xmpp_domain": "{{ xmpp_name }}", "xmpp_name": 5, "xmpp_contact_addresses": ["xmpp:a@{{ xmpp_domain }}"]},
        [("xmpp_name", "is an integer, but must be a string")],
    ),
    "later setting in an earlier one": (
        {"xmpp_domain": "{{ xmpp_name }}", "xmpp_name": "Friends"},
        [("xmpp_domain", "contains upper-case letters")],
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
            ("xmpp_archive_days", "must be from 1 to 3650"),
            ("xmpp_archive_quota_mib", "must be from 1 to 1048576"),
            ("xmpp_upload_days", "must be from 1 to 3650"),
            ("xmpp_upload_max_mib", "must be from 1 to 4096"),
            ("xmpp_upload_quota_mib", "must be from 1 to 1048576"),
            ("xmpp_https_port", "must be from 1 to 49151"),
        ],
    ),
    "registrations that are no number of accounts": (
        {"xmpp_registration": "open", "xmpp_registrations_per_hour": "20 an hour"},
        [("xmpp_registrations_per_hour", "is a string, but must be an integer")],
    ),
    **{
        f"{number} registrations an hour": (
            {"xmpp_registration": "open", "xmpp_registrations_per_hour": number},
            [("xmpp_registrations_per_hour", "must be from 1 to 1000")],
        )
        for number in (0, 1001)
    },
    **{
        f"{per_month} invitations for {days} days": (
            {
                "xmpp_registration": "invite",
                "xmpp_inviters": "members",
                "xmpp_invitations_per_month": per_month,
                "xmpp_invitation_days": days,
            },
            [
                ("xmpp_invitations_per_month", "must be from 1 to 100"),
                ("xmpp_invitation_days", "must be from 1 to 30"),
            ],
        )
        for per_month, days in ((0, 0), (101, 31))
    },
    "keeping of inviters that is no yes or no": (
        {"xmpp_registration": "invite", "xmpp_inviters": "members", "xmpp_keep_inviter": "sometimes"},
        [("xmpp_keep_inviter", "is a string, but must be a boolean")],
    ),
    **{
        f"newcomers for {days} days": (
            {"xmpp_registration": "open", "xmpp_newcomer_days": days},
            [("xmpp_newcomer_days", "must be from 0 to 6")],
        )
        for days in (-1, 7)
    },
    "question that is not one": (
        {
            "xmpp_registration": "open",
            "xmpp_registration_question": {
                "en": {"question": "Which tree?", "answers": ["lime", "Lime"]},
                "de": {"answers": [7, " ", "x" * 101, "¿?"], "hint": "big"},
            },
        },
        [
            ("xmpp_registration_question (de)", 'has the unknown key "hint"'),
            ("xmpp_registration_question (de)", "has no question"),
            ("xmpp_registration_question (de, answers, entry 1)", "is an integer, but must be a string"),
            ("xmpp_registration_question (de, answers, entry 2)", "is empty"),
            ("xmpp_registration_question (de, answers, entry 3)", "has 101 characters: at most 100 are allowed"),
            ("xmpp_registration_question (de, answers, entry 4)", "has no letter and no digit"),
            ("xmpp_registration_question (en, answers, entry 2)", 'repeats "Lime" of entry 1'),
        ],
    ),
    "question without answers": (
        {
            "xmpp_registration": "open",
            "xmpp_languages": ["en", "fr"],
            "xmpp_registration_question": {
                "en": {"question": "x" * 201, "answers": []},
                "fr": {"question": "x" * 201, "answers": ["¿?"]},
            },
        },
        [
            ("xmpp_registration_question (en, question)", "has 201 characters: at most 200 are allowed"),
            ("xmpp_registration_question (en, answers)", "is empty"),
            ("xmpp_registration_question (fr, question)", "has 201 characters: at most 200 are allowed"),
            ("xmpp_registration_question (fr, answers, entry 1)", "has no letter and no digit"),
        ],
    ),
    "question in a language that the site does not have": (
        {
            "xmpp_registration": "open",
            "xmpp_languages": ["de"],
            "xmpp_registration_question": {"en": {"question": "Which tree?", "answers": ["lime"]}},
        },
        [
            ("xmpp_registration_question", 'has no question in "de", a language of xmpp_languages'),
            ("xmpp_registration_question", 'has a question in "en", a language that xmpp_languages does not have'),
        ],
    ),
    "all at once": (
        {
            "xmpp_domain": "Friends.test",
            "xmpp_archive_days": "30",
            "xmpp_languages": ["it"],
            "xmpp_https_port": 22,
            "xmpp_adminss": ["a"],
        },
        [
            ("xmpp_adminss", "is not a setting. Did you mean xmpp_admins?"),
            ("xmpp_domain", "contains upper-case letters"),
            ("xmpp_languages (entry 1)", "must be one of: de, en, es, fr"),
            ("xmpp_archive_days", "is a string, but must be an integer"),
            ("xmpp_https_port", "is already used by the service"),
        ],
    ),
}
