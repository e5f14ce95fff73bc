# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the alerts, without a host: how it delivers, and what it leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from alerts import cli, deliver, memory
from alerts.changes import BROKEN
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import ApiError
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, Row, row

DOWN = row("services", FAIL, "not running: coturn.service", "systemctl restart coturn.service")
UP = row("services", PASS, "ejabberd, nginx, coturn running, no failed units")
ADMIN, MARIA, PROGRAM = "admin@friends.test", "maria@friends.test", "/usr/local/bin/alert"


@pytest.fixture
def settings() -> dict[str, Any]:
    common = {"name": "Friends", "domain": "friends.test", "domains": ["friends.test"], "admins": ["admin", "maria"]}
    return common | {
        "command": "",
        "services": [],
        "timers": [],
        "certificates": "acme",
        "repository": "/srv/backup",
        "tested": {},
    }


class Ways:
    """All ways of a message, which can be shut; each by its recipient."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.got: dict[str, list[str]] = {}
        self.shut: set[str] = set()
        monkeypatch.setattr(deliver, "chat", lambda _domain, address, text: self.take(address, text))
        monkeypatch.setattr(deliver, "command", lambda program, text: self.take(program, text))

    def take(self, recipient: str, text: str) -> str:
        if recipient in self.shut:
            return "shut"
        self.got.setdefault(recipient, []).append(text)
        return ""


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


def nothing() -> None:
    """Save nothing."""


def test_message_waits_until_its_way_works_again(ways: Ways, settings: dict[str, Any]) -> None:
    """Whoever can be reached has it at once; nobody gets one twice. What waits is in the state without a name."""
    unsent: dict[str, list[str]] = {}
    settings["command"] = PROGRAM
    ways.shut = {MARIA}
    assert deliver.deliver(settings, unsent, "down", nothing) == {"chat 1": "shut"}
    assert (ways.got, unsent) == ({ADMIN: ["down"], PROGRAM: ["down"]}, {"chat 1": ["down"]})
    assert deliver.deliver(settings, unsent, "", nothing) == {"chat 1": "shut"}
    assert (ways.got, unsent) == ({ADMIN: ["down"], PROGRAM: ["down"]}, {"chat 1": ["down"]})
    ways.shut = {PROGRAM}
    assert deliver.deliver(settings, unsent, "up", nothing) == {"command": "shut"}
    assert (ways.got[MARIA], ways.got[PROGRAM], unsent) == (["down", "up"], ["down"], {"command": ["up"]})
    ways.shut = set()
    assert deliver.deliver(settings, unsent, "", nothing) == {}
    assert (ways.got, unsent) == ({each: ["down", "up"] for each in (ADMIN, MARIA, PROGRAM)}, {})


def test_what_was_delivered_is_not_again_after_a_kill(ways: Ways, settings: dict[str, Any]) -> None:
    """Several texts to a slow program take longer than systemd lets this one run."""
    settings |= {"admins": [], "command": PROGRAM}
    unsent = {"command": ["1", "2", "3"]}
    saved: list[dict[str, list[str]]] = []
    deliver.deliver(settings, unsent, "4", lambda: saved.append({way: [*texts] for way, texts in unsent.items()}))
    assert ways.got == {PROGRAM: ["1", "2", "3", "4"]}
    assert saved == [{"command": ["2", "3", "4"]}, {"command": ["3", "4"]}, {"command": ["4"]}, {}]


def test_what_waits_for_a_way_that_is_gone_is_deleted(ways: Ways, settings: dict[str, Any]) -> None:
    unsent = {"command": ["old"], "chat 2": ["old"], "chat": ["old"]}
    assert deliver.deliver(settings, unsent, "new", nothing) == {}
    assert (unsent, ways.got) == ({}, {ADMIN: ["new"], MARIA: ["new"]})


def test_only_the_last_texts_wait(ways: Ways, settings: dict[str, Any]) -> None:
    unsent: dict[str, list[str]] = {}
    ways.shut = {ADMIN, MARIA}
    for number in range(deliver.KEPT + 2):
        deliver.deliver(settings, unsent, str(number), nothing)
    assert unsent["chat 1"] == [str(number) for number in range(2, deliver.KEPT + 2)]


def test_text_has_nothing_that_no_stanza_may_contain(ways: Ways, settings: dict[str, Any]) -> None:
    """Such as the colours of a program whose error a row quotes."""
    deliver.deliver(settings, {}, "<b>\x1b[31mno\x00\ud800\uffff\tspace\n&", nothing)
    assert ways.got[ADMIN] == ["<b>\ufffd[31mno\ufffd\ufffd\ufffd\tspace\n&"]


class Api:
    """ejabberd's, with one account."""

    def __init__(self, asked: list[dict[str, str]]) -> None:
        self.asked = asked

    def call(self, command: str, **arguments: str) -> int:
        if command == "check_account":
            return 0 if arguments == {"user": "admin", "host": "friends.test"} else 1
        assert command == "send_message"
        self.asked.append(arguments)
        return 0


def test_message_goes_to_an_account_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """ejabberd takes a message for anybody, and the domain would get the error."""
    asked: list[dict[str, str]] = []
    monkeypatch.setattr(deliver, "Api", lambda _path: Api(asked))
    assert deliver.chat("friends.test", MARIA, "text") == "there is no such account"
    assert asked == []
    assert deliver.chat("friends.test", ADMIN, "x" * 9999) == ""
    assert [(one["from"], one["to"], len(one["body"])) for one in asked] == [
        ("friends.test", ADMIN, deliver.CHARACTERS)
    ]

    def refuse(_path: str) -> None:
        raise ApiError("it does not run")

    monkeypatch.setattr(deliver, "Api", refuse)
    assert deliver.chat("friends.test", ADMIN, "text") == "it does not run"


def test_test_message_says_who_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    ways: Ways,
    settings: dict[str, Any],
) -> None:
    (tmp_path / "alerts.json").write_text(json.dumps(settings | {"command": PROGRAM}))
    monkeypatch.setattr(cli, "SETTINGS", tmp_path / "alerts.json")
    monkeypatch.setattr("sys.argv", ["xmpp-alerts", "--test"])
    assert cli.main() == 0
    assert capsys.readouterr().out == "Delivered.\n"
    ways.shut = {MARIA, PROGRAM}
    assert cli.main() == 1
    told = f"Not delivered: {MARIA}: shut\nNot delivered: xmpp_alert_command: shut\n"
    assert capsys.readouterr().out == told


class Host:
    """A host that the program looks at, with its state in a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.state = folder / "state.json"
        self.rows: list[Row] | Exception = [UP]
        monkeypatch.setattr(memory, "STATE", self.state)
        monkeypatch.setattr(cli, "quiet", lambda _held, _now: False)
        monkeypatch.setattr(cli, "rows", lambda _settings, _state, _now: self.see())

    def see(self) -> list[Row]:
        if isinstance(self.rows, Exception):
            raise self.rows
        return self.rows


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    return Host(monkeypatch, tmp_path)


def test_state_has_no_names_of_people_and_is_written_only_if_it_changes(
    monkeypatch: pytest.MonkeyPatch, host: Host, ways: Ways, settings: dict[str, Any]
) -> None:
    assert cli.watch(settings)
    assert not host.state.exists()
    host.rows = [DOWN]
    ways.shut = {MARIA}
    assert all(cli.watch(settings) for _ in range(BROKEN))
    assert ways.got[ADMIN] == [f"Friends:\n\nservices: {DOWN['found']}\nFix: {DOWN['fix']}"]
    assert host.state.stat().st_mode & 0o777 == 0o600
    assert not re.search("admin|maria|friends", host.state.read_text().replace("Friends:", ""))
    before = host.state.stat().st_ino
    assert cli.watch(settings)
    assert host.state.stat().st_ino == before
    monkeypatch.setattr(cli, "quiet", lambda _held, _now: True)
    host.rows = [UP]
    assert all(cli.watch(settings) for _ in range(20))
    assert len(ways.got[ADMIN]) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"problems": {"services": {"other": 1}}}', "\x00"])
def test_state_that_cannot_be_read_counts_as_none(host: Host, ways: Ways, settings: dict[str, Any], text: str) -> None:
    """After a power cut, or from another version."""
    host.state.write_text(text)
    host.rows = [DOWN]
    assert all(cli.watch(settings) for _ in range(BROKEN))
    assert len(ways.got[ADMIN]) == 1


def test_look_that_an_error_ends_is_told_as_well(host: Host, ways: Ways, settings: dict[str, Any]) -> None:
    """By the name of the error, as its words may be about somebody; of other faults, it says nothing."""
    host.rows = [DOWN]
    assert all(cli.watch(settings) for _ in range(BROKEN))
    host.rows = SystemError("maria's file")
    for _ in range(10):
        with pytest.raises(SystemError):  # so the unit fails, and its journal has the rest
            cli.watch(settings)
    (_down, told) = ways.got[ADMIN]
    assert told.startswith("Friends:\n\nalerts: nothing can be checked: SystemError\nFix: ")
    assert "maria" not in told + host.state.read_text()
    host.rows = [DOWN]
    assert all(cli.watch(settings) for _ in range(10))
    assert ways.got[ADMIN][2:] == ["Friends:\n\nWell again: alerts"]


def test_updates_are_read_anew_only_if_something_has_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And an error is not kept: what fixes it may change nothing of that."""
    (tmp_path / "status").touch()
    (tmp_path / "sources.list.d").mkdir()
    monkeypatch.setattr(cli, "PACKAGES", (tmp_path / "status", tmp_path / "none"))
    monkeypatch.setattr(cli, "SOURCES", tmp_path)
    answers: list[list[str] | str] = ["E:Malformed", ["openssl"], []]
    state: dict[str, Any] = {}

    def asked(name: str, times: int) -> list[Any]:
        return [cli.remembered(state, name, lambda: answers.pop(0)) for _ in range(times)]

    assert asked("pending", 3) == ["E:Malformed", ["openssl"], ["openssl"]]
    answers.insert(0, ["a row"])
    assert asked("versions", 2) == [["a row"], ["a row"]]
    (tmp_path / "sources.list.d/x.list").touch()
    assert asked("pending", 2) == [[], []]
    answers.append(["another row"])
    assert asked("versions", 1) == [["another row"]]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"success": "2027-01-14T02:00:00", "error": "no space"}, PASS),  # one night
        ({"success": "2027-01-13T05:00:00", "error": "no space"}, PASS),  # 47 hours: the second one is under way
        ({"success": "2027-01-13T02:00:00", "error": "no space"}, FAIL),  # 50 hours: two
        ({"success": "2027-01-12T02:00:00", "error": ""}, FAIL),  # none is made any more
        ({"success": "", "error": "wrong password"}, FAIL),  # none ever
        ({"success": "2027-01-15T02:00:00", "error": ""}, PASS),
    ],
)
def test_backup_may_fail_for_one_night(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, Any], status: dict[str, str], told: str
) -> None:
    monkeypatch.setattr(cli, "BACKUP", tmp_path)
    (tmp_path / "status.json").write_text(json.dumps(status | {"repository": "/srv/backup"}))
    (found,) = cli.backup(settings | {"backup_days": 7}, 1_799_985_600.0)  # 2027-01-15 04:00 UTC
    assert found["status"] == told, found
