# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prosody on the host under test, beside the service, whose people and rooms are taken over."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testinfra.host import Host

from .imports import OLD
from .old_server import PORT, copy, wait_for_answer
from .service import Account

OLDER = "older.test"  # as Prosody is by default: it keeps SHA-1; its data is in SQL
ROOMS = f"rooms.{OLD}"  # in files
HALLS = f"halls.{OLD}"  # in SQL
PACKAGES = "prosody lua-dbi-sqlite3"
SQL = 'storage = "sql"; sql = { driver = "SQLite3"; database = "prosody.sqlite" }'
PROSODY = f"""
modules_enabled = {{
  "roster"; "saslauth"; "disco"; "bookmarks"; "pep"; "private"; "vcard4"; "vcard_legacy"; "mam"; "blocklist"
}}
modules_disabled = {{ "s2s" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {PORT} }}
c2s_require_encryption = false
authentication = "internal_hashed"
VirtualHost "{OLD}"
  password_hash = "SHA-256"
VirtualHost "{OLDER}"
  {SQL}
Component "{ROOMS}" "muc"
Component "{HALLS}" "muc"
  {SQL}
"""
MIGRATOR = """
input {
  hosts = { ["%s"] = { "accounts"; "roster"; "vcard"; "private"; "pep-pubsub"; "archive-archive" } };
  type = "%s"; driver = "SQLite3"; database = "prosody.sqlite";
}
output { type = "xep0227"; config = { password_hash = "%s" } }
"""
REST_MIGRATOR = f"""
input {{
  hosts = {{ ["{OLDER}"] = {{ "blocklist" }}; ["{HALLS}"] = {{ "config"; "vcard_muc" }} }};
  type = "sql"; driver = "SQLite3"; database = "prosody.sqlite";
}}
output {{ type = "internal"; path = "/var/lib/prosody/moving" }}
"""


@dataclass
class Prosody:
    """A Prosody on the host under test, beside the service."""

    host: Host

    def start(self) -> None:
        """Starts the server."""
        self.host.check_output(
            "systemd-run --unit=test-prosody --property=User=prosody --property=RuntimeDirectory=prosody "
            "prosody -F --config /etc/prosody/test.cfg.lua"
        )

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """The server does not run, as docs/import-export.md says: the migrator uses the same database."""
        self.host.check_output("systemctl stop test-prosody.service")
        try:
            yield
        finally:
            self.start()
            wait_for_answer()

    def register(self, domain: str) -> Account:
        """A new account."""
        name, password = f"person-{secrets.token_hex(5)}", f"a {secrets.token_urlsafe(12)}"
        self.host.check_output(
            "prosodyctl --config /etc/prosody/test.cfg.lua register %s %s %s", name, domain, password
        )
        return Account(name, password, domain)

    def give_out(self, domain: str, storage: str, hash: str, folder: Path) -> None:
        """Writes a domain's accounts into a folder of this machine, as docs/import-export.md says."""
        self.host.check_output("printf %%s %s > /etc/prosody/moving.cfg.lua", MIGRATOR % (domain, storage, hash))
        with self.stopped():
            self.host.check_output("prosody-migrator --config /etc/prosody/moving.cfg.lua")
        copy(self.host, f"/var/lib/prosody/*@{domain}.xml", folder)

    def give_the_rest_out(self, folder: Path) -> None:
        """Copies block lists and rooms into a folder of this machine, as docs/import-export.md says."""
        self.host.check_output("printf %%s %s > /etc/prosody/rest.cfg.lua", REST_MIGRATOR)
        with self.stopped():
            self.host.check_output("prosody-migrator --config /etc/prosody/rest.cfg.lua")
        for place in (OLD, ROOMS, f"moving/{HALLS}"):
            copy(self.host, f"/var/lib/prosody/{place.replace('.', '%2e')}", folder)
