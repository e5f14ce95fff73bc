# SPDX-License-Identifier: GPL-3.0-or-later
"""Check ejabberd: whether our modules are active, its database accepts writes, and the contact accounts exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET, Api, ApiError, user_of
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, listed, row

MODULES = Path("/usr/local/lib/xmpp/modules")
CONFIGURATION = Path("/etc/ejabberd/xmpp.yml")
SECONDS = 20
DAY = 86400
LATELY = 300  # seconds; older refusals may be fixed by now


def judge_modules(domains: set[str], wanted: set[str], asked: set[str]) -> Row:
    """Judge whether our modules are active: "hook module" in the sources against "domain hook module" in ejabberd."""
    missing = sorted({f"{domain} {one}" for domain in domains for one in wanted} - asked)
    if missing:
        modules = sorted({one.split()[-1] for one in missing})
        fix = "systemctl restart ejabberd; journalctl -u ejabberd. After an ejabberd update, update Conexizan."
        return row("own modules", FAIL, f"not active: {listed(modules)}", fix)
    return row("own modules", PASS, "active")


def judge_database(lines: list[str]) -> list[Row]:
    """Judge the result of a test write ("database ANSWER"), and the last refusal ("refused SECONDS REASON")."""
    told = dict(line.split(" ", 1) for line in lines if line.startswith(("database ", "refused ")))
    if "database" not in told:
        return []  # the row about our own modules has the reason
    seconds, _, reason = told.get("refused", f"{DAY} ").partition(" ")
    writes, since = told["database"] == "writes", int(seconds)
    reason = reason if writes else told["database"]
    if writes and since >= DAY:
        return [row("database", PASS, "accepts writes")]
    if "full" in reason:
        fix = "Find what uses the space: du -xhd2 /var | sort -h. Once there is space, no restart is needed."
    else:
        fix = (
            "Check that /var/lib/ejabberd is writable, and read journalctl -k. If it is damaged: playbooks/restore.yml"
        )
    if not writes:
        return [row("database", FAIL, f"refuses to write: {reason}; messages come back to their senders", fix)]
    found = f"accepts writes now, but refused them {since // 60 + 1} min ago: {reason}"
    return [row("database", FAIL if since < LATELY else WARN, found, fix)]


def wanted_hooks(modules: Path, configuration: Path) -> set[str]:
    """Return "hook module" of our modules that are configured: the others' settings are off."""
    configured = re.findall(r"^  (mod_\w+):", configuration.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        f"{hook} {source.stem}"
        for source in modules.glob("mod_*.erl")
        if source.stem in configured
        for hook in re.findall(r"ejabberd_hooks:Do\((\w+), (?:Host, )?\?MODULE,", source.read_text(encoding="utf-8"))
    }


def own_parts() -> list[Row]:
    """Return the rows about our modules, without which ejabberd runs on, and about its database."""
    later = "Once ejabberd runs, check again."
    if not os.path.exists(SOCKET):
        return [row("own modules", WARN, "skipped: ejabberd is not running", later)]
    wanted = wanted_hooks(MODULES, CONFIGURATION)
    try:
        lines = ejabberd_program.run("ejabberd-hooks", seconds=SECONDS).splitlines()
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        found = f"skipped: {str(error).partition(chr(10))[0]}"
        return [row("own modules", WARN, found, later)]
    domains = {line.split()[1] for line in lines if line.startswith("domain ")}
    return [judge_modules(domains, wanted, set(lines)), *judge_database(lines)]


def contacts_row(addresses: list[str]) -> list[Row]:
    """Judge whether the contact addresses have accounts; no row if ejabberd cannot be asked."""
    try:
        api = Api(SOCKET)
        # 0 is yes.
        missing = [address for address in addresses if api.call("check_account", **user_of(address)) != 0]
    except ApiError:
        return []
    if not missing:
        return []
    fix = (
        f"Create it (playbooks/user.yml -e create={missing[0]}), or set another in xmpp_contact_addresses or "
        "xmpp_contact_purposes."
    )
    return [row("contact", FAIL, f"no account for the contact address {listed(missing)}", fix)]
