# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says that somebody else controls: nothing of it opens a file here, or steers the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.action.host_facts import strange
from ansible_collections.conexizan.xmpp.plugins.action.tree import heirs
from ansible_collections.conexizan.xmpp.plugins.callback.terminal import message
from ansible_collections.conexizan.xmpp.plugins.filter.check_report import check_report
from ansible_collections.conexizan.xmpp.plugins.filter.control_character import plain
from ansible_collections.conexizan.xmpp.plugins.module_utils.fingerprints import fingerprint, is_of


@pytest.mark.parametrize("name", ["/etc/hostname", "../../other.test/coturn", "coturn/../upload", "", "account-", "*"])
def test_name_of_a_secret_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(AnsibleActionFail, match="a secret with an unknown name"):
        strange({name: fingerprint("x", "00")}, tmp_path / "low.test")


@pytest.mark.parametrize("given", ["", ":", "00:", "zz:00", f"0:{'0' * 64}", f"00:{'0' * 63}g"])
def test_fingerprint_of_another_form_is_of_nothing(given: str) -> None:
    assert not is_of("", given)
    assert is_of("", fingerprint("", "00"))


@pytest.mark.parametrize("path", ["/../tasks/main.yml", "/etc/../../../x", "etc/x", "//etc/x", "/etc//x", "", "/etc/."])
def test_file_that_leaves_a_role_has_a_place_on_the_host(tmp_path: Path, path: str) -> None:
    for name in ("one/templates/etc", "one/tasks"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("one/templates/etc/x.j2", "one/tasks/main.yml"):
        (tmp_path / name).touch()
    assert heirs(tmp_path, set(), ["/etc/x", "/etc/y"]) == {"/etc/x": "one"}
    with pytest.raises(AnsibleActionFail, match="a path that no manifest has"):
        heirs(tmp_path, set(), [path])


@pytest.mark.parametrize(
    "signs", ["\x1b]0;title\x07", "\x1b[2J", "\x9b2J", "\r", "\u202e", "\x1b[1;1H", "\x1b[31;m\x1bc"]
)
def test_terminal_shows_words_and_colours(signs: str) -> None:
    shown = plain(f"a{signs}b\n\x1b[37mc\x1b[0m\td")
    assert shown.startswith("a")
    assert shown.endswith("b\n\x1b[37mc\x1b[0m\td")
    assert not {"\x07", "\x9b", "\r", "\u202e"} & set(shown)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert message({"msg": f"x{signs}y"}) == plain(f"x{signs}y")


def test_row_of_no_known_kind_has_failed() -> None:
    row = {"subject": "disk", "found": "?", "fix": "", "status": "fine"}
    text = check_report({"one": [row, row | {"status": "pass"}]})
    assert text.splitlines()[0] == "FAIL  disk  ?"
    assert text.endswith("1 check of 2 failed, 0 warnings.")
