# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong."""

from __future__ import annotations

INTERRUPTED = (
    "a previous restore was interrupted: run playbooks/restore.yml -e replace=… again, or xmpp-backup rollback"
)


class BackupError(Exception):
    """What is wrong, in words for the operator."""


class KeptError(Exception):
    """Why no expired backup is deleted."""
