# SPDX-License-Identifier: GPL-3.0-or-later
"""The module packages: versions, holds, services held back, and the record of what was installed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg, tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt import command, record, versions


def offer(monkeypatch: pytest.MonkeyPatch, candidate: str) -> None:
    """Let apt offer this version of everything."""
    monkeypatch.setattr(versions, "run", lambda *_: f"ejabberd:\n  Installed: (none)\n  Candidate: {candidate}\n")


@pytest.mark.parametrize("candidate", ["26.07-1~bpo13+1", "26.07-1", "27.01-1"])
def test_new_enough_is_taken(monkeypatch: pytest.MonkeyPatch, candidate: str) -> None:
    offer(monkeypatch, candidate)
    versions.refuse_old({"ejabberd": "26.07", "nginx": ""})


@pytest.mark.parametrize("candidate", ["24.12-3+deb13u2", "26.04-1", "(none)"])
def test_too_old_is_refused_with_both_versions(monkeypatch: pytest.MonkeyPatch, candidate: str) -> None:
    offer(monkeypatch, candidate)
    with pytest.raises(command.PackagesError) as error:
        versions.refuse_old({"ejabberd": "26.07"})
    assert str(error.value) == f"ejabberd must be at least 26.07, the newest that apt offers is {candidate}"


POLICY = """ejabberd:
  Installed: (none)
  Candidate: {candidate}
  Version table:
     26.07-1~bpo13+1 {good}
        100 http://mirror.test/debian trixie-backports/main amd64 Packages
     24.12-3+deb13u2 {old}
        500 http://mirror.test/debian trixie/main amd64 Packages
"""


@pytest.mark.parametrize(
    ("good", "old", "files", "release", "why"),
    [
        (600, 990, {}, "stable", 'APT::Default-Release "stable" in /etc/apt/apt.conf or apt.conf.d'),
        (
            995,
            1001,
            {
                "preferences.d/a": "Package: nginx\nPin: version *\nPin-Priority: 1\n\n"
                "Package: ejab*\nPin: version 24.*\nPin-Priority: 1001"
            },
            "",
            "{apt}/preferences.d/a (Package: ejab*, Pin: version 24.*, Pin-Priority: 1001)",
        ),
        (
            995,
            1001,
            {"preferences": "Explanation: ours\nPackage: *\nPin: release a=stable\nPin-Priority: 1001\n"},
            "",
            "{apt}/preferences (Package: *, Pin: release a=stable, Pin-Priority: 1001)",
        ),
        (
            -1,
            500,
            {"preferences.d/b": "Package: /^ejab/\nPin: release *\nPin-Priority: -1"},
            "",
            "{apt}/preferences.d/b",
        ),
        (
            600,
            990,
            {"preferences.d/ours": "Package: ejabberd\nPin: release *\nPin-Priority: 600"},
            "",
            "apt-cache policy",
        ),
    ],
)
def test_what_holds_a_version_back_is_named(
    good: int,
    old: int,
    files: dict[str, str],
    release: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "preferences.d").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(versions, "APT", tmp_path)
    monkeypatch.setattr(versions, "OUR_PINS", tmp_path / "preferences.d/ours")
    said = {
        "apt-cache": POLICY.format(candidate="24.12-3+deb13u2" if old > 0 else "(none)", good=good, old=old),
        "apt-config": f'APT::Default-Release "{release}";\n' if release else "",
    }
    monkeypatch.setattr(versions, "run", lambda program, *_: said[program])
    with pytest.raises(versions.HeldError) as error:
        versions.refuse_old({"ejabberd": "26.07"})
    assert f"apt knows 26.07-1~bpo13+1 (priority {good}) and prefers 24.12-3+deb13u2 (priority {old})" in str(
        error.value
    )
    assert why.format(apt=tmp_path) in str(error.value)
    assert "nginx" not in str(error.value)


@pytest.mark.parametrize(("version", "refused"), [("24.12-3", True), ("26.07-1~bpo13+1", False)])
def test_package_on_hold_is_refused_if_it_is_too_old(
    version: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = tmp_path / "status"
    status.write_text(
        "Package: bash\nStatus: hold ok installed\nVersion: 1\n\n"
        f"Package: ejabberd\nStatus: hold ok installed\nPriority: optional\nVersion: {version}\nDepends: a\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(dpkg, "STATUS", status)
    if refused:
        with pytest.raises(versions.HeldError, match=r"24\.12-3 is installed and on hold\. .*apt-mark unhold ejabberd"):
            versions.refuse_holds({"ejabberd": "26.07", "bash": ""})
    else:
        versions.refuse_holds({"ejabberd": "26.07", "bash": ""})


def test_failure_shows_what_apt_said() -> None:
    with pytest.raises(command.PackagesError, match=r"apt-get install failed:\nE: .*no-such-package-anywhere"):
        command.run("apt-get", "install", "--simulate", "no-such-package-anywhere")


def test_policy_that_a_killed_run_left_is_not_taken_for_the_operators(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(command, "POLICY", policy)
    policy.write_text(command.HELD_BACK, encoding="ascii")
    with command.services_held_back():
        pass
    assert not policy.exists()


@pytest.mark.parametrize("own", [None, "#!/bin/sh\nexit 104\n"])
def test_services_are_held_back_and_the_operators_policy_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: str | None
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(command, "POLICY", policy)
    if own:
        policy.write_text(own, encoding="ascii")

    def break_off() -> None:
        with command.services_held_back():
            assert "exit 101" in policy.read_text(encoding="ascii")
            assert policy.stat().st_mode & 0o111
            raise RuntimeError("installation broke")

    with pytest.raises(RuntimeError, match="installation broke"):
        break_off()
    assert (policy.read_text(encoding="ascii") if policy.exists() else None) == own


def test_record_knows_how_the_host_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What went and came again is in it no more."""
    written = tmp_path / "xmpp/packages.json"
    monkeypatch.setattr(record, "RECORD", written)
    bare = {"bash", "rsyslog"}
    for before, after in (
        (bare, {"bash", "coturn", "nginx"}),
        ({"bash", "coturn", "nginx"}, {"bash", "nginx"}),
        ({"bash", "nginx"}, {"bash", "nginx", "rsyslog"}),
        ({"bash", "nginx", "rsyslog"}, {"bash", "nginx"}),
    ):
        record.write_down(before, after)
    assert json.loads(written.read_text(encoding="utf-8")) == {
        "added": ["nginx"],
        "gone": ["rsyslog"],
        "been": ["coturn"],
    }


def test_services_that_were_not_in_use_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of packages that were there before; asked once, before the service comes."""
    written = tmp_path / "packages.json"
    monkeypatch.setattr(record, "RECORD", written)
    answers = {"is-active": "active\ninactive\n", "is-enabled": "disabled\nenabled\n"}

    def systemctl(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[2:] == ["nginx.service", "coturn.service"]
        return subprocess.CompletedProcess(command, 3, answers[command[1]], "")

    monkeypatch.setattr(subprocess, "run", systemctl)
    units = {"nginx": "nginx.service", "coturn": "coturn.service", "ejabberd": "ejabberd.service"}
    before = {"nginx", "coturn", "bash"}
    found = record.idle(units, before)
    assert found == {"stopped": ["coturn.service"], "disabled": ["nginx.service"]}
    record.write_down(before, before | {"ejabberd"}, found)
    assert record.idle(units, before | {"ejabberd"}) == {}
    record.write_down(before, before)
    assert json.loads(written.read_text(encoding="utf-8")) == {"added": ["ejabberd"], "gone": [], "been": [], **found}


def test_what_nobody_brought_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of packages, of roles, made as services run, a link that a package made, empty: none of these."""
    info, trees, place, other = (tmp_path / name for name in ("info", "trees", "nginx", "share"))
    monkeypatch.setattr(dpkg, "INFO", info)
    monkeypatch.setattr(tree_files, "MANIFESTS", trees)
    for path in (
        "conf.d/ours",
        "conf.d/mine",
        "nginx.conf",
        "body/1",
        "own/deep/site",
        "empty/empty",
        "upload/data/photo",
        "nginx.conf.dpkg-old",
    ):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).touch()
    (place / "empty/empty").unlink()
    for folder in (info, trees, other):
        folder.mkdir()
    (other / "mod").touch()
    (place / "mod").symlink_to(other / "mod")
    (place / "own-link").symlink_to(tmp_path / "gone")
    listed = f"/.\n{place}\n{place}/conf.d\n{place}/nginx.conf\n{other}/mod\n"
    (info / "nginx-common.list").write_text(listed, encoding="utf-8")
    (trees / "nginx.json").write_text(json.dumps({"files": {f"{place}/conf.d/ours": ""}}), encoding="utf-8")
    (trees / "broken.json").write_text("", encoding="utf-8")
    made = [f"{place}/body", f"{place}/upload/data", "*.dpkg-*"]
    expected = [f"{place}/conf.d/mine", f"{place}/own/", f"{place}/own-link"]
    assert record.foreign([str(place), str(tmp_path / "missing")], made) == expected
