#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install Debian packages in one transaction, with services held back."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: packages
short_description: Install Debian packages in one transaction, with services held back
description:
  - Updates the package lists and installs everything with one C(apt-get) each. M(ansible.builtin.apt) needs
    python3-apt, which a bare host does not have; it installs that first, in a transaction of its own, and updates once
    more (docs/decisions/packages.md has the figures).
  - No service is started by its package (C(policy-rc.d)), so that none runs before it is configured.
  - Configuration files that the operator has changed stay.
  - Waits while somebody else installs packages, as long as that goes on, and says who it is and how far.
  - What came and what went is written down on the host, so that C(playbooks/remove.yml) can leave it as it was.
options:
  state:
    description: V(absent) removes the packages with their configuration.
    choices: [present, absent]
    default: present
    type: str
  name:
    description: Packages, each with the least version that will do after C(>=) if that matters.
    type: list
    elements: str
    required: true
  start:
    description: Let packages start their services, for those that come back as they were.
    type: bool
    default: false
  places:
    description:
      - Folders that go with a package, by its name; C(own) are those of the service itself. Only where C(state) is
        V(absent).
    type: dict
    default: {}
  made:
    description: What services make in these folders as they run (shell patterns).
    type: list
    elements: str
    default: []
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Install the XMPP server
  packages:
    name: [ejabberd>=26.07, erlang-p1-sqlite3]
"""

RETURN = r"""
packages:
  description: What was (in check mode, would be) installed, upgraded or removed, with versions.
  type: list
  elements: str
  returned: always
waits:
  description:
    - Who has a lock (C(lock), C(pid), C(holder)), what C(step) dpkg is at, and C(progress), another text as long as
      that goes on. The caller never sees it, it waits.
  type: dict
  returned: when somebody else is at work; nothing was done then
held:
  description: Whether it is the operator's own settings of apt that keep a version away.
  type: bool
  returned: failure
foreign:
  description:
    - What is in I(places), and was brought by no package, no role and no service. The name of a folder ends in a slash.
  type: list
  elements: str
  returned: where C(state) is V(absent)
"""

import contextlib
import fcntl
import fnmatch
import json
import os
import re
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.tree_files import make_parents

APT = Path("/etc/apt")
OUR_PINS = APT / "preferences.d/xmpp"
POLICY = Path("/usr/sbin/policy-rc.d")
HELD_BACK = "#!/bin/sh\n# Written while packages are installed by Ansible.\nexit 101\n"
RECORD = Path("/var/lib/xmpp/packages.json")
STATUS = Path("/var/lib/dpkg/status")
INFO = Path("/var/lib/dpkg/info")
LISTS_LOCK = Path("/var/lib/apt/lists/lock")
DPKG_LOCK = Path("/var/lib/dpkg/lock-frontend")
# Of a run that broke off on the controller, and goes on here: its end takes away what holds services back.
OUR_LOCK = Path("/run/xmpp-packages.lock")
# A call waits no longer: the action says who is waited for, and asks again as long as that goes on.
CALL_SECONDS = 20
DPKG_LOG = Path("/var/log/dpkg.log")
ARCHIVES = Path("/var/cache/apt/archives")
OPTIONS = [
    "--quiet",
    "--yes",
    "--no-install-recommends",
    "--option=DPkg::Lock::Timeout=300",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
]


class PackagesError(Exception):
    """What is wrong, in words for the operator."""


class WaitingError(PackagesError):
    """Somebody else has a lock."""

    def __init__(self, path: Path, pid: int) -> None:
        """Take the lock and who has it (0: nobody that is seen from here)."""
        super().__init__(f"{path} is held")
        self.report = {"lock": str(path), "pid": pid, "holder": who(pid), "step": step(), "progress": progress(pid)}


class HeldError(PackagesError):
    """What the operator has told apt keeps a version away; no archive is to blame."""


def run(*command: str) -> str:
    """Run *command* and return what it printed; raises PackagesError with the end of its words if it fails."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        words = [line for line in (done.stdout + done.stderr).splitlines() if re.match("E: |dpkg: |Err:", line)]
        raise PackagesError("\n".join([f"{' '.join(command[:2])} failed:", *(words or done.stderr.splitlines())[-15:]]))
    return done.stdout


@contextlib.contextmanager
def services_held_back() -> Iterator[None]:
    """Let no maintainer script start a service (invoke-rc.d(8)); an operator's own policy comes back afterwards."""
    kept = POLICY.with_suffix(".kept")
    if POLICY.exists() and POLICY.read_text(encoding="utf-8") != HELD_BACK:  # else ours, left by a run that was killed
        POLICY.rename(kept)
    POLICY.write_text(HELD_BACK, encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
        if kept.exists():
            kept.rename(POLICY)


def holder_of(file: IO[str]) -> int:
    """Return who has a lock on a file, 0 if it is not known (fcntl(2), F_GETLK)."""
    wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        return int(struct.unpack("hhqqi", fcntl.fcntl(file, fcntl.F_GETLK, wanted))[4])
    except (OSError, struct.error):
        return 0


def who(pid: int) -> str:
    """Return a process for people to read."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return "a program that cannot be seen from here"
    programs = [os.path.basename(word) for word in words if word and not word.startswith("-")]
    # Ansible gives Python a module by standard input, or as a file of its own.
    if (
        programs[:1]
        and programs[0].startswith("python")
        and (len(programs) < 2 or "ansible" in " ".join(words).lower())
    ):
        return "an earlier run of this playbook"
    return " ".join(programs[1:2] if programs[:1] and programs[0].startswith("python") else programs[:2]) or "a program"


def step() -> str:
    """Return what dpkg did last, and what is left of what it unpacked."""
    lines = DPKG_LOG.read_text(encoding="utf-8", errors="replace").splitlines() if DPKG_LOG.exists() else []
    states = r"^Status: \S+ \S+ (?:half-installed|unpacked|half-configured|triggers-\S+)$"
    left = len(re.findall(states, STATUS.read_text(encoding="utf-8"), re.MULTILINE))
    fetched = sum(path.stat().st_size for path in ARCHIVES.glob("**/*.deb")) >> 20
    words = [f"dpkg.log ends with {' '.join(lines[-1].split()[1:5])}"] if lines else []
    words += [f"to be configured: {left} packages"] if left else []
    words += [f"fetched: {fetched} MiB"] if fetched else []
    return ", ".join(words) or "nothing is installed yet"


def progress(pid: int) -> str:
    """Return what becomes another text as long as a process, or one that it started, goes on."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # has just ended
            continue
        parents[int(path.parent.name)] = int(fields[1])
        used[int(path.parent.name)] = sum(int(ticks) for ticks in fields[11:15])
    family = {pid}
    while more := {one for one, parent in parents.items() if parent in family} - family:
        family |= more
    # Of a process that cannot be seen, what it writes is all that is known.
    ticks = sum(used.get(one, 0) for one in family) if pid else 0
    sizes = [path.stat().st_size for path in (DPKG_LOG, STATUS) if path.exists()]
    return f"{pid} {ticks} {sizes} {step()}"


def lock(path: Path) -> IO[str]:
    """Return a file with a lock on it, which holds as long as the file is open; wait a little while somebody has it."""
    deadline = time.monotonic() + CALL_SECONDS
    make_parents(path)
    file = path.open("a", encoding="ascii")
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                raise WaitingError(path, holder_of(file)) from error
            time.sleep(1)  # between two looks: waiting for the lock itself could not be given a limit
        else:
            return file


def at_least(version: str, minimum: str) -> bool:
    """Tell whether a version will do."""
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", minimum], check=False).returncode == 0


def pins(name: str) -> list[str]:
    """Return the operator's pins that concern a package, each with its file (apt_preferences(5))."""
    found = []
    for path in [APT / "preferences", *sorted((APT / "preferences.d").glob("*"))]:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() and path != OUR_PINS else ""
        for stanza in re.split(r"\n\s*\n", text):
            fields = {
                key.lower(): " ".join(value.split())
                for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
            }
            patterns = [one.removeprefix("src:") for one in fields.get("package", "").split()]
            if any(
                re.search(one[1:-1], name) if one.startswith("/") else fnmatch.fnmatch(name, one) for one in patterns
            ):
                words = (f"Package: {fields['package']}", f"Pin: {fields.get('pin', '')}")
                found.append(f"{path} ({', '.join(words)}, Pin-Priority: {fields.get('pin-priority', '')})")
    return found


def held_back(name: str, minimum: str, policy: str) -> str:
    """Return why apt does not take a version that it knows and that would do, from apt-cache policy; else nothing."""
    table = re.findall(r"^ (?:\*\*\*|   ) (\S+) (-?\d+)$", policy, re.MULTILINE)
    good = [(version, priority) for version, priority in table if at_least(version, minimum)]
    if not good:
        return ""
    known = f"apt knows {good[0][0]} (priority {good[0][1]})"
    other = next(
        (
            f" and prefers {version} (priority {priority})"
            for version, priority in table
            if (version, priority) not in good
        ),
        "",
    )
    reasons = pins(name)
    release = re.search(
        r'^APT::Default-Release "(.+)";$', run("apt-config", "dump", "APT::Default-Release"), re.MULTILINE
    )
    if release:
        reasons.append(f'APT::Default-Release "{release[1]}" in /etc/apt/apt.conf or apt.conf.d')
    what = f"Take away what keeps it back: {'; '.join(reasons)}" if reasons else "See why: apt-cache policy " + name
    return f"{name} must be at least {minimum}. {known}{other}. {what}"


def refuse_old(wanted: dict[str, str]) -> None:
    """Raise PackagesError if apt offers less than the version that is needed."""
    for name, minimum in wanted.items():
        if not minimum:
            continue
        policy = run("apt-cache", "policy", name)
        match = re.search(r"Candidate: (\S+)", policy)
        candidate = match[1] if match else "(none)"
        if candidate != "(none)" and at_least(candidate, minimum):
            continue
        if reason := held_back(name, minimum, policy):
            raise HeldError(reason)
        raise PackagesError(f"{name} must be at least {minimum}, the newest that apt offers is {candidate}")


def refuse_holds(wanted: dict[str, str]) -> None:
    """Raise HeldError if the operator has put a package on hold that is too old."""
    for name, version in re.findall(
        r"^Package: (\S+)\nStatus: hold ok installed$(?:\n(?!Version).+)*\nVersion: (\S+)$",
        STATUS.read_text(encoding="utf-8"),
        re.MULTILINE,
    ):
        if wanted.get(name) and not at_least(version, wanted[name]):
            raise HeldError(
                f"{name} must be at least {wanted[name]}, {version} is installed and on hold. "
                f"Let it go: apt-mark unhold {name}"
            )


def installed() -> set[str]:
    """Return the names of all installed packages, from dpkg's database."""
    pattern = r"^Package: (\S+)\nStatus: \S+ ok installed$"
    return set(re.findall(pattern, STATUS.read_text(encoding="utf-8"), re.MULTILINE))


def brought() -> set[str]:
    """Return what packages and roles have installed, and the folders that it is in."""
    files = {line for path in INFO.glob("*.list") for line in path.read_text(encoding="utf-8").splitlines()}
    for path in tree_files.MANIFESTS.glob("*.json"):
        ours = (tree_files.read_json(path) or {"files": {}})["files"]
        files |= {*ours, *(str(parent) for file in ours for parent in Path(file).parents)}
    return files


def foreign(folders: list[str], made: list[str]) -> list[str]:
    """Return what is in folders, and neither brought nor *made* (patterns); of such a folder, its name alone."""
    known = brought()

    def found(folder: Path) -> Iterator[str]:
        for path in sorted(folder.iterdir()):
            name = str(path)
            if any(fnmatch.fnmatch(name, pattern) for pattern in made):
                continue
            if path.is_dir() and not path.is_symlink():
                if name in known or not any(path.iterdir()) or any(one.startswith(f"{name}/") for one in made):
                    yield from found(path)
                else:
                    yield f"{name}/"
            # Packages make links to what they have brought.
            elif name not in known and not (path.is_symlink() and os.path.realpath(path) in known):
                yield name

    return [name for folder in folders if os.path.isdir(folder) for name in found(Path(folder))]


def write_down(before: set[str], after: set[str]) -> None:
    """Add to the record what came (C(added)), what went (C(gone)), and what came and went again (C(been))."""
    record: dict[str, list[str]] = {"added": [], "gone": [], "been": []}
    if RECORD.exists():
        record |= json.loads(RECORD.read_text(encoding="utf-8"))
    came, went = after - before, before - after
    added, gone, been = (set(record[key]) for key in ("added", "gone", "been"))
    record = {
        "added": sorted((added | came - gone) - went),
        "gone": sorted((gone | went - added) - came),
        "been": sorted((been | went & added) - came),
    }
    make_parents(RECORD)
    RECORD.write_text(json.dumps(record, indent=1), encoding="utf-8")
    RECORD.chmod(0o644)


def main() -> None:
    """Run the module."""
    os.umask(0o022)  # for what packages make; root's own may shut out the services
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "start": {"type": "bool", "default": False},
            "places": {"type": "dict", "default": {}},
            "made": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    present = module.params["state"] == "present"
    verb = "install" if present else "purge"
    wanted = {name: minimum for name, _, minimum in (entry.partition(">=") for entry in module.params["name"])}
    places = [
        place for name, ones in module.params["places"].items() if name in wanted or name == "own" for place in ones
    ]
    others = [] if present else foreign(places, module.params["made"])
    if not wanted:
        module.exit_json(changed=False, packages=[], foreign=others)
    try:
        ours = None if module.check_mode else lock(OUR_LOCK)  # until the end
        if present:
            if ours:
                lock(LISTS_LOCK).close()  # DPkg::Lock::Timeout does not cover that lock
                lock(DPKG_LOCK).close()  # who has it has most of a run before them: no need to update meanwhile
                run("apt-get", "update", *OPTIONS)
            refuse_old(wanted)
            refuse_holds(wanted)
        if module.check_mode:
            plan = run("apt-get", verb, "--simulate", *OPTIONS, *wanted)
            pattern = r"^Inst (\S+) .*?\((\S+)" if present else r"^Purg (\S+) \[(\S+)\]"
        else:
            # Nor dpkg itself; and an unattended upgrade that is under way has its own services to start.
            lock(DPKG_LOCK).close()
            # A package that goes stops its service itself.
            with services_held_back() if present and not module.params["start"] else contextlib.nullcontext():
                # Finish what a power cut interrupted, if anything; apt refuses to go on otherwise.
                run("dpkg", "--force-confdef", "--force-confold", "--configure", "-a")
                before = installed()
                try:
                    plan = run("apt-get", verb, *OPTIONS, *wanted)
                finally:
                    write_down(before, installed())
            pattern = r"^Setting up (\S+?)(?::\S+)? \((\S+)\)" if present else r"^Removing (\S+?)(?::\S+)? \((\S+)\)"
    except WaitingError as error:  # before its kind
        module.exit_json(changed=False, packages=[], waits=error.report)
    except PackagesError as error:
        module.fail_json(msg=str(error), held=isinstance(error, HeldError))
    packages = sorted(f"{name} {version}" for name, version in re.findall(pattern, plan, re.MULTILINE))
    module.exit_json(changed=bool(packages), packages=packages, **({} if present else {"foreign": others}))


if __name__ == "__main__":
    main()
