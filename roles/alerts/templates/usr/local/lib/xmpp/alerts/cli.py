# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for faults as playbooks/check.yml does on the host, and tell the administrators what is new (docs/check.md)."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.backup import age, judge_backup, judge_restore
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.certificates import certificates
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.look import look
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.updates import (
    LISTS,
    ejabberd_version,
    security_updates,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row

from .changes import news
from .deliver import deliver, label, usable
from .memory import Memory
from .quiet import BACKUP, quiet, stuck

SETTINGS = Path("/etc/xmpp/alerts.json")
TWO_NIGHTS = 49 * 3600  # since the last good backup: one that failed may work the next night
# What packages there are and were, and where they come from: only if that has changed can the answer be another one.
PACKAGES = (Path("/var/lib/dpkg/status"), LISTS)
SOURCES = Path("/etc/apt")


def remembered(state: dict[str, Any], name: str, read: Callable[[], Any]) -> Any:
    """Return what apt says of updates; read anew only if packages, their lists, sources or pins have changed."""
    patterns = ("sources.list", "sources.list.d/*", "preferences.d/*")
    sources = [path for pattern in patterns for path in sorted(SOURCES.glob(pattern))]
    stamps = [path.stat().st_mtime_ns for path in (*PACKAGES, SETTINGS, *sources) if path.exists()]
    known = state.get("updates", {})
    if known.get("stamps") != stamps:
        known = state["updates"] = {"stamps": stamps}
    if name not in known:
        found = read()
        if isinstance(found, str):  # no error is kept
            return found
        known[name] = found
    return known[name]


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
    found = look(
        settings["services"],
        settings["timers"],
        now=now,
        tested=settings["tested"],
        pending=lambda: remembered(state, "pending", security_updates),
        versions=lambda tested: remembered(state, "versions", lambda: ejabberd_version(tested)),
    )
    # The row of backups tells of those.
    found = [one for one in found if one["found"] != "the last run failed: xmpp-backup.service"]
    found += certificates(settings["domains"], settings["certificates"], now)
    found += stuck(state.get("held", {}), now)
    return found + (backup(settings, now) if settings["repository"] else [])


def blind(error: Exception, known: list[str]) -> list[Row]:
    """Return the rows of a look that an error has ended: whether what was broken still is, nobody knows."""
    fix = "See why, on the host: journalctl -u xmpp-alerts.service. Until then, no other fault is told."
    skipped = [row(subject, WARN, "skipped: the look did not end") for subject in known if subject != "alerts"]
    # Its name only: its words may be about somebody.
    return [row("alerts", FAIL, f"nothing can be checked: {type(error).__name__}", fix), *skipped]


def watch(settings: dict[str, Any]) -> bool:
    """Look once, and tell what is new; return whether the operator's program took it."""
    now, memory, wrong = time.time(), Memory(), None
    try:
        if quiet(memory.part("held"), now):
            memory.save()
            return True
        found = rows(settings, memory.state, now)
    except Exception as error:  # whatever it is: silence would look like a host that is well
        wrong, found = error, blind(error, list(memory.problems))
    told = news(memory.problems, found, now)
    text = "\n\n".join([f"{settings['name']}:", *told]) if told else ""
    failed = deliver(settings, memory.part("unsent"), text, memory.save)
    memory.save()
    if "command" in failed:
        print(f"xmpp_alert_command: {failed['command']}", file=sys.stderr)
    if wrong:
        raise wrong
    return "command" not in failed


def main() -> int:
    """Run the program; it fails if the operator's program does, which is then a row of playbooks/check.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", action="store_true", help="send a test message, to see that it arrives")
    test = parser.parse_args().test
    settings: dict[str, Any] = json.loads(SETTINGS.read_text(encoding="utf-8"))
    if not test:
        return 0 if watch(settings) and usable(settings) else 1
    text = f"{settings['name']}:\n\nThis is a test of the alerts. Nothing is wrong."
    failed = deliver(settings, {}, text, lambda: None)
    print("\n".join(f"Not delivered: {label(settings, way)}: {why}" for way, why in failed.items()) or "Delivered.")
    return 1 if failed else 0
