# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: which are refused, what restic's messages become, when restored uploads are deleted."""

from __future__ import annotations

import datetime
import grp
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from backup import create, files, paths, prepare, repository
from backup.errors import BackupError


def test_backup_of_this_service_is_taken() -> None:
    prepare.check_description({"format": create.FORMAT, "domain": "friends.test"}, "friends.test")


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"format": create.FORMAT + 1, "domain": "friends.test"}, "newer release"),
        ({"format": create.FORMAT, "domain": "club.test"}, "is of club.test, and this service is friends.test"),
    ],
)
def test_backup_that_does_not_fit_is_refused(about: dict[str, object], why: str) -> None:
    with pytest.raises(BackupError, match=why):
        prepare.check_description(about, "friends.test")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Fatal: wrong password or no key found\n", "wrong password or no key found"),
        ('{"message_type":"exit_error","code":10,"message":"Fatal: no repository\\nthere"}\n', "no repository there"),
        ("\n one\n\n two\n", "one two"),
        ("", "it gave no reason"),
    ],
)
def test_message_of_restic(said: str, shown: str) -> None:
    assert repository.message(said) == shown


def place(sign: str, random: int = 24) -> str:
    """Return the folder of an upload, as mod_xmpp_upload names it (24 characters; 40 before links were concealed)."""
    return f"{paths.UPLOADS}/{sign * 40}/{sign * random}"


class Listed:
    """A repository in which each upload came, or came back, some hours ago."""

    def __init__(self, hours: dict[str, int], name: str = "photo") -> None:
        """Take the hours by the folders."""
        now = datetime.datetime.now(datetime.UTC)
        nodes = [
            {"type": "file", "path": f"{folder}/{name}", "ctime": (now - datetime.timedelta(hours=ago)).isoformat()}
            for folder, ago in hours.items()
        ]
        # As Go writes JSON: ends of lines that only Unicode has stay as they are.
        self.stdout = "".join(f"{json.dumps(node, ensure_ascii=False)}\n" for node in nodes)

    def call(self, *_words: str) -> Listed:
        """Return the listing."""
        return self


def test_upload_that_is_restored_twice_goes_when_it_would_have_gone() -> None:
    """Also by a rule of an earlier version, which counted from birth."""
    a, b, c, d = place("a"), place("b", 40), place("c"), place("d")
    earlier = f"e {b} - - - bB:30h\ne {c} - - - bB:30h\ne {d} - - - cB:12h\ne {place('e')} - - - cB:9h\n"
    listed: Any = Listed({a: 10, b: 10, c: 40, d: 10})
    rules = prepare.expiry_rules(listed, "id", 2, earlier)
    assert rules == f"e {a} - - - cB:38h\ne {b} - - - cB:20h\ne {c} - - - cB:0h\ne {d} - - - cB:2h\n"


@pytest.mark.parametrize(
    "folder",
    [
        f"{paths.UPLOADS}/x\nf+ /etc/cron.d/own 0644 root root - * * * * * root reboot #",
        f"{place('a')}\n",
        f"{place('a')} - - - - -\nd /home 0755 root root 0s /x",
        f"{paths.UPLOADS}/{'a' * 40}/%h",
        f"{paths.UPLOADS}/{'a' * 40}/*",
        f"{place('a')}/deeper",
        f"/etc/{place('a')}",
        str(paths.UPLOADS),
    ],
)
def test_folder_whose_name_is_no_uploads_gets_no_rule(folder: str) -> None:
    """Rules are orders to root, and others can name folders there."""
    listed: Any = Listed({folder: 10, place("b"): 10})
    assert prepare.expiry_rules(listed, "id", 2, "") == f"e {place('b')} - - - cB:38h\n"


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029", "\x1c", "\n"])
def test_restore_survives_ends_of_lines_in_names(end: str) -> None:
    listed: Any = Listed({place("a"): 10}, name=f"photo{end}.jpg")
    assert prepare.expiry_rules(listed, "id", 2, "") == f"e {place('a')} - - - cB:38h\n"


def test_restored_files_are_given_away_but_not_what_links_lead_to(tmp_path: Path) -> None:
    """A link to nowhere, to a file, to a folder and to itself; the folders of uploads are not root's alone."""
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    for one in (outside, folder / "deep"):
        one.mkdir(parents=True)
    (outside / "file").touch()
    before = [path.stat().st_ctime_ns for path in (outside, outside / "file")]
    for name, target in {"nowhere": "missing", "file": f"{outside}/file", "out": str(outside), "loop": "loop"}.items():
        (folder / "deep" / name).symlink_to(target)
    files.own(folder, pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name)
    assert [path.stat().st_ctime_ns for path in (outside, outside / "file")] == before
