# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that have no effect beside others."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings


def check_unused(settings: HostSettings) -> None:
    """Refuse what has no effect beside the other settings: whoever set it believes that it has."""
    certificates, challenge = settings.values.get("xmpp_certificates"), settings.values.get("xmpp_acme_challenge")
    repository = settings.values.get("xmpp_backup_repository")
    reasons: dict[str, tuple[str, ...]] = {}
    if certificates in ("provided", "selfsigned"):
        reasons[f'xmpp_certificates is "{certificates}"'] = tuple(
            f"xmpp_acme_{part}"
            for part in ("directory", "challenge", "hook_file", "email", "eab_kid", "eab_secret", "ca_file")
        )
    elif certificates == "acme" and challenge in ("http", "dns"):
        reasons[f'xmpp_acme_challenge is "{challenge}"'] = ("xmpp_acme_hook_file",)
    if repository == "":
        reasons["xmpp_backup_repository is empty"] = tuple(
            f"xmpp_backup_{part}" for part in ("days", "uploads", "s3_key_id", "s3_secret")
        )
    elif repository and not repository.startswith("s3:"):
        reasons["xmpp_backup_repository is not in S3"] = ("xmpp_backup_s3_key_id", "xmpp_backup_s3_secret")
    if settings.values.get("xmpp_calls") is False and settings.values.get("xmpp_dynamic_address") is False:
        reasons["neither xmpp_calls nor xmpp_dynamic_address is true"] = ("xmpp_stun_server",)
    registration = settings.values.get("xmpp_registration")
    strangers = ("xmpp_registration_question", "xmpp_registrations_per_hour", "xmpp_newcomer_days")
    members = ("xmpp_invitations_per_month", "xmpp_keep_inviter")
    if registration == "closed":
        reasons['xmpp_registration is "closed"'] = (
            *strangers,
            "xmpp_inviters",
            "xmpp_invitation_days",
            *members,
        )
    elif registration == "invite":
        reasons['xmpp_registration is "invite"'] = strangers
    if registration != "closed" and settings.values.get("xmpp_inviters") == "administrators":
        reasons['xmpp_inviters is "administrators"'] = members
    if settings.values.get("xmpp_federation") in (False, "off"):
        reasons['xmpp_federation is "off"'] = ("xmpp_limited",)
    if settings.values.get("xmpp_alerts") is False:
        reasons["xmpp_alerts is false"] = ("xmpp_alert_command",)
    for reason, names in reasons.items():
        for name in names:
            if name in settings.values and settings.values[name] != settings.defaults.get(name):
                wrong = f"is not used, because {reason}: remove it"
                settings.complain((name,), settings.values[name], wrong, discreet=True)
