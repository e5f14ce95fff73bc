# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit compares its finds with the ledger."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit import ledger, report
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.disk import own_folders
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.ledger import Ledger, Place
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.search import Audit

from ..kit.footprint import footprint

QUIET = tuple(footprint("logs_nobody"))


def entry(name: str, paths: list[str], holds: list[str], tables: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"name": name, "paths": paths, "holds": holds, "tables": list(tables)}


LEDGER = [
    entry("archive", ["/var/lib/x/x.db*"], ["jid", "content"], ("archive",)),
    entry("uploads", ["/srv/upload/data"], ["content"]),
    entry("journal", ["/run/log/journal"], ["ip"]),
]


@pytest.mark.parametrize(
    ("path", "kind", "known"),
    [
        ("/var/lib/x/x.db", "jid", True),
        ("/var/lib/x/x.db-wal", "ip", True),  # people write addresses to each other
        ("/var/lib/x/x.db-wal", "client", False),  # the address of somebody who is connected is no text of theirs
        ("/var/lib/x/y.db", "jid", False),
        ("/var/lib/x/sub/x.db", "jid", False),
        ("/srv/upload/data/a/b/c", "text", True),
        ("/srv/upload/datafile", "text", False),
        ("/run/log/journal of ssh.service", "ip", True),
        ("/run/log/journal of ejabberd.service", "ip", False),
        ("/run/log/journal/0/system.journal", "ip", True),
        ("/run/log/journal of ssh.service", "jid", False),
        ("/var/log/odd.log", "ip", False),
    ],
)
def test_find_is_known_if_the_ledger_says_so(path: str, kind: str, known: bool) -> None:
    place = Place(path, Counter({(kind, "x"): 1}))
    assert Ledger(LEDGER, QUIET).known(place) is known


@pytest.mark.parametrize(
    ("path", "finds", "known"),
    [
        ("/run/systemd/sessions/c4", [("ip", "203.0.113.9")], True),
        ("/run/systemd/sessions/c5", [("client", "2001:db8::9")], True),  # uses the service from there, too
        ("/run/systemd/sessions/c4", [("ip", "203.0.113.9"), ("ip", "198.51.100.7")], False),
        ("/run/systemd/sessions/c4", [("jid", "gerda@example.org")], False),
        ("/run/log/journal of session-c4.scope", [("ip", "203.0.113.9")], True),
        ("/run/log/journal of ssh.service", [("ip", "2001:db8::9"), ("jid", "root@example.org")], True),
        ("/run/log/journal/0/system.journal", [("ip", "203.0.113.9")], True),
        ("/run/log/journal of ssh.service", [("ip", "198.51.100.7")], False),
        ("/run/log/journal of nginx.service", [("ip", "203.0.113.9")], False),
        ("/var/log/odd.log", [("ip", "203.0.113.9")], False),
    ],
)
def test_session_of_who_runs_it_is_known(
    path: str, finds: list[tuple[str, str]], known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What logind and sshd note of it, as long as it is there; nowhere else, and of nobody else."""
    monkeypatch.setattr(ledger, "SESSIONS", tmp_path)
    (tmp_path / "c4").write_text("UID=0\nREMOTE=1\nREMOTE_HOST=203.0.113.9\nSERVICE=sshd\n")
    (tmp_path / "c5").write_text("UID=0\nREMOTE=1\nREMOTE_HOST=2001:0db8::0009\nSERVICE=sshd\n")
    (tmp_path / "c6").write_text("UID=0\nREMOTE=0\n")
    os.mkfifo(tmp_path / "c4.ref")
    held = [entry("journal", ["/run/log/journal"], ["jid"])]
    search = Audit(Ledger(held, QUIET, ledger.ssh_addresses()), [], [], False)
    place = Place(path.replace("/run/systemd/sessions", str(tmp_path)), Counter(finds))
    assert search.ledger.known(place) is known
    search.places = [place]
    assert ("fail" in [row["status"] for row in report.rows(search, names=False)]) is not known


def test_report_names_nobody_unless_asked() -> None:
    search = Audit(Ledger(LEDGER, QUIET), [], [], False)
    search.places = [
        Place("/var/lib/x/x.db", Counter({("jid", "gerda@example.org"): 3})),
        Place("/var/log/gerda.log", Counter({("jid", "gerda@example.org"): 1, ("ip", "81.2.69.142"): 2})),
    ]
    rows = report.rows(search, names=False)
    assert [(row["subject"], row["status"]) for row in rows] == [
        ("/var/lib/x/x.db*", "pass"),
        ("/srv/upload/data", "pass"),
        ("/run/log/journal", "pass"),
        ("/var/log/….log", "fail"),
    ]
    assert rows[0]["found"] == "3 names in 1 file (archive)"
    assert rows[3]["found"] == "1 name, 2 addresses in 1 file"
    assert "gerda" not in json.dumps(rows)
    assert "81.2" not in json.dumps(rows)
    assert "gerda@example.org" in json.dumps(report.rows(search, names=True))


def test_folder_is_known_where_a_link_leads(tmp_path: Path) -> None:
    """As with /srv on another disk: what is walked has another name than in the ledger."""
    (tmp_path / "disk/srv/own/data").mkdir(parents=True)
    (tmp_path / "srv").symlink_to("disk/srv")
    pattern = f"{tmp_path}/srv/own/data"
    own = own_folders([pattern, f"{tmp_path}/missing/*.db"])
    status = (tmp_path / "disk/srv/own/data").stat()
    assert own[status.st_dev, status.st_ino] == pattern
    known = Ledger([entry("uploads", [pattern], ["content"])], QUIET)
    there = f"{tmp_path}/disk/srv/own/data/photo"
    assert known.entries(there) == []
    known.other_names[f"{tmp_path}/disk/srv/own"] = f"{tmp_path}/srv/own"
    assert [one["name"] for one in known.entries(there)] == ["uploads"]
    assert known.entries(f"{tmp_path}/disk/srv/owner/data/photo") == []
