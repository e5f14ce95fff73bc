# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: which are refused, what restic's messages become, when restored uploads are deleted."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from backup import create, prepare, repository
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


class Listed:
    """A repository in which each upload came, or came back, some hours ago."""

    def __init__(self, **hours: int) -> None:
        """Take the hours by the names of the folders."""
        now = datetime.datetime.now(datetime.UTC)
        nodes = [
            {"type": "file", "path": f"/up/{folder}/photo", "ctime": (now - datetime.timedelta(hours=ago)).isoformat()}
            for folder, ago in hours.items()
        ]
        self.stdout = "\n".join(json.dumps(node) for node in nodes)

    def call(self, *_words: str) -> Listed:
        """Return the listing."""
        return self


def test_upload_that_is_restored_twice_goes_when_it_would_have_gone() -> None:
    earlier = "e /up/b - - - bB:30h\ne /up/c - - - bB:30h\ne /up/gone - - - bB:9h\n"
    listed: Any = Listed(a=10, b=10, c=40)
    rules = prepare.expiry_rules(listed, "id", 2, earlier)
    assert rules == "e /up/a - - - bB:38h\ne /up/b - - - bB:20h\ne /up/c - - - bB:0h\n"
