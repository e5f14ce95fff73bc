# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service takes away from a host is said before: packages, logs, what fail2ban reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.command import PackagesError
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts import removals

PLAN = """Reading package lists...
Purg rsyslog-gnutls [8.2504.0-1]
Purg rsyslog [8.2504.0-1]
Remv logwatch:amd64 [7.12-2]
"""


def test_packages_that_need_what_goes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removals, "run", lambda *_: PLAN)
    others = removals.dependents(["rsyslog"])
    assert others == ["logwatch", "rsyslog-gnutls"]
    assert "apt would remove logwatch, rsyslog-gnutls with that." in removals.dependents_fault(["rsyslog"], others)
    assert removals.dependents(["rsyslog", "rsyslog-gnutls", "logwatch"]) == []
    assert removals.dependents_fault(["rsyslog"], []) == ""


def test_broken_apt_is_left_to_the_task_that_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: str) -> str:
        raise PackagesError("broken")

    monkeypatch.setattr(removals, "run", broken)
    assert removals.dependents(["rsyslog"]) == []


def test_logs_that_go_are_named_once(tmp_path: Path) -> None:
    for name in ("journal/0a", "journal/0b", "empty"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("syslog.1", "syslog.2.gz"):
        (tmp_path / name).write_text("line")
    (tmp_path / "wtmp").touch()
    (tmp_path / "dangling").symlink_to("missing")
    patterns = [f"{tmp_path}/{name}" for name in ("journal/*", "syslog", "syslog.*", "wtmp", "dangling", "empty/*")]
    logs = removals.old_logs(patterns)
    assert logs == [f"{tmp_path}/journal", f"{tmp_path}/syslog.1"]
    words = removals.removal_notice(["rsyslog", "wtmpdb"], logs)
    assert words.startswith(
        "The service removes rsyslog, wtmpdb, which playbooks/remove.yml reinstalls. The service deletes"
    )
    assert removals.removal_notice([], logs).startswith("The service deletes what was logged before: ")
    assert removals.removal_notice([], []) == ""


@pytest.mark.parametrize(
    ("files", "jails"),
    [
        ({}, []),
        ({"jail.conf": "[sshd]\nport = ssh\n", "jail.d/defaults-debian.conf": "[sshd]\nenabled = true\n"}, ["sshd"]),
        ({"jail.d/a.conf": "[sshd]\nenabled = true\n", "jail.local": "[sshd]\nenabled = false\n"}, []),
        ({"jail.local": "[DEFAULT]\nenabled = yes\n[mine]\nfilter = sshd[mode=aggressive]\n[other]\n"}, ["mine"]),
        ({"jail.local": "[exim]\nenabled = 1\nlogpath = /var/log/exim4/mainlog\n"}, []),
        ({"jail.local": "[dovecot]\nenabled = true\nlogpath = /srv/a\n  /var/log/mail.log\n"}, ["dovecot"]),
        ({"jail.local": "[sshd]\nenabled\n", "jail.d/c.conf": "[sshd]\nenabled = true\n"}, ["sshd"]),
        ({"jail.local": "no section", "jail.d/b.local": "[pam-generic]\nenabled=on\n"}, ["pam-generic"]),
    ],
)
def test_jails_that_see_nothing_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], jails: list[str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(removals, "PROGRAM", tmp_path)
    assert removals.jails_without_logs(["/var/log/mail.log*"], tmp_path) == jails
    assert bool(removals.jails_notice(jails)) is bool(jails)
    monkeypatch.setattr(removals, "PROGRAM", tmp_path / "missing")
    assert removals.jails_without_logs(["/var/log/mail.log*"], tmp_path) == []
