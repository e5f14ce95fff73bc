# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service takes away from a host, and who would miss it: packages, logs, what fail2ban reads."""

from __future__ import annotations

import configparser
import contextlib
import glob
import os
import re
from fnmatch import fnmatch
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.command import OPTIONS, PackagesError, run

FAIL2BAN = Path("/etc/fail2ban")
PROGRAM = Path("/usr/bin/fail2ban-server")  # gone where the package is, whose configuration may stay
YES = ("1", "yes", "true", "on")


def own_rsyslog(folder: Path = Path("/etc/rsyslog.d"), changed: str = "", owned: str = "") -> list[str]:
    """Return the files by which the operator configured rsyslog.

    *changed* is what C(dpkg --verify) says of the package, *owned* what C(dpkg-query --search) says of the folder.
    """
    files = re.findall(r"^..5\S* +c (/\S+)$", changed, re.MULTILINE)
    of_packages = {line.partition(": ")[2] for line in owned.splitlines()}
    for path in sorted(folder.glob("*.conf")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if str(path) not in of_packages and any(line.strip() and not line.strip().startswith("#") for line in lines):
            files.append(str(path))
    return files


def wrong_rsyslog(files: list[str]) -> str:
    """Return that the rsyslog of this host has a task of its own, in words: the service removes it."""
    if not files:
        return ""
    return (
        f"rsyslog has configuration of yours: {', '.join(files)}. The service removes rsyslog, which would write to "
        "disk, or send to other hosts, what the journal holds in memory for a day; what you use it for would end. If "
        "it may go, remove it yourself, on the host: apt-get purge rsyslog. Else the service needs another host."
    )


def dependents(packages: list[str]) -> list[str]:
    """Return what apt would remove besides *packages*, because it needs them."""
    try:
        plan = run("apt-get", "purge", "--simulate", "--option=Debug::NoLocking=1", *OPTIONS, *packages)
    except PackagesError:  # a broken dpkg is not judged here
        return []
    return sorted({*re.findall(r"^(?:Purg|Remv) ([^\s:]+)", plan, re.MULTILINE)} - {*packages})


def dependents_fault(packages: list[str], others: list[str]) -> str:
    """Return that other packages need what the service removes."""
    if not others:
        return ""
    return (
        f"The service removes {', '.join(packages)}, and apt would remove {', '.join(others)} with that. If these may "
        f"go, remove them yourself, on the host: apt-get purge {' '.join(others)}. Else the service needs another host."
    )


def old_logs(patterns: list[str]) -> list[str]:
    """Return the logs on this host that the service deletes: of several with the same beginning, the first."""
    found: dict[str, str] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            with contextlib.suppress(OSError):  # a link to nothing, or gone meanwhile
                if not os.path.isdir(path) and not os.path.getsize(path):
                    continue
                place = os.path.dirname(path) if pattern.endswith("/*") else path
                found.setdefault(place if pattern.endswith("/*") else pattern, place)
    return sorted(set(found.values()))


def removal_notice(packages: list[str], logs: list[str]) -> str:
    """Return what goes for good, and what comes back with playbooks/remove.yml."""
    words = []
    if packages:
        words.append(f"The service removes {', '.join(packages)}, which playbooks/remove.yml reinstalls.")
    if logs:
        words.append(
            f"The service deletes what was logged before: {', '.join(logs)}. If you need that, copy it first: it does "
            "not come back."
        )
    return " ".join(words)


def jails_without_logs(deleted: list[str], folder: Path = FAIL2BAN) -> list[str]:
    """Return the jails of fail2ban that are on and read what nobody writes any more (jail.conf(5))."""
    if not PROGRAM.exists():
        return []
    parser = configparser.RawConfigParser(strict=False)
    files = ["jail.conf", "jail.d/*.conf", "jail.local", "jail.d/*.local"]
    for path in (path for pattern in files for path in sorted(folder.glob(pattern))):
        try:
            parser.read_string(path.read_text(encoding="utf-8", errors="replace"))
        except configparser.Error:  # fail2ban does not take it either
            continue
    found = []
    for name in parser.sections():
        if parser.get(name, "enabled", fallback="false").strip().lower() not in YES:
            continue
        reads = parser.get(name, "filter", fallback=name).replace("%(__name__)s", name)
        logs = parser.get(name, "logpath", fallback="").split()
        if re.match(r"(sshd|pam-generic)\b", reads) or any(fnmatch(log, one) for log in logs for one in deleted):
            found.append(name)
    return found


def jails_notice(jails: list[str]) -> str:
    """Return what becomes of jails of fail2ban, in words."""
    if not jails:
        return ""
    return (
        f"fail2ban finds nothing to read any more in these jails: {', '.join(jails)}. Logs of logins are not kept, and "
        "sshd writes no addresses. sshd itself refuses addresses that fail for a while (PerSourcePenalties). Switch "
        f"these jails off in /etc/fail2ban/jail.local: [{jails[0]}] and below it, enabled = false"
    )
