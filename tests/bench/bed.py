# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a benchmark, and the programs that it runs."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = CHECKOUT / ".cache" / "bench"
TOOLS = CHECKOUT / ".venv" / "bin"
DOMAIN = "bench.test"
PASSWORD = "bench-load-0815"  # of accounts that live as long as the bench's containers
SITE = "bench-site"


class BenchError(Exception):
    """Something the person at the keyboard can act upon."""


def say(message: str) -> None:
    sys.stderr.write(f"bench: {message}\n")  # in one piece, for others may speak at the same time


def run(command: list[str], *, what: str, stdin: str | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command and return its standard output; what it was for goes into the error message."""
    done = subprocess.run(
        command,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
        cwd=CHECKOUT,
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise BenchError(f"{what} failed (exit {done.returncode}): {shlex.join(command)[:400]}\n{tail}")
    return done.stdout


def tool(name: str) -> str:
    path = TOOLS / name
    if not path.exists():
        raise BenchError(f"{path} is not there. Run script/setup, which makes the virtual environment.")
    return str(path)


def seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


class Host:
    """A container of the test bed."""

    def __init__(self, name: str, *, fresh: bool) -> None:
        self.name = name
        option = ["--fresh"] if fresh else []
        found = json.loads(run(["script/testbed", "up", *option, name], what=f"making the host {name}"))
        self.address: str = found["address"]
        self.ssh_config: str = found["ssh_config"]

    def shell(self, script: str) -> str:
        """Run a script as root inside, with the capabilities that reading other users' memory maps needs."""
        root = [] if os.geteuid() == 0 else ["sudo", "--"]
        command = [*root, "podman", "exec", "-i", "--privileged", f"conexizan-{self.name}", "bash", "-eu"]
        return run(command, stdin=script, what=f"a script on {self.name}")

    def ssh(self, command: str) -> str:
        return run(["ssh", "-F", self.ssh_config, f"conexizan-{self.name}", command], what=f"a command on {self.name}")

    def fetch(self, path: str) -> Path:
        """A copy of a text file of the host."""
        copy = RESULTS / self.name / Path(path).name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(self.shell(f"cat {shlex.quote(path)}"), encoding="utf-8")
        return copy


class Bed:
    """The hosts of this run, made when first needed and removed at its end."""

    def __init__(self, stack: ExitStack, *, keep: bool) -> None:
        self._stack = stack
        self._keep = keep
        self._hosts: dict[str, Host] = {}
        self._inventory = RESULTS / "inventory" / "hosts.yml"
        self._converged = self._small = False
        self._control = stack.enter_context(tempfile.TemporaryDirectory(prefix="cnx"))

    def fresh(self, name: str) -> Host:
        """A new host, also where there is one of that name."""
        return self._make(name, fresh=True)

    def _make(self, name: str, *, fresh: bool) -> Host:
        if name not in self._hosts and not self._keep:
            self._stack.callback(run, ["script/testbed", "down", name], what=f"removing the host {name}")
        say(f"{name}: making the host")
        self._hosts[name] = Host(name, fresh=fresh)
        if name == SITE:
            self._write_inventory(self._hosts[name])
            self._converged = False
            # A new host, so a new connection: ssh would otherwise try the one to its predecessor.
            self._control = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cnx"))
        return self._hosts[name]

    def host(self, name: str) -> Host:
        return self._hosts.get(name) or self._make(name, fresh=not self._keep)

    def remove(self, name: str) -> None:
        """Remove a host that later measurements must not share the machine with."""
        if not self._keep:
            del self._hosts[name]
            run(["script/testbed", "down", name], what=f"removing the host {name}")

    def site(self, *, small: bool = False, tags: str = "all") -> Host:
        """The host with the service on it, with the profile of a small host or without.

        Of one that is deployed already, only parts with these *tags* get another profile.
        """
        host = self.host(SITE)
        if not self._converged or small != self._small:
            say(f"{SITE}: site.yml{' as a small host' if small else ''}")
            self._small = small
            self._write_inventory(host)
            self.converge(*([f"--tags={tags}"] if self._converged else []))
        return host

    def converge(self, *arguments: str, **env: str) -> str:
        output = self.ansible("ansible-playbook", "site.yml", *arguments, **env)
        self._converged = True
        return output

    def setup(self, **env: str) -> str:
        return self.ansible("ansible", "all", "--module-name", "ansible.builtin.setup", **env)

    def ansible(self, program: str, *arguments: str, **env: str) -> str:
        settings = {"ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_SSH_CONTROL_PATH_DIR": self._control}
        command = [tool(program), "--inventory", str(self._inventory), *arguments]
        return run(command, env={**settings, "ANSIBLE_NOCOLOR": "1", **env}, what=program)

    def _write_inventory(self, host: Host) -> None:
        self._inventory.parent.mkdir(parents=True, exist_ok=True)
        settings = {
            "ansible_host": f"conexizan-{host.name}",
            "ansible_user": "root",
            "ansible_ssh_common_args": f'-F "{host.ssh_config}"',
            "xmpp_domain": DOMAIN,
            "xmpp_certificates": "selfsigned",
        }
        inventory: dict[str, Any] = {"all": {"hosts": {"site": settings}}}
        if self._small:
            inventory["all"]["children"] = {"raspberry_pi": {"hosts": {"site": None}}}
        self._inventory.write_text(json.dumps(inventory, indent=2) + "\n", encoding="utf-8")


def load(module: str, arguments: list[str]) -> Any:
    """Run a load generator in a process of its own."""
    command = [sys.executable, "-m", f"tests.load.{module}", *arguments]
    return json.loads(run(command, what=f"tests/load/{module}.py"))


@contextmanager
def staying(arguments: list[str]) -> Iterator[Callable[[], str]]:
    """Clients that are logged in meanwhile. What is given lets them go (those that stay), and is what they found."""
    command = [sys.executable, "-m", "tests.load.xmppload", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as people:

        def found() -> str:
            return people.communicate()[0]

        try:
            if not (people.stdout and people.stdout.readline()):
                raise BenchError("The clients have not all logged in; the reason stands above.")
            yield found
        finally:
            if people.poll() is None:
                people.terminate()
    if people.returncode:
        raise BenchError("The clients have not all stayed or come back; the reason stands above.")


def register_on_site(host: Host, accounts: int) -> None:
    """Accounts by the service's own API, on its socket."""
    host.shell(
        f"""python3 -B - <<'END'
import sys

sys.path.insert(0, "/usr/local/lib/xmpp")
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import Api

known = set(Api().call("registered_users", host="{DOMAIN}"))
for name in [f"load{{number}}" for number in range({accounts})]:
    if name not in known:
        Api().call("register", user=name, host="{DOMAIN}", password="{PASSWORD}")
END"""
    )
