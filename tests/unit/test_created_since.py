# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said after -e for all accounts of a list, and what is done to all of them."""

from __future__ import annotations

import datetime

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program
from ansible_collections.conexizan.xmpp.plugins.module_utils.created_since import created_since, do_to_all
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import ApiError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.command_line.words import understand

DOMAINS = [
    {"domain": "friends.test", "muc": "muc.friends.test"},
    {"domain": "family.test", "muc": "muc.family.test"},
]
HOSTS = ["one", "two"]
ONE = {
    "ban": {"ban": "account", "reason": "reason"},
    "create": {"create": "account"},
    "delete": {"delete": "account", "sure": "account"},
}
LISTS = {
    "since": {
        "ban": {"since": "day", "ban": "all", "reason": "reason", "sure": "number"},
        "delete": {"since": "day", "delete": "all", "sure": "number"},
    }
}
DAY = "2026-11-29"


@pytest.mark.parametrize(
    ("given", "verb", "words"),
    [
        ({"since": DAY}, "list", {"since": DAY}),
        ({"since": datetime.date(2026, 11, 29)}, "list", {"since": DAY}),  # as YAML has it
        ({"since": DAY, "delete": "all", "sure": "14"}, "delete", {"since": DAY, "delete": "all", "sure": 14}),
        (
            {"since": DAY, "ban": "all", "reason": "spam", "sure": 14},
            "ban",
            {"since": DAY, "ban": "all", "reason": "spam", "sure": 14},
        ),
        # An account can be called so.
        ({"ban": "all", "reason": "spam"}, "ban", {"ban": "all@friends.test", "reason": "spam"}),
        ({"delete": "all", "sure": "all"}, "delete", {"delete": "all@friends.test", "sure": "all@friends.test"}),
    ],
)
def test_all_of_a_list_can_be_meant(given: dict[str, object], verb: str, words: dict[str, object]) -> None:
    said = understand(given, ONE, {}, DOMAINS, lists=LISTS)
    assert said == {"verb": verb, "words": words, "format": "table", "elsewhere": False}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"since": "29.11.2026"}, 'since is "29.11.2026", which is not a date like .*-e since=2026-11-29$'),
        ({"since": "20261129"}, "which must be written like .*-e since=2026-11-29$"),
        ({"since": "2026-11-31"}, "which is not a date like"),
        ({"since": "2026-11-29' OR '1'='1"}, "which is not a date like"),
        ({"since": ""}, "which is not a date like"),
        ({"since": "9999-12-31"}, 'since is "9999-12-31", which is in the future'),
        ({"since": DAY, "ban": "all", "sure": "14"}, "reason is missing.*-e since=2026-11-29 -e ban=all -e reason="),
        ({"since": DAY, "ban": "all", "reason": "spam"}, "sure is missing.*-e ban=all .*-e sure=30$"),
        ({"since": DAY, "delete": "all"}, "sure is missing.*-e since=2026-11-29 -e delete=all -e sure=30$"),
        ({"since": DAY, "delete": "all", "sure": "all"}, 'sure is "all", which is not a positive integer'),
        ({"since": DAY, "delete": "all", "sure": "0"}, "which is not a positive integer"),
        (
            {"since": DAY, "delete": "mallory", "sure": "14"},
            'delete is "mallory", which is not the word all.*leave since',
        ),
        ({"since": DAY, "ban": "all", "delete": "all", "sure": "14"}, "ban and delete cannot be combined"),
        ({"since": DAY, "create": "maria"}, "since and create cannot be combined.*-e create=NAME$"),
        ({"since": DAY, "sure": "14"}, "sure is given without the option that uses it.*-e since=.* -e ban=all"),
        ({"sure": "14"}, "sure is given without the option that uses it.*-e delete=NAME -e sure=NAME$"),
        ({"delete": "all", "sure": "14", "sinc": DAY}, "Unknown option -e sinc. Did you mean since"),
    ],
)
def test_nonsense_about_all_of_a_list_is_refused(given: dict[str, object], wrong: str) -> None:
    with pytest.raises(AnsibleActionFail, match=wrong):
        understand(given, ONE, {}, DOMAINS, lists=LISTS)


def test_all_of_a_list_are_on_one_host() -> None:
    """The list itself is of all."""
    assert understand({"since": DAY}, ONE, {}, DOMAINS, HOSTS, lists=LISTS)["verb"] == "list"
    with pytest.raises(AnsibleActionFail, match=r"There are 2 hosts .*: name the host: --limit HOST$"):
        understand({"since": DAY, "delete": "all", "sure": "2"}, ONE, {}, DOMAINS, HOSTS, lists=LISTS)


@pytest.mark.parametrize(
    ("accounts", "sure", "wrong"),
    [
        ([], 1, "No account was created since 2026-11-29, administrators aside"),
        (["a@x", "b@x"], 1, "sure is 1, but 2 accounts were created since 2026-11-29.*-e sure=2 would pass"),
        (["a@x", "b@x"], 3, "sure is 3, but 2 accounts"),
        (["a@x", "no@x", "b@x"], 3, r"^no@x: ejabberd says no \(1 of 3 accounts are done\)$"),
    ],
)
def test_all_are_exactly_so_many(accounts: list[str], sure: int, wrong: str) -> None:
    """Otherwise nothing is done; and who meets a fault in the middle is told how far it came."""
    done = []

    def do(account: str) -> list[str]:
        if account == "no@x":
            raise ApiError("ejabberd says no")
        done.append(account)
        return [f"{account} is deleted"]

    with pytest.raises(ApiError, match=wrong):
        do_to_all(accounts, DAY, sure, do)
    assert done == accounts[: accounts.index("no@x") if "no@x" in accounts else 0]
    assert do_to_all(["a@x", "b@x"], DAY, 2, do) == ["a@x is deleted", "b@x is deleted"]


def test_created_since_is_of_the_domains_without_administrators(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "2026-11-29 admin@friends.test\n2026-11-30 zoë@friends.test\n"
    said += "2026-12-01 bot@other.test\n2026-12-01 a@family.test\n"
    asked: list[tuple[str, ...]] = []

    def run(*words: str, seconds: float) -> str:
        asked.append(words)
        return said

    monkeypatch.setattr(ejabberd_program, "run", run)
    found = created_since(DAY, ["friends.test", "family.test"], ["admin@friends.test"])
    assert found == {"zoë@friends.test": "2026-11-30", "a@family.test": "2026-12-01"}
    assert asked == [("ejabberd-sqlite", "created-since", DAY)]
