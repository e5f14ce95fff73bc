# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the last backup, and what a restore has left."""

from __future__ import annotations

import datetime
from typing import TypedDict

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, number, row

HOUR = 3600
OLD = 50 * HOUR  # two nights, and two hours for the backup itself
# In /var/lib/xmpp-backup, as the program xmpp-backup names them.
HALF, LEFT = "half.json", ("aside", "staged")


class Status(TypedDict, total=False):
    """What xmpp-backup writes down about its last runs (status.json)."""

    repository: str
    success: str
    error: str
    kept: str


def moment(success: str) -> str:
    """Return the time of a backup for people."""
    return f"{success[:16].replace('T', ' ')} UTC" if success else ""


def success_of(status: Status, repository: str) -> str:
    """Return when the last good backup was made; one in another repository does not count for this one."""
    success = status.get("success", "")
    return "" if success and status.get("repository", "") != repository else success


def age(success: str, now: float) -> float:
    """Return how old a backup is, in seconds."""
    return now - datetime.datetime.fromisoformat(success[:19]).replace(tzinfo=datetime.UTC).timestamp()


def judge_backup(status: Status, repository: str, now: float, hint: str = "") -> Row:
    """Judge the last backup; *hint* follows the reason of a failure."""
    success, elsewhere = success_of(status, repository), status.get("success", "")
    last = moment(success)
    where = f" in {repository}; the last one in {status.get('repository', '')} is of {elsewhere[:10]}"
    where = where if elsewhere and not success else ""
    if status.get("error"):
        found = f"failed; the last good one is {f'of {last}' if last else f'none{where}'}"
        return row("backup", FAIL, found, status["error"] + hint)
    if not success:
        fix = "The next night makes one; playbooks/backup.yml makes one now."
        return row("backup", WARN, f"none has been made yet{where}", fix)
    found, old = f"the last one is of {last}", age(success, now)
    if old > OLD:
        fix = "Find out why no more are made: systemctl status xmpp-backup.timer xmpp-backup.service ejabberd.service"
        return row("backup", FAIL, found, fix)
    if old < -HOUR:
        fix = (
            "The clock was wrong then, or is now: check timedatectl on the host; once it is right, run "
            "playbooks/backup.yml"
        )
        return row("backup", FAIL, f"{found}, which is in the future", fix)
    if status.get("kept"):
        fix = (
            "See timedatectl on the host. Deletion resumes once the clock has been correct for two days; if it is "
            "correct now: /usr/local/lib/xmpp/clock.py trust"
        )
        return row("backup", WARN, f"{found}; expired ones are not deleted: {status['kept']}", fix)
    return row("backup", PASS, found)


def judge_restore(left: list[str], domain: str, days: int) -> list[Row]:
    """Judge what a restore has left, by its paths; no row if there is nothing."""
    again = f"Run playbooks/restore.yml -e replace={domain} again. Or, on the host: xmpp-backup rollback puts back"
    if any(path.rpartition("/")[2] == HALF for path in left):
        found = "was interrupted while data was exchanged; ejabberd does not start, so that nobody sees incomplete data"
        return [row("restore", FAIL, found, f"{again} the data from before.")]
    if not left:
        return []
    found = f"was not finished, and left unencrypted data in {' and '.join(sorted(left))}"
    fix = (
        f"{again} the data from before, xmpp-backup commit deletes it. Otherwise it is deleted at night: fetched data "
        f"after a day, the data from before after {number(days, 'day', 'days')}."
    )
    return [row("restore", WARN, found, fix)]
