# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups, uploads and folders on the controller."""

from __future__ import annotations

from ..known import Cases

CASES: Cases = {
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
            [("xmpp_backup_repository", wrong)],
        )
        for place, wrong in (
            ("backups", "must begin with / or sftp: or s3:"),
            ("rest:https://nas.test/", "must begin with / or sftp: or s3:"),
            ("/", "is a shared folder"),
            *(
                (folder, "is a system folder: the backup cannot write to it, or would not survive there")
                for folder in ("/home/maria/backup", "/etc", "/usr", "/usr/local/backup", "/var/cache/b", "/boot/")
            ),
            ("/srv", "is a shared folder"),
            ("/var/lib/", "is a shared folder"),
            *(
                (
                    f"{own}{below}",
                    f"is in {own}, which belongs to the service",
                )
                for own, below in (
                    ("/var/lib/ejabberd", "/backup"),
                    ("/srv/xmpp", "/backup"),
                    ("/var/lib/xmpp-backup", ""),
                    ("/var/lib/turn", "/b/"),
                )
            ),
            ("/srv/../root/x", "contains . or .. as a path component"),
            ("/mnt/./x", "contains . or .. as a path component"),
            ("sftp:u1@nas.test:/srv/../etc", "contains . or .. as a path component"),
            ("/mnt//x", "contains two slashes in a row"),
            *(
                (
                    place,
                    f"contains the character {place[6]}",
                )
                for place in ("/srv/b$(id)", "/srv/b'x", "/srv/b`id`", "/srv/b;x", "/srv/b%h", "/srv/b*", "/srv/b{a}")
            ),
            ("sftp:-oProxyCommand=x@nas.test:/srv", "must continue with user@host:/folder after sftp:"),
            ("/mnt/my backup", "contains whitespace"),
            ("sftp:nas.test", "must continue with user@host:/folder after sftp:"),
            ("sftp:backup:secret@nas.test:/srv", "must continue with user@host:/folder after sftp:"),
            ("s3:nas.test/bucket", "must continue with https://host/bucket after s3:"),
            ("s3:https://id:secret@s3.test/bucket", "must continue with https://host/bucket after s3:"),
        )
    },
    "backup in S3 without keys": (
        {"xmpp_backup_repository": "s3:https://s3.test/bucket"},
        [
            ("xmpp_backup_repository", f"is in S3, but {name} is not set")
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
            ("xmpp_backup_days", "must be from 1 to 365"),
            ("xmpp_backup_uploads", "is a string, but must be a boolean"),
            ("xmpp_backup_s3_key_id", "has 201 characters"),
            ("xmpp_backup_s3_secret", "is not valid"),
        ],
    ),
    "quota below file size": (
        {"xmpp_upload_max_mib": 2000},
        [("xmpp_upload_quota_mib", "is 1000, less than xmpp_upload_max_mib, 2000")],
    ),
    "total below file size": (
        {"xmpp_upload_total_mib": 99},
        [
            ("xmpp_upload_total_mib", "is 99, less than xmpp_upload_max_mib, 100"),
        ],
    ),
    "total below zero": (
        {"xmpp_upload_total_mib": -1},
        [("xmpp_upload_total_mib", "must be from 0 to 1073741824")],
    ),
    "total of a file": ({"xmpp_upload_total_mib": 100}, []),
    "total by itself": ({"xmpp_upload_total_mib": 0, "xmpp_upload_max_mib": 500}, []),
    "quota above file size": ({"xmpp_upload_max_mib": 2000, "xmpp_upload_quota_mib": 2000}, []),
    # files
    "relative folder": (
        {"xmpp_secrets_dir": "secrets"},
        [("xmpp_secrets_dir", "is not an absolute path")],
    ),
    "folder is a file": (
        {"xmpp_secrets_dir": "DIR/good.pem"},
        [("xmpp_secrets_dir", "is a file")],
    ),
    # folders of the controller
    **{
        f"secrets in {folder}": (
            {"xmpp_secrets_dir": folder},
            [("xmpp_secrets_dir", wrong)],
        )
        for folder, wrong in (
            ("/", "is a system folder"),
            ("/usr/local/secrets", "is a system folder"),
            ("/srv/../", "is a system folder"),
            ("/tmp/", "is a system folder"),
            ("/etc", "is a folder with other files"),
        )
    },
    "pages that are not there": (
        {"xmpp_website_dir": "DIR/nowhere"},
        [("xmpp_website_dir", "does not exist")],
    ),
    "pages that are a file": (
        {"xmpp_website_dir": "DIR/good.pem"},
        [("xmpp_website_dir", "is a file")],
    ),
}
