# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator says after -e, and what is said to whoever got it wrong."""

from __future__ import annotations

import contextlib
import re

import pytest
from ansible.errors import AnsibleActionFail

from .loading import load

command_line = load("plugins/action/command_line.py")

DOMAINS = [
    {"domain": "friends.test", "muc": "muc.friends.test"},
    {"domain": "family.test", "muc": "muc.family.test"},
]
VERBS = {
    "ban": {"ban": "account", "reason": "text"},
    "unban": {"unban": "account"},
    "owner": {"owner": "address", "room": "room"},
    "moderated": {"moderated": "flag", "room": "room"},
}
OPTIONAL = {"domain": "domain"}


@pytest.mark.parametrize(
    ("given", "verb", "words"),
    [
        ({}, "list", {}),
        ({"xmpp_archive_days": 14, "zone_dir": "x"}, "list", {}),
        ({"ban": "mallory", "reason": "spam"}, "ban", {"ban": "mallory@friends.test", "reason": "spam"}),
        ({"unban": "mallory@family.test"}, "unban", {"unban": "mallory@family.test"}),
        (
            {"room": "garden", "owner": "maria@other.test"},
            "owner",
            {"owner": "maria@other.test", "room": "garden@muc.friends.test"},
        ),
        (
            {"room": "garden@muc.family.test", "moderated": True},
            "moderated",
            {"moderated": True, "room": "garden@muc.family.test"},
        ),
        ({"room": "garden", "moderated": "no"}, "moderated", {"moderated": False, "room": "garden@muc.friends.test"}),
        ({"domain": "family.test"}, "list", {"domain": "family.test"}),
    ],
)
def test_words_are_understood(given: dict[str, object], verb: str, words: dict[str, object]) -> None:
    said = command_line.understand(given, VERBS, OPTIONAL, DOMAINS)
    assert said == {"verb": verb, "words": words, "format": "table"}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"format": "yaml"}, 'format is "yaml", it can be table or json.*-e format=json'),
        ({"bann": "mallory"}, "bann is nothing.*Did you mean ban\\?.*-e ban=maria"),
        ({"ban": "mallory", "unban": "mallory"}, "ban and unban are asked for at once"),
        ({"ban": "mallory"}, 'reason is missing.*-e ban=maria -e reason="…"'),
        ({"ban": "mallory", "reason": ""}, "reason is empty"),
        ({"ban": "mallory", "reason": "two\nlines"}, "which has a line break"),
        ({"reason": "spam"}, "reason is given, but nothing that is to be done with it.*-e ban=maria"),
        ({"ban": "mallory", "reason": "x", "room": "garden"}, "room is given"),
        ({"unban": "a@b@c"}, 'unban is "a@b@c", which is no name of an account'),
        ({"unban": "mallory@other.test"}, "which is of another domain than friends.test, family.test"),
        ({"room": "garden@friends.test", "owner": "maria"}, "which is on another domain than muc.friends.test"),
        ({"room": "garden", "owner": "maria@"}, "which is no address"),
        ({"room": "garden", "moderated": "perhaps"}, "which can be true or false.*-e moderated=true"),
        ({"domain": "other.test"}, 'domain is "other.test", which is not one of friends.test, family.test'),
    ],
)
def test_nonsense_is_refused(given: dict[str, object], wrong: str) -> None:
    with pytest.raises(AnsibleActionFail, match=wrong):
        command_line.understand(given, VERBS, OPTIONAL, DOMAINS)


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("maria", 'is "maria", which does not say what that is.*-e ban=…'),
        ("remove=admin", "remove is nothing that this playbook knows; it knows ban, sure, format"),
        ("ban=mallory", None),
        ("format=json", None),
        ("xmpp_registration=closed", None),
        ("ansible_user=root", None),
        ("@settings.yml", None),
        ('{"ban": "mallory"}', None),
    ],
)
def test_word_that_nobody_knows_is_refused(option: str, wrong: str | None) -> None:
    with contextlib.nullcontext() if wrong is None else pytest.raises(AnsibleActionFail, match=wrong):
        command_line.refuse_unknown([option], ["ban", "sure", "format"])


@pytest.mark.parametrize(
    ("given", "options", "whole"),
    [
        ({"reason": "sent", "_raw_params": "spam"}, ["reason=sent spam"], {"reason": "sent spam"}),
        ({"reason": "sent spam"}, ["reason='sent spam'"], {"reason": "sent spam"}),
        ({"ban": "mallory", "reason": "spam"}, ["ban=mallory reason=spam"], {"ban": "mallory", "reason": "spam"}),
        ({"ban": "mallory"}, ['{"ban": "mallory"}', "@file.yml"], {"ban": "mallory"}),
    ],
)
def test_text_need_not_be_quoted_twice(given: dict[str, str], options: list[str], whole: dict[str, str]) -> None:
    assert command_line.with_whole_texts(given, options) == whole


def test_table_has_columns_as_wide_as_they_need() -> None:
    table = load("plugins/filter/plain_table.py")
    rows = [
        {"name": "maria", "banned": True, "rooms": ["a", "b"]},
        {"name": "bo", "banned": False, "rooms": ["c\x1b[31m"]},
    ]
    columns = {"name": "account", "banned": "banned", "rooms": "rooms"}
    assert table.plain_table(rows, columns).splitlines() == [
        "account  banned  rooms",
        "maria    yes     a, b",
        "bo               c [31m",
    ]
    assert table.plain_table([], columns) == "account  banned  rooms"


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("malory@a.test", ["mallory@a.test", "zoe@a.test"], "Did you mean mallory@a.test? .*: -e ban=mallory@a.test"),
        ("nobody@a.test", ["mallory@a.test", "zoe@a.test"], "no account here. Change it .*: -e ban=zoe@a.test"),
        ("nobody@a.test", [], "no account here. Change it .*: -e ban=nobody@a.test"),
    ],
)
def test_unknown_name_is_told_with_one_that_exists(name: str, known: list[str], said: str) -> None:
    api = load("plugins/module_utils/ejabberd_api.py")
    assert re.search(said.replace("?", r"\?"), str(api.unknown("ban", name, "account", known)))
