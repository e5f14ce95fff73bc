# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said after -e for all accounts of a list, and what is done to all of them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program
from ansible_collections.conexizan.xmpp.plugins.module_utils.created_since import Age, created_since, do_to_all
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import Api, ApiError
from ansible_collections.conexizan.xmpp.plugins.modules import ejabberd_user
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.command_line.options import understand

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
    ("given", "verb", "options"),
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
def test_all_of_a_list_can_be_meant(given: dict[str, object], verb: str, options: dict[str, object]) -> None:
    said = understand(given, ONE, {}, DOMAINS, lists=LISTS)
    assert said == {"verb": verb, "options": options, "format": "table", "elsewhere": False}


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
def test_invalid_options_for_all_of_a_list_are_rejected(given: dict[str, object], wrong: str) -> None:
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
        ([], 1, r"No account was created since 2026-11-29 \(administrators are not counted\)\."),
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
    said = "2026-11-29 on admin@friends.test\n2026-11-30 by zoë@friends.test\n"
    said += "2026-12-01 on bot@other.test\n2026-12-01 on a@family.test\n"
    asked: list[tuple[str, ...]] = []

    def run(*words: str, seconds: float) -> str:
        asked.append(words)
        return said

    monkeypatch.setattr(ejabberd_program, "run", run)
    found = created_since(DAY, ["friends.test", "family.test"], ["admin@friends.test"])
    assert found == {"zoë@friends.test": Age("2026-11-30", older=True), "a@family.test": Age("2026-12-01", older=False)}
    assert asked == [("ejabberd-sqlite", "created-since", DAY)]


class Quiet(Api):
    """A server with three accounts, of which none is banned; it keeps what it is told to do."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def call(self, command: str, **arguments: Any) -> Any:
        if command in ("srg_user_add", "unregister"):
            self.told.append((command, arguments["user"]))
        return []


def told(monkeypatch: pytest.MonkeyPatch, verb: str, sure: int, *lines: str) -> list[tuple[str, str]]:
    """What the server is told to do to all of these accounts."""
    monkeypatch.setattr(ejabberd_program, "run", lambda *words, seconds: "\n".join(lines))
    monkeypatch.setattr(ejabberd_user, "read", lambda path: {})  # passwords of administrators
    params = {"verb": verb, "account": "", "reason": "spam", "since": DAY, "sure": sure, "spared": []}
    api = Quiet()
    try:
        ejabberd_user.do(api, params | {"domains": ["friends.test"]}, check=False)
    except ApiError:
        assert api.told == []
        raise
    return api.told


OLD = "2026-11-30 by old@friends.test"
SAME_DAY = "2026-11-30 on b@friends.test"
LATER = "2026-12-02 on c@friends.test"


def test_who_may_be_older_is_not_deleted_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever got a new password before the day was kept looks like new."""
    wrong = r"1 of 3 accounts since 2026-11-29 may have been created long before \(old@friends.test\)"
    passes = "would pass: -e since=2026-12-02 -e delete=all -e sure=1, or -e since=2026-11-29 -e ban=all .* -e sure=3"
    with pytest.raises(ApiError, match=f"{wrong}.*{passes}"):
        told(monkeypatch, "delete", 3, OLD, SAME_DAY, LATER)
    # Nor is there a day that would pass.
    with pytest.raises(ApiError, match=r"would pass: -e since=2026-11-29 -e ban=all .* -e delete=NAME -e sure=NAME"):
        told(monkeypatch, "delete", 2, OLD, SAME_DAY)
    with pytest.raises(ApiError, match=r"6 of 6 accounts .*\(a0@friends.test, .*, a4@friends.test, …\)"):
        told(monkeypatch, "delete", 6, *(f"2026-11-30 by a{number}@friends.test" for number in range(6)))


def test_who_may_be_older_is_banned_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ban can be lifted; and whoever is not older is deleted."""
    banned = told(monkeypatch, "ban", 3, OLD, SAME_DAY, LATER)
    assert banned == [("srg_user_add", name) for name in ("old", "b", "c")]
    assert told(monkeypatch, "delete", 2, SAME_DAY, LATER) == [("unregister", "b"), ("unregister", "c")]
