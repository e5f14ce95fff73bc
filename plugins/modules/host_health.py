#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look after a host that runs the service, in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_health
short_description: What on a host keeps the service from running, or soon will
description:
  - Looks at services, timers, disks, memory, clock, what was not deleted because of it, security updates, our modules
    in ejabberd, its database, a restart that waits, the journal and the firewall.
  - Changes nothing, and asks nobody outside of the host.
options:
  services:
    description: Units that must run.
    type: list
    elements: str
    required: true
  timers:
    description: Timers of Debian's that the service relies on, beside those that are called xmpp-*.
    type: list
    elements: str
    default: []
  firewall:
    description: Whether the service's own firewall rules must be there.
    type: bool
    required: true
  metrics:
    description: Where the counters are read, as ADDRESS:PORT, an IPv6 address in brackets; empty without counters.
    type: str
    default: ""
  ports:
    description: Ports of the service, as M(host_facts) takes them.
    type: list
    elements: dict
    default: []
    suboptions:
      protocol: {description: Of IP., type: str, choices: [tcp, udp], default: tcp}
      first: {description: The port., type: int, required: true}
      last: {description: The last one of several., type: int}
      unit: {description: What listens there., type: str, required: true}
      address: {description: Where., type: str, default: "*"}
      inner: {description: Whether nobody outside of the host is to reach it., type: bool, default: false}
      setting: {description: What the operator can do instead., type: str, default: ""}
  addresses:
    description: Addresses of the host.
    type: list
    elements: str
    default: []
  contacts:
    description: Addresses of accounts here that people are told to write to.
    type: list
    elements: str
    default: []
  now:
    description: The time on the controller, in seconds since 1970.
    type: float
    required: true
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Look after the host
  host_health:
    services: [ejabberd.service, nginx.service]
    timers: [apt-daily.timer]
    firewall: true
    now: "{{ now().timestamp() }}"
"""

RETURN = r"""
rows:
  description: Each with C(subject), C(status) (pass, warn, fail), C(found) and C(mend).
  type: list
  elements: dict
  returned: always
shut:
  description: >-
    Ports that another firewall of the host keeps shut for people, with C(owner), C(protocol) and C(port).
  type: list
  elements: dict
  returned: always
authority:
  description: The certificate of the host's own authority, or empty.
  type: str
  returned: always
"""

import importlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program, firewalls, neighbours
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET, Api, ApiError, user_of
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row

PLACES = ("/", "/var", "/var/lib/ejabberd", "/srv/xmpp", "/boot")
AUTHORITY = Path("/etc/xmpp/certificates/ca.crt")
LISTS = Path("/var/lib/apt/lists")
MODULES = Path("/usr/local/lib/xmpp/modules")
CLOCK = "/usr/local/lib/xmpp/clock.py"
SEEN = Path("/var/lib/xmpp/clock.json")
SECONDS = 20
SHOWN = 4  # names in a row
OFTEN = 3  # starts that systemd made by itself, after which a service that runs only since a moment is no good
MOMENT = 600  # seconds
DAY = 86400
LONG = 6 * 3600  # seconds; only a first backup over a slow line takes more
LATELY = 300  # seconds; what the database refused before may be mended since


def output(*command: str) -> str:
    """Return what a program prints; nothing if it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def listed(names: list[str]) -> str:
    """Return some names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def units(names: list[str], *properties: str) -> dict[str, dict[str, str]]:
    """Return properties of units, by name, in one call of systemctl."""
    asked = ",".join(("Id", *properties))
    text = output("systemctl", "show", f"--property={asked}", *names) if names else ""
    stanzas = [dict(line.split("=", 1) for line in stanza.splitlines() if "=" in line) for stanza in text.split("\n\n")]
    return {stanza["Id"]: stanza for stanza in stanzas if "Id" in stanza}


def looping(states: dict[str, dict[str, str]], uptime: float) -> list[str]:
    """Return the services that end and are started again: those that wait for it, and those that have just been."""
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
    """Judge what must run, whether something else has failed, and whether something ends again and again."""
    if restarting:
        ours = [name for name in restarting if name in wanted or name.startswith("xmpp-")]
        first = (ours or restarting)[0]
        found = f"end and are started again and again: {listed(restarting)}"
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
        "services", PASS, f"{listed([name.removesuffix('.service') for name in wanted])} run, nothing has failed"
    )


def judge_counters(address: str, fetched: str | OSError) -> Row:
    """Judge what is read where Prometheus reads the counters."""
    if isinstance(fetched, OSError):
        reason = getattr(fetched, "reason", fetched)
        found = f"nothing is read at {address} (xmpp_metrics): {getattr(reason, 'strerror', None) or reason}"
        mend = "See whether the host has this address (ip address), then run site.yml --tags metrics."
        return row("counters", FAIL, found, mend)
    if not re.search(r"^xmpp_up ", fetched, re.MULTILINE):
        mend = "systemctl start xmpp-metrics.service; systemctl status xmpp-metrics.service"
        return row("counters", FAIL, f"those at {address} say nothing of the service", mend)
    return row("counters", PASS, f"are read at {address}")


def counters(address: str) -> Row:
    """Fetch the counters once, as Prometheus does."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/metrics", timeout=SECONDS / 4) as answer:
            return judge_counters(address, answer.read().decode("utf-8", "replace"))
    except OSError as error:
        return judge_counters(address, error)


def judge_timers(timers: dict[str, dict[str, str]], results: dict[str, dict[str, str]], uptime: float) -> list[Row]:
    """Judge whether what is to be done now and then is done: stopped timers, runs that ended badly or do not end."""
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
            "See why: systemctl status {0}; once that is mended: systemctl start {0}",
        ),
        (
            WARN,
            f"running for more than {LONG // 3600} hours",
            slow,
            "See what it waits for: systemctl status {0}; then: systemctl restart {0}",
        ),
    ]
    rows = [
        row("timers", status, f"{found}: {listed(names)}", mend.format(" ".join(names)))
        for status, found, names, mend in faults
        if names
    ]
    return rows or [row("timers", PASS, f"{len(timers)} wait for their time, no last run failed")]


def judge_disk(place: str, total: int, free: int, inodes: int, free_inodes: int) -> Row | None:
    """Judge a file system (bytes, and files there can be); nothing is said about one with room."""
    part, unit = (free / total if total else 1.0), "room"
    if inodes and free_inodes / inodes < part:
        part, unit = free_inodes / inodes, "places for files"
    if part >= 0.15:
        return None
    found = f"{place} has {part:.0%} of its {unit} left ({free / 2**30:.1f} GiB)"
    mend = (
        f"Find what takes the place (du -xhd2 {place} | sort -h), or let less be kept: xmpp_archive_days, "
        "xmpp_archive_quota_mib, xmpp_upload_days, xmpp_upload_quota_mib, xmpp_upload_total_mib."
    )
    return row("disk", FAIL if part < 0.05 else WARN, found, mend)


def judge_memory(meminfo: str) -> Row:
    """Judge /proc/meminfo."""
    found = {key: int(value) * 1024 for key, value in re.findall(r"^(\w+):\s+(\d+) kB", meminfo, re.MULTILINE)}
    total, free = found["MemTotal"], found["MemAvailable"]
    words = f"{free / 2**20:.0f} of {total / 2**20:.0f} MiB are free"
    if free / total < 0.1:
        mend = "See what takes it (ps --sort=-rss -eo rss,comm | head), or give the host more."
        return row("memory", FAIL if free / total < 0.04 else WARN, words, mend)
    return row("memory", PASS, words)


def judge_clock(difference: float, *, synchronized: bool, contained: bool) -> Row:
    """Judge the time: how many seconds it differs from the controller's, and whether somebody sets it."""
    if abs(difference) > 30:
        words = f"{abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'} this machine's"
        mend = "See timedatectl on both: passwords for calls and certificates go by the time."
        return row("clock", FAIL, words, mend)
    if contained:
        return row("clock", PASS, "right, and set by the machine that the container runs on")
    if not synchronized:
        return row(
            "clock", WARN, "right, but set by nobody", "timedatectl set-ntp true, or see why it does not reach a server"
        )
    return row("clock", PASS, "right, and set by a time server")


def judge_retention(text: str) -> Row:
    """Judge what the programs that delete have written down: why they did not, because the clock may be wrong."""
    try:
        kept: dict[str, str] = json.loads(text)["kept"]
    except (ValueError, KeyError):  # nothing was to be deleted yet
        kept = {}
    if not kept:
        return row("retention", PASS, "what is too old is deleted")
    what = ", ".join(sorted(kept))
    mend = (
        "See timedatectl. It goes on by itself once the clock has gone right for two days; if it is right, at once: "
        f"{CLOCK} trust"
    )
    return row("retention", FAIL, f"{what} that are too old stay: {'; '.join(sorted(set(kept.values())))}", mend)


def judge_updates(waiting: list[str] | None, age: float) -> Row:
    """Judge security updates that are known and not installed, and how old (seconds) the knowledge is."""
    if waiting is None:
        return row(
            "security updates", WARN, "not checked: python3-apt is missing", "apt-get install unattended-upgrades"
        )
    if waiting:
        mend = "They come by themselves within a day; now: unattended-upgrade"
        return row("security updates", WARN, f"{len(waiting)} wait: {listed(waiting)}", mend)
    if age > 3 * DAY:
        mend = "See why: apt-get update; systemctl status apt-daily.timer"
        return row("security updates", WARN, f"not looked for in {age / DAY:.0f} days", mend)
    return row("security updates", PASS, "none waits")


def security_updates() -> list[str] | None:
    """Return the installed packages of which Debian's security archive has newer versions that would be installed."""
    try:
        apt_pkg = importlib.import_module("apt_pkg")  # Debian's, there with unattended-upgrades
    except ImportError:
        return None
    apt_pkg.init()
    cache = apt_pkg.Cache(None)
    policy = apt_pkg.DepCache(cache)
    found = []
    for package in cache.packages:
        if package.current_ver and policy.is_upgradable(package):
            candidate = policy.get_candidate_ver(package)
            if candidate and any(
                "security" in file.archive or "Security" in file.label for file, _ in candidate.file_list
            ):
                found.append(package.name)
    return sorted(set(found))


def lists_age(now: float) -> float:
    """Return how old the newest of apt's lists is, in seconds."""
    stamps = [Path("/var/lib/apt/periodic/update-success-stamp"), LISTS / "partial", LISTS]
    return now - max((path.stat().st_mtime for path in stamps if path.exists()), default=0.0)


def disks() -> list[Row]:
    """Judge each file system that the service writes to, once."""
    rows, seen, least = [], set(), 1.0
    for place in PLACES:
        if not Path(place).is_dir() or (device := os.stat(place).st_dev) in seen:
            continue
        seen.add(device)
        room = os.statvfs(place)
        least = min(least, room.f_bavail / room.f_blocks if room.f_blocks else 1.0)
        judged = judge_disk(
            place, room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize, room.f_files, room.f_favail
        )
        rows += [judged] if judged else []
    return rows or [row("disk", PASS, f"{least:.0%} free at least")]


def judge_modules(domains: set[str], wanted: set[str], asked: set[str]) -> Row:
    """Judge whether ejabberd asks our modules: "hook module" by the sources, and "domain hook module" in force."""
    missing = sorted({f"{domain} {one}" for domain in domains for one in wanted} - asked)
    if missing:
        modules = sorted({one.split()[-1] for one in missing})
        mend = "systemctl restart ejabberd; journalctl -u ejabberd. After an update of ejabberd: a newer Conexizan."
        return row("own modules", FAIL, f"without effect: {listed(modules)}", mend)
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
        mend = "Find what takes the place: du -xhd2 /var | sort -h. Once there is room, all goes on by itself."
    else:
        mend = "See whether /var/lib/ejabberd can be written, and journalctl -k. Damaged: playbooks/restore.yml"
    if not writes:
        return [row("database", FAIL, f"refuses to write: {reason}; messages come back to their senders", mend)]
    found = f"writes now, but refused to {since // 60 + 1} min ago: {reason}"
    return [row("database", FAIL if since < LATELY else WARN, found, mend)]


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
        lines = ejabberd_program.run("hooks", seconds=SECONDS).splitlines()
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        found = f"not checked: {str(error).partition(chr(10))[0]}"
        return [row("own modules", WARN, found, later)]
    domains = {line.split()[1] for line in lines if line.startswith("domain ")}
    return [judge_modules(domains, wanted, set(lines)), *judge_database(lines)]


def judge_neighbours(held: list[str], shut: list[firewalls.Shut], *, firewall: bool) -> list[Row]:
    """Judge who else has ports of the service, and whose firewall lets nobody in to them."""
    rows = []
    for words in held:
        found, _, mend = words.partition(" would not start. ")
        rows.append(row("ports", FAIL, f"{found} cannot start", mend))
    for one in shut:
        words = neighbours.shut_words(one, firewall=firewall)
        found, _, mend = words.partition(". ")
        rows.append(row("other firewall", FAIL, found, mend))
    return rows


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
    mend = f"Make it (playbooks/user.yml -e create={missing[0]}), or name another in xmpp_contact_addresses."
    return [row("contact", FAIL, f"nobody is at {listed(missing)}, where people are told to write", mend)]


def look(
    services: list[str], others: list[str], *, firewall: bool, metrics: str, contacts: list[str], now: float
) -> list[Row]:
    """Return the rows."""
    here = time.time()
    # ejabberd's answer and apt's lists take a second each on a small host: both at once.
    asked = ThreadPoolExecutor(1).submit(own_parts)
    ours = sorted(path.name for path in Path("/etc/systemd/system").glob("xmpp-*.timer"))
    timers = units([*ours, *others], "ActiveState", "Unit")
    started = [state["Unit"] for state in timers.values() if state.get("Unit")]
    results = units(started, "Result", "ActiveState", "InactiveExitTimestampMonotonic")
    listing = output("systemctl", "list-units", "--state=failed", "--plain", "--no-legend")
    # What a timer starts is named in the row of timers.
    failed = [line.split()[0] for line in listing.splitlines() if line.strip() and line.split()[0] not in results]
    uptime = time.clock_gettime(time.CLOCK_MONOTONIC)
    # Also a pattern gives what is loaded, whatever its state.
    states = units(["*.service", *services], "ActiveState", "SubState", "NRestarts", "ActiveEnterTimestampMonotonic")
    rows = [
        judge_services(services, states, failed, looping(states, uptime)),
        *judge_timers(timers, results, uptime),
        *disks(),
        judge_memory(Path("/proc/meminfo").read_text(encoding="ascii")),
        judge_clock(
            here - now,
            synchronized=output("timedatectl", "show", "--property=NTPSynchronized", "--value").strip() == "yes",
            contained=bool(output("systemd-detect-virt", "--container").strip() not in ("", "none")),
        ),
        judge_retention(SEEN.read_text(encoding="utf-8") if SEEN.exists() else ""),
        judge_updates(security_updates(), lists_age(here)),
        *asked.result(),
    ]
    if metrics:
        rows.append(counters(metrics))
    rows += contacts_row(contacts)
    if Path("/run/reboot-required").exists():
        rows.append(row("restart", WARN, "an update waits for one", "systemctl reboot, at a quiet hour"))
    if any(Path("/var/log/journal").glob("*/*.journal")):
        mend = "Run site.yml --tags traces, which keeps it in memory."
        rows.append(row("journal", WARN, "is written to the disk", mend))
    if firewall and "table inet xmpp\n" not in output("nft", "list", "tables"):
        rows.append(row("firewall", FAIL, "has no rules", "systemctl restart xmpp-firewall"))
    return rows


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "str", "required": True},
            "timers": {"type": "list", "elements": "str", "default": []},
            "firewall": {"type": "bool", "required": True},
            "metrics": {"type": "str", "default": ""},
            "ports": {"type": "list", "elements": "dict", "default": [], "options": neighbours.PORT},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "contacts": {"type": "list", "elements": "str", "default": []},
            "now": {"type": "float", "required": True},
        },
        supports_check_mode=True,
    )
    asked = module.params
    rows = look(
        asked["services"],
        asked["timers"],
        firewall=asked["firewall"],
        metrics=asked["metrics"],
        contacts=asked["contacts"],
        now=asked["now"],
    )
    ports = neighbours.whole(asked["ports"])
    shut = neighbours.shut_ports([port for port in ports if not port["inner"]], asked["addresses"]) if ports else []
    held = neighbours.held_ports(neighbours.sockets(), ports)
    rows += judge_neighbours(held, shut, firewall=asked["firewall"])
    closed = [{"owner": one.owner, "protocol": protocol, "port": port} for one in shut for protocol, port in one.ports]
    authority = AUTHORITY.read_text(encoding="ascii") if AUTHORITY.exists() else ""
    module.exit_json(changed=False, rows=rows, shut=closed, authority=authority)


if __name__ == "__main__":
    main()
