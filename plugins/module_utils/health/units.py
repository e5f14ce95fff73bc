# SPDX-License-Identifier: GPL-3.0-or-later
"""Check systemd: whether the services run, and whether the timers' last runs succeeded."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.programs import output
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, SHOWN, WARN, Row, listed, row

OFTEN = 3  # automatic restarts after which a service that has just started counts as looping
MOMENT = 600  # seconds
LONG = 6 * 3600  # seconds; only a first backup over a slow line takes more


def units(names: list[str], *properties: str) -> dict[str, dict[str, str]]:
    """Return properties of units, by name, with one call of systemctl."""
    asked = ",".join(("Id", *properties))
    text = output("systemctl", "show", f"--property={asked}", *names) if names else ""
    stanzas = [dict(line.split("=", 1) for line in stanza.splitlines() if "=" in line) for stanza in text.split("\n\n")]
    return {stanza["Id"]: stanza for stanza in stanzas if "Id" in stanza}


def looping(states: dict[str, dict[str, str]], uptime: float) -> list[str]:
    """Return the services in a restart loop: those waiting for a restart, and those that have just restarted."""
    waiting = ("auto-restart", "auto-restart-queued")
    return [
        name
        for name, state in states.items()
        if state.get("SubState") in waiting
        or (
            int(state.get("NRestarts") or 0) >= OFTEN
            and uptime - int(state.get("ActiveEnterTimestampMonotonic") or 0) / 1e6 < MOMENT
        )
    ]


def judge_services(
    wanted: list[str], states: dict[str, dict[str, str]], failed: list[str], restarting: list[str]
) -> Row:
    """Judge the wanted services, failed units, and restart loops."""
    if restarting:
        ours = [name for name in restarting if name in wanted or name.startswith("xmpp-")]
        first = (ours or restarting)[0]
        found = f"restarting again and again: {listed(restarting)}"
        return row(
            "services", FAIL if ours else WARN, found, f"See why: systemctl status {first}; journalctl -u {first}"
        )
    down = [name for name in wanted if states.get(name, {}).get("ActiveState") != "active"]
    if down:
        words = " ".join(down)
        return row(
            "services", FAIL, f"not running: {listed(down)}", f"systemctl restart {words}; systemctl status {words}"
        )
    ours = [name for name in failed if name.startswith("xmpp-")]
    if failed:
        status = FAIL if ours else WARN
        return row("services", status, f"failed: {listed(failed)}", f"systemctl status {' '.join(failed[:SHOWN])}")
    return row(
        "services", PASS, f"{listed([name.removesuffix('.service') for name in wanted])} running, no failed units"
    )


def judge_timers(timers: dict[str, dict[str, str]], results: dict[str, dict[str, str]], uptime: float) -> list[Row]:
    """Judge the timers: those that are stopped, and those whose last run failed or does not end."""
    stopped = [name for name, state in timers.items() if state.get("ActiveState") != "active"]
    good = ("success", "exec-condition")
    failed = [name for name, state in results.items() if state.get("Result", "success") not in good]
    slow = [
        name
        for name, state in results.items()
        if state.get("ActiveState") == "activating"
        and uptime - int(state.get("InactiveExitTimestampMonotonic", "0")) / 1e6 > LONG
    ]
    faults = [
        (FAIL, "stopped", stopped, "systemctl enable --now {0}"),
        (
            FAIL,
            "the last run failed",
            failed,
            "See why: systemctl status {0}; once that is fixed: systemctl start {0}",
        ),
        (
            WARN,
            f"running for more than {LONG // 3600} hours",
            slow,
            "See what it waits for: systemctl status {0}; then: systemctl restart {0}",
        ),
    ]
    rows = [
        row("timers", status, f"{found}: {listed(names)}", fix.format(" ".join(names)))
        for status, found, names, fix in faults
        if names
    ]
    return rows or [row("timers", PASS, f"{len(timers)} timers active, all last runs succeeded")]
