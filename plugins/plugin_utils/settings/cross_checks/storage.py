# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for uploads, and where backups go."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line


def check_uploads(settings: HostSettings) -> None:
    """Check that the largest file fits into what an account, and all accounts, may use."""
    if {"xmpp_upload_max_mib", "xmpp_upload_quota_mib"} <= settings.values.keys():
        largest, quota = settings.values["xmpp_upload_max_mib"], settings.values["xmpp_upload_quota_mib"]
        if quota < largest:
            name = "xmpp_upload_max_mib" if settings.is_default("xmpp_upload_quota_mib") else "xmpp_upload_quota_mib"
            settings.add(
                (name,),
                f"xmpp_upload_quota_mib is {quota}, less than xmpp_upload_max_mib, {largest}: "
                "an account could not upload the largest file.",
                yaml_line("xmpp_upload_quota_mib", 10 * largest),
            )
    if {"xmpp_upload_max_mib", "xmpp_upload_total_mib"} <= settings.values.keys():
        largest, total = settings.values["xmpp_upload_max_mib"], settings.values["xmpp_upload_total_mib"]
        if 0 < total < largest:
            settings.add(
                ("xmpp_upload_total_mib",),
                f"xmpp_upload_total_mib is {total}, less than xmpp_upload_max_mib, {largest}: "
                "the largest file could never be uploaded. 0 means half of the disk.",
                yaml_line("xmpp_upload_total_mib", 100 * largest),
            )


def check_backup(settings: HostSettings, places: list[str]) -> None:
    """Check that a repository outlives the service, whose *places* go with it, and that S3's keys are there."""
    value = str(settings.values.get("xmpp_backup_repository"))
    for place in places:
        if value.startswith("/") and Path(value).is_relative_to(place):
            wrong = f"is in {place}, which belongs to the service: playbooks/remove.yml would delete the backups"
            settings.complain(("xmpp_backup_repository",), value, wrong)
    if value.startswith("s3:"):
        for name in ("xmpp_backup_s3_key_id", "xmpp_backup_s3_secret"):
            if settings.values.get(name) == "":
                settings.add((name,), f"xmpp_backup_repository is in S3, but {name} is not set.")
