#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# More than 150 lines: what systemd says, what to do and the order of doing it are one decision about all units.
"""Enable, start, restart or reload the services of the roles in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: services
short_description: Enable, start, restart or reload services in one round trip
description:
  - Enables and starts what is not, and restarts or reloads what was last started or reloaded before one of its files
    changed, or runs a program that an update has replaced. It goes by what is so on the host, not by what this run
    did, so the next run makes up for an interrupted one. When files changed is known from M(tree).
  - >-
    The checks of all services that run are done before any is touched: a configuration that is wrong leaves the old one
    in force, and the files of all roles are put back as they were before, so that the old one is also what a service
    finds that starts anew. (What does not run has nothing to lose.) Units of one kind are restarted together, so they
    start side by side.
  - If a unit fails, the message holds the end of its journal.
  - In the end each port that the roles have named (C(/etc/xmpp/certificates.d/*.json)) is asked for its certificate and
    a greeting, whether anything was done or not. What was started or reloaded a moment ago is waited for.
options:
  services:
    description:
      - Units, each with C(unit), C(reads) (shell patterns of the files it reads as it starts), C(reload_for) (those of
        them that a reload is enough for), C(check) (a command that judges its configuration), C(probe) (a command that
        fails when the unit runs but has no effect), C(then) (a command to run after it was started) and C(optional)
        (the operator's business whether it runs; it is left alone where it does not).
    type: list
    elements: dict
    required: true
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Restart or reload nginx if its files changed
  conexizan.xmpp.services:
    services:
      - unit: nginx.service
        reads: [/etc/nginx/*]
        reload_for: [/etc/nginx/*]
        check: [nginx, -t]
"""

RETURN = r"""
actions:
  description: What was (in check mode, would be) done, unit to sentence.
  type: dict
  returned: always
"""

import fnmatch
import os
import subprocess
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import listeners, tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.tree_files import boot_id

JOURNAL_LINES = 15
ENABLED = ("enabled", "static", "generated", "indirect", "alias")
RUNNING = ("active", "reloading")
LISTS = ("reads", "reload_for", "check", "probe", "then")
PROPERTIES = (
    "LoadState",
    "UnitFileState",
    "ActiveState",
    "InactiveExitTimestampMonotonic",
    "StateChangeTimestampMonotonic",
    "ReloadResult",
    "MainPID",
)


class ServiceError(Exception):
    """What is wrong, in words for the operator."""


class RefusedError(ServiceError):
    """A service that runs does not take its new configuration."""


@dataclass(frozen=True)
class Service:
    """A unit, the files it reads, and its commands."""

    unit: str
    reads: list[str]
    reload_for: list[str]
    check: list[str]
    probe: list[str]
    then: list[str]
    optional: bool = False


@dataclass(frozen=True)
class Action:
    """What is to be done to a unit, and why."""

    verb: str
    reason: str


def changes() -> dict[str, int]:
    """Return when each file of the roles last changed in this boot, in microseconds of the monotonic clock."""
    found: dict[str, int] = {}
    for path in tree_files.MANIFESTS.glob("*.json"):
        manifest = tree_files.read_json(path)
        # None: what a power cut left; it was in an earlier boot
        if manifest and manifest["boot"] == boot_id():
            # A path that has moved: its removal by one role, and what another has written since.
            found |= {path: max(at, found.get(path, 0)) for path, at in manifest["changed"].items()}
    return found


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run *command* and return how it went."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ServiceError(f"{command[0]} is not installed: run site.yml without --tags") from error


def states(units: list[str]) -> dict[str, dict[str, str]]:
    """Return systemd's properties of each unit, by the name that was asked for."""
    if not units:
        return {}
    done = run("systemctl", "show", f"--property={','.join(PROPERTIES)}", *units)
    if done.returncode:
        raise ServiceError(f"systemctl show failed: {done.stderr.strip()}")
    blocks = done.stdout.strip("\n").split("\n\n")
    return {
        unit: dict(line.split("=", 1) for line in block.splitlines()) for unit, block in zip(units, blocks, strict=True)
    }


def matches(path: str, patterns: list[str]) -> bool:
    """Tell whether a path matches one of the patterns."""
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def runs_what_was_replaced(pid: str) -> bool:
    """Tell whether a process runs a program that was replaced: services are held back while packages change."""
    try:
        return os.readlink(f"/proc/{pid}/exe").endswith(" (deleted)")
    except OSError:  # no process, or it has just ended
        return False


def action(service: Service, state: dict[str, str], changed: dict[str, int]) -> Action | None:
    """Return what to do with a unit, None if it is up to date."""
    if service.optional and state["ActiveState"] not in RUNNING:
        return None
    if state["LoadState"] != "loaded":
        return Action("start", f"is {state['LoadState']}")
    if state["ActiveState"] not in RUNNING:
        return Action("restart", f"was not running ({state['ActiveState']})")
    if service.probe and run(*service.probe).returncode:
        return Action("restart", f"was without effect ({' '.join(service.probe)} failed)")
    started = int(state["InactiveExitTimestampMonotonic"] or 0)
    # A reload passes through other states, and a refused one does too.
    loaded = int(state["StateChangeTimestampMonotonic"] or 0)
    if state.get("ReloadResult", "success") != "success":
        loaded = started
    newer = sorted(
        path
        for path, at in changed.items()
        if matches(path, service.reads) and at > (loaded if matches(path, service.reload_for) else started)
    )
    if newer:
        enough = all(matches(path, service.reload_for) for path in newer)
        return Action("reload" if enough else "restart", f"was older than {', '.join(newer)}")
    if runs_what_was_replaced(state.get("MainPID", "0")):
        return Action("restart", "was older than its program")
    if state["UnitFileState"] not in ENABLED and not service.optional:
        return Action("enable", "was not enabled")
    return None


def systemctl(verb: str, units: list[str]) -> None:
    """Apply *verb* to all units at once; raises ServiceError with the journal of those that failed."""
    if not units:
        return
    done = run("systemctl", verb, *units)
    if not done.returncode:
        return
    lines = [f"systemctl {verb} {' '.join(units)} failed: {done.stderr.strip()}"]
    for unit in (unit for unit in units if unit in done.stderr or unit.partition(".")[0] in done.stderr):
        journal = run("journalctl", "--no-pager", "--output=cat", f"--lines={JOURNAL_LINES}", f"--unit={unit}")
        lines += [f"The journal of {unit} ends:", journal.stdout.strip()]
    raise ServiceError("\n".join(lines))


def apply(services: list[Service], actions: dict[str, Action], found: dict[str, dict[str, str]]) -> None:
    """Check everything, then enable, restart and reload."""
    concerned = [service for service in services if service.unit in actions]
    wrong, refused = [], []  # all of it is told at once
    for service in concerned:
        if actions[service.unit].verb == "start":
            wrong.append(
                f"{service.unit} {actions[service.unit].reason}: run site.yml without --tags if a package is missing, "
                f"systemctl unmask {service.unit} if it is masked"
            )
        elif service.check and found[service.unit]["ActiveState"] in RUNNING:
            done = run(*service.check)
            if done.returncode:
                words = (done.stderr or done.stdout).strip()
                refused.append(f"{service.unit} stays as it was, its new configuration is refused: {words}")
    if refused:
        raise RefusedError("\n".join([*refused, *wrong]))
    if wrong:
        raise ServiceError("\n".join(wrong))
    disabled = [one.unit for one in concerned if found[one.unit]["UnitFileState"] not in ENABLED and not one.optional]
    systemctl("enable", disabled)
    # One that fails does not keep the others from what they need.
    for verb in ("restart", "reload"):
        try:
            systemctl(verb, [one.unit for one in concerned if actions[one.unit].verb == verb])
        except ServiceError as error:
            wrong.append(str(error))
    for service in concerned:
        if service.then:
            done = run(*service.then)
            if done.returncode:
                wrong.append(f"{' '.join(service.then)} failed: {(done.stderr or done.stdout).strip()}")
    if wrong:
        raise ServiceError("\n".join(wrong))


def check_listeners() -> None:
    """Raise ServiceError if a port does not serve what it should."""
    shut = list(listeners.wrong(listeners.known()))
    if shut:
        raise ServiceError("\n".join([*shut, listeners.ADVICE]))


def main() -> None:
    """Run the module."""
    os.umask(0o022)  # for what the commands of the roles make; root's own may shut out the services
    options = {
        "unit": {"type": "str", "required": True},
        "optional": {"type": "bool", "default": False},
        **{name: {"type": "list", "elements": "str", "default": []} for name in LISTS},
    }
    module = AnsibleModule(
        argument_spec={"services": {"type": "list", "elements": "dict", "required": True, "options": options}},
        supports_check_mode=True,
    )
    services = [Service(**entry) for entry in module.params["services"]]
    try:
        changed = changes()
        found = states([service.unit for service in services])
        actions = {
            service.unit: todo
            for service in services
            if (todo := action(service, found[service.unit], changed)) is not None
        }
        if not module.check_mode:
            apply(services, actions, found)
            tree_files.accept()
            check_listeners()
    except RefusedError as error:
        tree_files.refuse()
        module.fail_json(msg=f"{error}\nAll files of the roles are as they were before.")
    except ServiceError as error:
        module.fail_json(msg=str(error))
    done = {unit: f"{todo.verb}: {todo.reason}" for unit, todo in actions.items()}
    module.exit_json(changed=bool(actions), actions=done)


if __name__ == "__main__":
    main()
