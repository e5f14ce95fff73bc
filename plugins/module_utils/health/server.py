# SPDX-License-Identifier: GPL-3.0-or-later
"""What ejabberd says: whether our modules are in it, whether its database writes, and who is an account."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET, Api, ApiError, user_of
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, listed, row

MODULES = Path("/usr/local/lib/xmpp/modules")
SECONDS = 20
DAY = 86400
LATELY = 300  # seconds; what the database refused before may be fixed since


def judge_modules(domains: set[str], wanted: set[str], asked: set[str]) -> Row:
    """Judge whether ejabberd asks our modules: "hook module" by the sources, and "domain hook module" in force."""
    missing = sorted({f"{domain} {one}" for domain in domains for one in wanted} - asked)
    if missing:
        modules = sorted({one.split()[-1] for one in missing})
        fix = "systemctl restart ejabberd; journalctl -u ejabberd. After an update of ejabberd: a newer Conexizan."
        return row("own modules", FAIL, f"without effect: {listed(modules)}", fix)
    return row("own modules", PASS, "ejabberd asks them")


def judge_database(lines: list[str]) -> list[Row]:
    """Judge what the database says to a write ("database ANSWER"), and its last refusal ("refused SECONDS REASON")."""
    told = dict(line.split(" ", 1) for line in lines if line.startswith(("database ", "refused ")))
    if "database" not in told:
        return []  # the row of our own modules says why
    seconds, _, reason = told.get("refused", f"{DAY} ").partition(" ")
    writes, since = told["database"] == "writes", int(seconds)
    reason = reason if writes else told["database"]
    if writes and since >= DAY:
        return [row("database", PASS, "writes")]
    if "full" in reason:
        fix = "Find what takes the place: du -xhd2 /var | sort -h. Once there is room, all goes on by itself."
    else:
        fix = "See whether /var/lib/ejabberd can be written, and journalctl -k. Damaged: playbooks/restore.yml"
    if not writes:
        return [row("database", FAIL, f"refuses to write: {reason}; messages come back to their senders", fix)]
    found = f"writes now, but refused to {since // 60 + 1} min ago: {reason}"
    return [row("database", FAIL if since < LATELY else WARN, found, fix)]


def own_parts() -> list[Row]:
    """Return the rows about what roles/ejabberd adds to ejabberd, which runs on without, and about its database."""
    later = "Once ejabberd runs, check again."
    if not os.path.exists(SOCKET):
        return [row("own modules", WARN, "not checked: ejabberd does not run", later)]
    wanted = {
        f"{hook} {source.stem}"
        for source in MODULES.glob("mod_*.erl")
        for hook in re.findall(r"ejabberd_hooks:Do\((\w+), (?:Host, )?\?MODULE,", source.read_text(encoding="utf-8"))
    }
    try:
        lines = ejabberd_program.run("ejabberd-hooks", seconds=SECONDS).splitlines()
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        found = f"not checked: {str(error).partition(chr(10))[0]}"
        return [row("own modules", WARN, found, later)]
    domains = {line.split()[1] for line in lines if line.startswith("domain ")}
    return [judge_modules(domains, wanted, set(lines)), *judge_database(lines)]


def contacts_row(addresses: list[str]) -> list[Row]:
    """Judge whether somebody is at the addresses that people are told to write to; nothing if ejabberd cannot say."""
    try:
        api = Api(SOCKET)
        # 0 is yes.
        missing = [address for address in addresses if api.call("check_account", **user_of(address)) != 0]
    except ApiError:
        return []
    if not missing:
        return []
    fix = f"Make it (playbooks/user.yml -e create={missing[0]}), or name another in xmpp_contact_addresses."
    return [row("contact", FAIL, f"nobody is at {listed(missing)}, where people are told to write", fix)]
