# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for faults as playbooks/check.yml does on the host, and tell the administrators what is new (docs/check.md)."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.backup import age, judge_backup, judge_restore
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.certificates import certificates
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.look import look
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.updates import LISTS, security_updates
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, Row

from .changes import Problem, news
from .deliver import deliver, usable
from .quiet import BACKUP, quiet

SETTINGS = Path("/etc/xmpp/alerts.json")
STATE = Path("/var/lib/xmpp/alerts/state.json")
TWO_NIGHTS = 49 * 3600  # since the last good backup: one that failed may work the next night
# What packages there are and were: only then can the answer be another one.
PACKAGES = (Path("/var/lib/dpkg/status"), LISTS)


def pending(state: dict[str, Any]) -> list[str] | None:
    """Return the security updates that are pending; read anew only if packages or their lists have changed."""
    stamps = [path.stat().st_mtime_ns for path in PACKAGES if path.exists()]
    if state.get("updates", {}).get("stamps") != stamps:
        state["updates"] = {"stamps": stamps, "pending": security_updates()}
    found: list[str] | None = state["updates"]["pending"]
    return found


def backup(settings: dict[str, Any], now: float) -> list[Row]:
    """Return the rows about backups; one night that failed passes."""
    status: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError, ValueError):  # empty after a power cut
        status = json.loads((BACKUP / "status.json").read_text(encoding="utf-8"))
    judged = judge_backup(status, settings["repository"], now)  # type: ignore[arg-type]
    success = status.get("success")
    if judged["status"] == FAIL and status.get("error") and success and 0 <= age(success, now) < TWO_NIGHTS:
        judged["status"] = PASS
    left = [str(path) for pattern in ("aside", "staged", "*/half.json") for path in BACKUP.glob(pattern)]
    return [judged, *judge_restore(left, settings["domain"], settings["backup_days"])]


def rows(settings: dict[str, Any], state: dict[str, Any], now: float) -> list[Row]:
    """Return what there is to see."""
    found = look(settings["services"], settings["timers"], now=now, pending=lambda: pending(state))
    # The row of backups tells of those.
    found = [one for one in found if one["found"] != "the last run failed: xmpp-backup.service"]
    found += certificates(settings["domains"], settings["certificates"], now)
    return found + (backup(settings, now) if settings["repository"] else [])


def save(state: dict[str, Any], before: str) -> None:
    """Write the state down if it is another one: a memory card wears out."""
    text = json.dumps(state)
    if text == before:
        return
    fresh = STATE.with_name("state.new")
    with fresh.open("w", encoding="utf-8") as file:
        fresh.chmod(0o600)  # whatever the umask
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(STATE)


def watch(settings: dict[str, Any]) -> bool:
    """Look once, and tell what is new; return whether the operator's program took it."""
    now = time.time()
    if quiet(now):
        return True
    before = STATE.read_text(encoding="utf-8") if STATE.exists() else ""
    state: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        state = json.loads(before)
    problems = {subject: Problem(**one) for subject, one in state.get("problems", {}).items()}
    unsent: dict[str, list[str]] = state.get("unsent", {})
    told = news(problems, rows(settings, state, now), now)
    taken = deliver(settings, unsent, "\n\n".join([f"{settings['name']}:", *told]) if told else "")
    state["problems"] = {subject: dataclasses.asdict(one) for subject, one in problems.items()}
    save(state | {"unsent": unsent}, before)
    return taken


def main() -> int:
    """Run the program; it fails if the operator's program does, which is then a row of playbooks/check.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", action="store_true", help="send a test message, to see that it arrives")
    test = parser.parse_args().test
    settings: dict[str, Any] = json.loads(SETTINGS.read_text(encoding="utf-8"))
    if not test:
        return 0 if watch(settings) and usable(settings) else 1
    unsent: dict[str, list[str]] = {}
    deliver(settings, unsent, f"{settings['name']}:\n\nThis is a test of the alerts. Nothing is wrong.")
    print("\n".join(f"Not delivered: {way}" for way in unsent) or "Delivered.")
    return 1 if unsent else 0
