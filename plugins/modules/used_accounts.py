#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the system accounts that something on the host still runs as."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: used_accounts
short_description: Which system accounts something on the host still runs as
description:
  - Looks for accounts in the units of systemd (C(User=)), in crontabs, and among the owners of processes. A package may
    bring an account that packages of others have, too, or that the operator had before.
  - Changes nothing.
options:
  names:
    description: The accounts to look for. Those that do not exist are ignored.
    type: list
    elements: str
    required: true
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Find the accounts that others need
  conexizan.xmpp.used_accounts:
    names: [prometheus]
"""

RETURN = r"""
used:
  description: Account to the first thing that needs it; without those that nothing needs.
  type: dict
  returned: always
"""

import contextlib
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

UNITS = [Path(path) for path in ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system")]
UNITS.append(Path("/usr/lib/systemd/system"))
CRONTABS = (Path("/etc/crontab"), Path("/etc/cron.d"))
SPOOL = Path("/var/spool/cron/crontabs")
PROCESSES = Path("/proc")
IN_UNIT = re.compile(r"^[ \t]*User[ \t]*=[ \t]*(\S+)[ \t]*$", re.MULTILINE)
IN_CRONTAB = re.compile(r"^[ \t]*(?:@\w+|[\d*](?:\S*[ \t]+\S+){4})[ \t]+(\S+)[ \t]", re.MULTILINE)


def text(path: Path) -> str:
    """Return what is in a file; nothing of one that is gone by now, or of a link that leads nowhere."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return ""


def in_units() -> Iterator[tuple[str, str]]:
    """Yield accounts with the units that run as them."""
    for top in UNITS:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if name.endswith((".service", ".conf")):
                    unit = name if name.endswith(".service") else Path(folder).name.removesuffix(".d")
                    yield from ((user, unit) for user in IN_UNIT.findall(text(Path(folder, name))))


def in_crontabs() -> Iterator[tuple[str, str]]:
    """Yield accounts with the crontabs that run something as them."""
    for place in CRONTABS:
        for path in sorted(place.iterdir()) if place.is_dir() else [place]:
            yield from ((user, str(path)) for user in IN_CRONTAB.findall(text(path)))
    if SPOOL.is_dir():
        yield from ((path.name, str(path)) for path in sorted(SPOOL.iterdir()))


def of_processes() -> Iterator[tuple[str, str]]:
    """Yield the numbers of accounts with processes that are theirs: userdel refuses then."""
    for path in PROCESSES.glob("[0-9]*/status"):
        if found := re.search(r"^Uid:\s+(.*)$", text(path), re.MULTILINE):
            yield from ((number, f"process {path.parent.name}") for number in found[1].split())


def used(names: list[str]) -> dict[str, str]:
    """Return which of these accounts are needed, with the first thing that needs each."""
    words: dict[str, str] = {}
    for user, what in (*in_units(), *in_crontabs(), *of_processes()):
        words.setdefault(user, what)
    found = {}
    for name in names:
        with contextlib.suppress(KeyError):
            number = str(pwd.getpwnam(name).pw_uid)
            if needed_by := words.get(name) or words.get(number):
                found[name] = needed_by
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"names": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True
    )
    module.exit_json(changed=False, used=used(module.params["names"]))


if __name__ == "__main__":
    main()
