# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``check_backup``: the last backup, as playbooks/check.yml and backup.yml report it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.backup import (
    Status,
    judge_backup,
    judge_restore,
    moment,
    success_of,
)

DOCUMENTATION = r"""
name: check_backup
short_description: The last backup, and what a restore has left, as rows of a report
description:
  - Takes the text of C(/var/lib/xmpp-backup/status.json), which is empty before the first backup.
  - Returns C(row), C(last), the time of the last good backup in this repository, and C(left), rows about a restore.
options:
  _input: {description: The text of the file., type: str, required: true}
  repository: {description: The repository in the settings., type: str, required: true}
  left: {description: Paths of what a restore has left., type: list, required: true}
  domain: {description: The domain of the service., type: str, required: true}
  days: {description: How long backups are kept., type: int, required: true}
  hint: {description: What follows the reason of a failure., type: str, default: ""}
"""


def check_backup(text: str, *, repository: str, left: list[str], domain: str, days: int, hint: str = "") -> Any:
    """Return the rows, and the time of the last good backup."""
    status: Status = json.loads(text or "{}")
    return {
        "row": judge_backup(status, repository, time.time(), hint),
        "last": moment(success_of(status, repository)),
        "left": judge_restore(left, domain, days),
    }


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"check_backup": check_backup}
