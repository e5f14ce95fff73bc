# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths on the controller, and places for backups."""

from __future__ import annotations

import re
from pathlib import Path

# Top folders and folders below /var that belong to the system: what is in them is written, emptied or replaced by it.
SYSTEM_FOLDERS = re.compile(
    r"/(bin|boot|dev|etc|home|lib|lib32|lib64|libx32|lost\+found|proc|root|run|sbin|sys|tmp|usr"
    r"|var/(cache|lib/(apt|dpkg|systemd)|lock|log|mail|run|spool|tmp|www))(/|$)"
)


def absolute_path(value: str) -> str | None:
    """A path that means the same wherever Ansible is started."""
    if value.startswith("None/"):
        return "is relative to inventory_dir, which an inventory given on the command line does not have"
    if not value.startswith("/"):
        return "is not an absolute path: begin it with / or {{ inventory_dir }}/"
    return None


def program(value: str) -> str | None:
    """A program of the operator's on the host, which runs in a sandbox; the path stands in a unit of systemd."""
    if not value.startswith("/"):
        return "is not an absolute path: begin it with /"
    if odd := re.search(r"[^\w./+,=~@-]", value):
        return f"contains the character {odd[0]}: it takes a path alone, without arguments"
    if value.endswith("/"):
        return "is a folder: name a program in it"
    if re.match(r"/(home|root|tmp|var/tmp|run/user)/", value):
        return "is in a folder that the program's sandbox hides: put it into /usr/local/bin, for example"
    return None


def optional_folder(value: str) -> str | None:
    """A path, unless there is no inventory to be beside of: xmpp_secrets_dir says so."""
    return None if value.startswith("None/") else absolute_path(value)


def local_repository(value: str) -> str | None:
    """A folder for backups on the host that is nobody else's. (check_backup knows the service's own folders.)"""
    if "//" in value:
        return "contains two slashes in a row"
    if SYSTEM_FOLDERS.match(value):
        return "is a system folder: the backup cannot write to it, or would not survive there"
    if Path(value).as_posix() in ("/", "/media", "/opt", "/srv", "/var", "/var/backups", "/var/lib"):
        return "is a shared folder: name a folder in it that only the backups use"
    return None


def repository(value: str) -> str | None:
    """A place for backups as restic writes it, without a password in it: it is shown."""
    kind, colon, rest = value.partition(":")
    if not value.startswith("/") and (not colon or kind not in ("sftp", "s3")):
        return "must begin with / or sftp: or s3:"
    if re.search(r"\s", value):
        return "contains whitespace"
    # It stands in units of systemd, in tmpfiles.d, on command lines and in what people are told to type.
    if odd := re.search(r"[^\w./:@+,=~\[\]-]", value):
        return f"contains the character {odd[0]}: only letters, digits and . _ - + , = ~ @ are allowed in a path"
    if {"..", "."} & set(rest.split("/") if colon else value.split("/")):
        return "contains . or .. as a path component: write the whole path"
    if value.startswith("/"):
        return local_repository(value)
    if kind == "s3" and not re.fullmatch(r"https?://[^@/?#\s]+/[^@?#\s]+", rest):
        return "must continue with https://host/bucket after s3:"
    # restic's two forms: user@host:folder, and with a port //user@host:port/folder
    if kind == "sftp" and not re.fullmatch(
        r"(//)?[^@:/\s-][^@:/\s]*@([^@:/\s-][^@:/\s]*|\[[0-9a-f:]+\])(:\d+/|/|:)\S+", rest
    ):
        return "must continue with user@host:/folder after sftp:"
    return None
