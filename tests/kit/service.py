# SPDX-License-Identifier: GPL-3.0-or-later
"""The service under test: where it is, whom it certifies, and root's view of its host."""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import aiohttp.abc
from testinfra.host import Host

from . import playbook

PLAYBOOK_SECONDS = 240
# How long a test waits for what must happen, in seconds, on a machine that does other things as well.
PATIENCE = 60
DOMAIN = "site.test"
DATABASE = "/var/lib/ejabberd/xmpp.db"
UPLOADS = "/srv/xmpp/upload"

# Runs on the host as root: ejabberd's API on its local socket. Passwords are born there and come back on standard
# output, so that none is ever part of a command line. (The tests' own, since the host may be of an earlier release.)
_API = """
import http.client, json, secrets, socket, sys, urllib.parse

def call(name, arguments):
    connection = http.client.HTTPConnection(sys.argv[1])
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/ejabberd/api.sock")
    lists = any(isinstance(value, list) for value in arguments.values())
    if lists:
        connection.request("POST", "/api/" + name, json.dumps(arguments), {"Content-Type": "application/json"})
    else:
        connection.request("GET", "/api/" + name + "?" + urllib.parse.urlencode(arguments))
    answer = connection.getresponse()
    body = answer.read().decode()
    if answer.status != 200 and (body or not lists):
        sys.exit(f"{name} {arguments} answered {answer.status}: {body}")
    return json.loads(body) if body else None

results = []
for name, arguments in json.loads(sys.argv[2]):
    password = secrets.token_urlsafe(12)
    if name == "register":
        arguments["password"] = password
    result = call(name, arguments)
    results.append(password if name == "register" else result)
print(json.dumps(results))
"""


@dataclass(frozen=True)
class Account:
    """A name and its password."""

    name: str
    password: str
    domain: str = DOMAIN

    @property
    def jid(self) -> str:
        return f"{self.name}@{self.domain}"


# Gives fresh accounts: alice, bob = register(2)
Register = Callable[[int], list[Account]]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class _Resolver(aiohttp.abc.AbstractResolver):
    """Resolves every name to the host under test: the test domain is in no DNS."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=self._address,
                port=port,
                family=socket.AF_INET6 if ":" in self._address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        pass


@dataclass(frozen=True)
class Service:
    """One converged host, as seen from outside (addresses, CA) and as root (host)."""

    host: Host
    address: str
    address6: str | None
    ca: str
    domain: str = DOMAIN

    @classmethod
    def of(cls, host: Host, domain: str = DOMAIN, ca: str | None = None) -> Service:
        """The service of this host; without *ca*, its own authority is the one trusted."""
        links = json.loads(host.check_output("ip -json address show up scope global"))
        found: dict[str, str] = {}
        for entry in (entry for link in links for entry in link.get("addr_info", []) if entry):
            found.setdefault(entry["family"], entry["local"])
        ca = ca or host.check_output("cat /etc/xmpp/certificates/ca.crt")
        return cls(host=host, address=found["inet"], address6=found.get("inet6"), ca=ca, domain=domain)

    def name(self, label: str) -> str:
        """A component's name, for example ``muc.site.test``."""
        return f"{label}.{self.domain}"

    def tls(self, *alpn: str) -> ssl.SSLContext:
        """A client's TLS settings: the service's CA is the only one trusted, names are checked."""
        context = ssl.create_default_context(cadata=self.ca)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def connect_tls(self, name: str, port: int = 443) -> ssl.SSLSocket:
        """A verified TLS connection, for requests that a polite HTTP client would not send."""
        plain = socket.create_connection((self.address, port), timeout=PATIENCE)
        return self.tls().wrap_socket(plain, server_hostname=name)

    @contextlib.asynccontextmanager
    async def web(self) -> AsyncIterator[aiohttp.ClientSession]:
        """An HTTP client that finds the service's names without DNS; names and certificates are the real ones."""
        connector = aiohttp.TCPConnector(resolver=_Resolver(self.address), ssl=self.tls(), limit=0)
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield session

    async def fetch(self, method: str, url: str, **options: Any) -> Answer:
        """One request, its answer read whole; redirections are not followed."""
        async with self.web() as web, web.request(method, url, allow_redirects=False, **options) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, headers, await answer.read())

    def api(self, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
        """Results of ejabberd's API commands, all called in one visit to the host."""
        command = shlex.join(["python3", "-c", _API, self.domain, json.dumps(calls)])
        results: list[Any] = json.loads(self.host.check_output(command))
        return results

    def wait_until_ready(self) -> None:
        """Returns when ejabberd, restarted just now, answers again."""
        deadline = time.monotonic() + PATIENCE
        while self.host.run("test -S /run/ejabberd/api.sock").rc != 0:
            assert time.monotonic() < deadline, f"ejabberd did not come back within {PATIENCE} seconds"
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection((self.address, 5222), timeout=5).close()
                return
            assert time.monotonic() < deadline, f"port 5222 did not open within {PATIENCE} seconds"

    def restart(self) -> None:
        """Restarts the servers of messages and of the web, and waits for them."""
        self.host.check_output("systemctl restart ejabberd nginx")
        self.wait_until_ready()

    def register(self, count: int) -> list[Account]:
        """New accounts with names that nobody else uses, and that people may take (user-1234567890 is reserved)."""
        names = [f"person-{secrets.token_hex(5)}" for _ in range(count)]
        passwords = self.api(*(("register", {"user": name, "host": self.domain}) for name in names))
        return [Account(name, password, self.domain) for name, password in zip(names, passwords, strict=True)]

    def unregister(self, accounts: list[Account]) -> None:
        """Deletes accounts and all that belongs to them; those that deleted themselves are no error."""
        if accounts:
            self.api(*(("unregister", {"user": account.name, "host": self.domain}) for account in accounts))

    def run_playbook(self, name: str, *words: str, seconds: int = PLAYBOOK_SECONDS) -> subprocess.CompletedProcess[str]:
        """Runs playbooks/NAME.yml as an operator does, from this run's inventory; *words* follow -e, or are options."""
        extra = [part for word in words for part in ([word] if word.startswith("--") else ["--extra-vars", word])]
        return playbook.run_on(self.host, f"playbooks/{name}.yml", *extra, seconds=seconds)

    def succeed(self, name: str, *words: str) -> str:
        """What a playbook says that has succeeded."""
        done = self.run_playbook(name, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fail(self, name: str, *words: str) -> str:
        """What a playbook says that has failed, in one line."""
        done = self.run_playbook(name, *words)
        assert done.returncode == 2, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    def checkpoint(self) -> None:
        """Moves the database's write-ahead log into its file now; the service does so by itself every few minutes."""
        self.host.check_output("systemctl start xmpp-checkpoint.service")

    def stored(self, text: str) -> bool:
        """Does ejabberd's disk hold this text (database, write-ahead log and all else)?"""
        search = shlex.join(["grep", "-rlaF", "--", text, "/var/lib/ejabberd"])
        result = self.host.run(search)
        assert result.rc in (0, 1), result.stderr
        return bool(result.rc == 0)


def sql(service: Service, statement: str) -> list[list[Any]]:
    """What the database answers, to the user that ejabberd runs as."""
    script = (
        f"import json, sqlite3\nwith sqlite3.connect({DATABASE!r}, timeout=30) as database:\n"
        f"    print(json.dumps(database.execute({statement!r}).fetchall()))"
    )
    command = shlex.join(["runuser", "-u", "ejabberd", "--", "python3", "-c", script])
    answer: list[list[Any]] = json.loads(service.host.check_output(command))
    return answer


def wait_for(settled: Callable[[], bool], seconds: int = PATIENCE) -> None:
    """Asks the host until it is so; each question takes long enough to be no burden."""
    deadline = time.monotonic() + seconds
    while not settled():
        assert time.monotonic() < deadline
