# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service could do if somebody took it over: judged by systemd, and tried from within."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from testinfra.host import Host

from tests.kit.footprint import footprint

# In tenths, as systemd-analyze wants it.
EXPOSURE = 25
# Debian's, which the roles confine, and some of our own, which are all found on the host.
CONFINED = footprint("confined")
RUNNING = sorted(footprint("services"))
# May see other processes: it looks with which addresses the relay runs.
WATCHING = {"xmpp-relay.service"}
# Let the operator's own hooks and plugins find their credentials, where certificates are ordered.
RENEWING = {"certbot.service", "xmpp-certificates.service"}
# Erlang compiles as it runs.
COMPILING = {"ejabberd.service", "xmpp-alerts.service", "xmpp-checkpoint.service", "xmpp-expire.service"}

# File to the one service that can read it, if any.
SECRETS: dict[str, str] = footprint("secrets")
# Of the kernel, or the service's own and gone with it.
APART = ("/dev", "/proc", "/sys", "/tmp", "/var/tmp")
PROBE = "sandbox-probe-"  # and the name of the service
SCRIPT, ANSWER = "/run/sandbox-probe.py", "/run/sandbox-probe.json"

# Runs in the place of a service's program, and prints what it could do.
TRIAL = f"""
import json, mmap, os, resource

def can(do):
    try:
        return bool(do())
    except OSError:
        return False

def read(path):
    with open(path, "rb") as stream:
        return stream.read(1)

def writable(path):
    return os.access(path, os.X_OK) and not os.statvfs(path).f_flag & os.ST_RDONLY

with open("/proc/self/mountinfo") as stream:
    mounts = [line.split()[4] for line in stream]
print(json.dumps({{
    "places": [path for path in mounts if not path.startswith({APART!r}) and can(lambda: writable(path))],
    "secrets": [path for path in {tuple(SECRETS)!r} if can(lambda: read(path))],
    "homes": [path for path in ("/home", "/root") if can(lambda: os.listdir(path))],
    "processes": can(lambda: os.path.exists("/proc/1")),
    "namespace": can(lambda: os.unshare(os.CLONE_NEWUSER) is None),
    "priority": can(lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)) is None),
    "code": can(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
}}))
"""
# Put behind the service's own unit and drop-ins.
INSTEAD = f"""
[Service]
Type=oneshot
Restart=no
RemainAfterExit=no
PIDFile=
TimeoutStartSec=30
ExecCondition=
ExecStartPre=
ExecStart=
ExecStart=/usr/bin/python3 -I {SCRIPT}
ExecStartPost=
ExecReload=
ExecStop=
ExecStopPost=
StandardInput=null
StandardOutput=truncate:{ANSWER}
StandardError=journal
"""


def show(host: Host, unit: str, name: str) -> str:
    return str(host.check_output(f"systemctl show --property={name} --value {unit}"))


def units(host: Host) -> list[str]:
    """Every service that we bring or confine, as far as it is on this host."""
    listed = host.check_output("systemctl list-unit-files --type=service --no-legend --plain")
    names = [line.split()[0] for line in listed.splitlines()]
    found = [name for name in names if name.startswith("xmpp-") or name in CONFINED]
    assert {*RUNNING, "epmd.service", "xmpp-expire.service"} <= set(found)
    return found


@pytest.fixture(scope="module")
def trials(host: Host) -> dict[str, dict[str, Any]]:
    """What a program could do in the place of each service's own."""
    write = 'umask 022; printf %s "$1" > "$2"'
    host.check_output(shlex.join(["sh", "-c", write, "sh", TRIAL, SCRIPT]))
    found = {}
    try:
        for unit in units(host):
            confined = host.check_output(f"systemctl cat --no-pager {unit}") + INSTEAD
            host.check_output(shlex.join(["sh", "-c", write, "sh", confined, f"/run/systemd/system/{PROBE}{unit}"]))
        host.check_output("systemctl daemon-reload")
        for unit in units(host):
            probe = f"{PROBE}{unit}"
            done = host.run(f"systemctl start {probe} && cat {ANSWER}")
            assert done.rc == 0, f"{unit}: {host.check_output(f'journalctl --no-pager --lines=20 --unit={probe}')}"
            found[unit] = json.loads(done.stdout)
    finally:
        # What has failed is reset first: systemd knows nothing of a unit that is gone.
        host.run(f"systemctl reset-failed '{PROBE}*'")
        host.check_output(f"rm -f /run/systemd/system/{PROBE}* {SCRIPT} {ANSWER} && systemctl daemon-reload")
    return found


def test_exposure_is_low(host: Host) -> None:
    """A new service is confined by the prefix of its name; whatever opens it too far is found here."""
    for unit in units(host):
        judged = host.run(f"systemd-analyze security --no-pager --threshold={EXPOSURE} {unit}")
        assert judged.rc == 0, judged.stdout


def test_file_system_is_read_only_but_for_its_own_places(host: Host, trials: dict[str, dict[str, Any]]) -> None:
    for unit, could in trials.items():
        own = {path.removeprefix("-") for path in show(host, unit, "ReadWritePaths").split()}
        assert set(could["places"]) <= own, unit


def test_homes_are_hidden(trials: dict[str, dict[str, Any]]) -> None:
    assert {unit for unit, could in trials.items() if could["homes"]} <= RENEWING


def test_secrets_are_open_to_their_service_only(trials: dict[str, dict[str, Any]]) -> None:
    for unit in RUNNING:
        assert {path for path in trials[unit]["secrets"] if SECRETS[path] != unit} == set(), unit


def test_a_service_reads_its_own_secrets(trials: dict[str, dict[str, Any]]) -> None:
    """The trial tells what is so: it finds what is open."""
    for path, unit in SECRETS.items():
        assert not unit or path in trials[unit]["secrets"]


def test_no_service_sees_what_else_runs(trials: dict[str, dict[str, Any]]) -> None:
    assert {unit for unit, could in trials.items() if could["processes"]} <= WATCHING


def test_system_calls_are_refused(trials: dict[str, dict[str, Any]]) -> None:
    for unit, could in trials.items():
        assert not could["namespace"], unit
        assert not could["priority"], unit
        assert could["code"] == (unit in COMPILING), unit


def test_no_service_leaves_its_memory_on_a_disk(host: Host, trials: dict[str, dict[str, Any]]) -> None:
    for unit, could in trials.items():
        assert could["core"] == [0, 0], unit
        assert show(host, unit, "MemorySwapMax") == "0", unit


@pytest.mark.parametrize("unit", [*RUNNING, "epmd.service"])
def test_what_runs_is_confined(host: Host, unit: str) -> None:
    """Not only what would be started."""
    status = host.check_output(f"cat /proc/{show(host, unit, 'MainPID')}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"
    root = fields["Uid"].startswith("0\t")
    assert root == (unit == "nginx.service")
    # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID, CAP_NET_BIND_SERVICE
    assert int(fields["CapBnd"], 16) == (0x4C3 if root else 0)


def test_who_speaks_http_is_not_root(host: Host) -> None:
    workers = host.check_output(f"pgrep --parent {show(host, 'nginx.service', 'MainPID')}").split()
    assert workers
    for worker in workers:
        status = host.check_output(f"cat /proc/{worker}/status")
        assert "CapEff:\t0000000000000000" in status
        assert "Uid:\t0\t" not in status


def test_what_timers_start_works_under_it(host: Host) -> None:
    timers = [unit.removesuffix(".service") for unit in units(host)]
    for name in (name for name in timers if host.service(f"{name}.timer").exists):
        done = host.run(f"systemctl start {name}.service")
        assert (done.rc, show(host, f"{name}.service", "Result")) == (0, "success"), done.stderr
