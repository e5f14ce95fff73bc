# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that have no effect beside others."""

from __future__ import annotations

from ..known import Cases

CASES: Cases = {
    # what has no effect
    "settings of an order without one": (
        {"xmpp_certificates": "selfsigned", "xmpp_acme_challenge": "dns", "xmpp_acme_email": "op@friends.test"},
        [
            (name, 'is not used, because xmpp_certificates is "selfsigned"')
            for name, value in (("xmpp_acme_challenge", "dns"), ("xmpp_acme_email", "op@friends.test"))
        ],
    ),
    "hook without its challenge": (
        {"xmpp_acme_hook_file": "DIR/hook.sh"},
        [("xmpp_acme_hook_file", 'is not used, because xmpp_acme_challenge is "http"')],
    ),
    "backup settings without a backup": (
        {"xmpp_backup_days": 3, "xmpp_backup_uploads": False, "xmpp_backup_s3_key_id": "id"},
        [
            (name, "is not used, because xmpp_backup_repository is empty")
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
            (name, "is not used, because xmpp_backup_repository is not in S3")
            for name, value in (
                ("xmpp_backup_s3_key_id", '"id"'),
                ("xmpp_backup_s3_secret", "a value that is not shown"),
            )
        ],
    ),
    **{
        f"pace of registrations that are {registration}": (
            {"xmpp_registration": registration, "xmpp_registrations_per_hour": 5},
            [("xmpp_registrations_per_hour", f'is not used, because xmpp_registration is "{registration}"')],
        )
        for registration in ("invite", "closed")
    },
    "days of newcomers who do not come": (
        {"xmpp_newcomer_days": 0},
        [("xmpp_newcomer_days", 'is not used, because xmpp_registration is "closed"')],
    ),
    "limit without other servers": (
        {"xmpp_federation": "off", "xmpp_limited": ["tim"]},
        [("xmpp_limited", 'is not used, because xmpp_federation is "off"')],
    ),
    "question that nobody is asked": (
        {
            "xmpp_registration": "invite",
            "xmpp_languages": ["en"],
            "xmpp_registration_question": {"en": {"question": "Which tree?", "answers": ["lime"]}},
        },
        [("xmpp_registration_question", 'is not used, because xmpp_registration is "invite"')],
    ),
    "pace of registrations that nothing opens": (
        {"xmpp_registrations_per_hour": 5},
        [("xmpp_registrations_per_hour", 'is not used, because xmpp_registration is "closed"')],
    ),
    "invitations where nobody can create an account": (
        {
            "xmpp_inviters": "members",
            "xmpp_invitation_days": 3,
            "xmpp_invitations_per_month": 3,
            "xmpp_keep_inviter": True,
        },
        [
            (name, 'is not used, because xmpp_registration is "closed"')
            for name in ("xmpp_inviters", "xmpp_invitations_per_month", "xmpp_invitation_days", "xmpp_keep_inviter")
        ],
    ),
    "limits of members who cannot invite": (
        {"xmpp_registration": "invite", "xmpp_invitations_per_month": 3, "xmpp_keep_inviter": True},
        [
            (name, 'is not used, because xmpp_inviters is "administrators"')
            for name in ("xmpp_invitations_per_month", "xmpp_keep_inviter")
        ],
    ),
    "program for alerts that are off": (
        {"xmpp_alerts": False, "xmpp_alert_command": "/usr/local/bin/alert"},
        [("xmpp_alert_command", "is not used, because xmpp_alerts is false")],
    ),
    "STUN server that nobody asks": (
        {"xmpp_calls": False, "xmpp_stun_server": "turn.neighbour.test"},
        [("xmpp_stun_server", "is not used, because neither xmpp_calls nor xmpp_dynamic_address is true")],
    ),
    **{
        f"STUN server {server}": (
            {"xmpp_stun_server": server, "xmpp_public_addresses": ["203.0.113.7"], "xmpp_more_domains": ["club.test"]},
            [("xmpp_stun_server", "is this service itself")],
        )
        for server in ("turn.friends.test", "friends.test:3478", "upload.club.test", "203.0.113.7:3478", "127.0.0.1")
    },
}
