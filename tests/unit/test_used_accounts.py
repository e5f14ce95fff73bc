# SPDX-License-Identifier: GPL-3.0-or-later
"""An account that something else runs as is not taken for one that went with the service."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.modules import used_accounts

ME = pwd.getpwuid(os.getuid())
STATUS = "Name:\tsleep\nUid:\t{0}\t{1}\t{1}\t{1}\nGid:\t0\t0\t0\t0\n"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the root of a host. The account is this one: another one may not exist."""
    monkeypatch.setattr(used_accounts, "UNITS", [tmp_path / "etc/units", tmp_path / "lib/units", tmp_path / "none"])
    monkeypatch.setattr(used_accounts, "CRONTABS", (tmp_path / "crontab", tmp_path / "cron.d"))
    monkeypatch.setattr(used_accounts, "SPOOL", tmp_path / "spool")
    monkeypatch.setattr(used_accounts, "PROCESSES", tmp_path / "proc")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("lib/units/exporter.service", "[Service]\nUser={name}\nExecStart=/bin/true\n", "exporter.service"),
        ("etc/units/exporter@.service", "[Service]\n User = {name} \n", "exporter@.service"),
        ("etc/units/exporter.service", "[Service]\nUser={number}\n", "exporter.service"),
        ("etc/units/exporter.service.d/own.conf", "[Service]\nUser={name}\n", "exporter.service"),
        ("etc/units/exporter.service", "[Service]\n#User={name}\nUser=x{name}\nSyslogIdentifier={name}\n", None),
        ("etc/units/exporter.service.dpkg-old", "[Service]\nUser={name}\n", None),
        ("crontab", "*/5 * * * 1-5 {name} /bin/true\n", "crontab"),
        ("cron.d/textfile", "SHELL=/bin/sh\n@daily {name} /bin/true\n", "cron.d/textfile"),
        ("cron.d/textfile", "17 * * * * games chown {name} /srv\n# 17 * * * * {name} x\n", None),
        ("spool/{name}", "@daily /bin/true\n", "spool/{name}"),
        ("proc/4711/status", STATUS.format("{number}", "77777"), "process 4711"),
        ("proc/4711/status", STATUS.format("77777", "{number}"), "process 4711"),
        ("proc/4711/status", STATUS.format("77777", "1{number}"), None),
    ],
)
def test_account_that_something_runs_as(host: Path, name: str, text: str, what: str | None) -> None:
    words = {"name": ME.pw_name, "number": str(ME.pw_uid)}
    path = host / name.format(**words)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(**words))
    needs = str(host / what.format(**words)) if what and (host / what.format(**words)).exists() else what
    assert used_accounts.used([ME.pw_name, "nobody-of-that-name"]) == ({ME.pw_name: needs} if what else {})


def test_links_that_lead_nowhere_are_no_obstacle(host: Path) -> None:
    """As masked units, and what a removed package has left."""
    (host / "etc/units").mkdir(parents=True)
    (host / "etc/units/gone.service").symlink_to("missing")
    (host / "etc/units/masked.service").symlink_to("/dev/null")
    (host / "cron.d").symlink_to("missing")
    assert used_accounts.used([ME.pw_name]) == {}
