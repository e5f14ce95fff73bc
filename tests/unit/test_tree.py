# SPDX-License-Identifier: GPL-3.0-or-later
"""The module tree installs, updates and removes the files of one role."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import role_tree, tree_files

from .role_files import install, wanted


@pytest.fixture(autouse=True)
def manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep manifests out of /var/lib."""
    folder = tmp_path / "manifests"
    monkeypatch.setattr(tree_files, "MANIFESTS", folder)
    return folder


def test_file_is_written_with_parents_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "etc/deep/file"
    assert install(wanted(path, mode=0o600)) == [str(path)]
    assert path.read_bytes() == b"one\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(path.parent.glob(".*")), "a temporary file was left"


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    file = wanted(tmp_path / "file")
    install(file)
    assert install(file) == []


@pytest.mark.parametrize("drift", ["content", "mode", "gone", "symlink"])
def test_drift_on_the_host_is_put_right(tmp_path: Path, drift: str) -> None:
    path = tmp_path / "file"
    file = wanted(path)
    install(file)
    if drift == "content":
        path.write_bytes(b"two\n")
    elif drift == "mode":
        path.chmod(0o666)
    else:
        path.unlink()
        if drift == "symlink":
            path.symlink_to("/etc/hostname")
    assert install(file) == [str(path)]
    assert not path.is_symlink()
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one\n", 0o644)


def digests_of(*files: role_tree.File) -> dict[str, str]:
    """What the controller expects of a host that has these files as they are wanted."""
    rows = [
        (str(file.path), hashlib.sha256(file.content).hexdigest(), file.owner, file.group, file.mode) for file in files
    ]
    return {"role": tree_files.digest(rows)}


def test_digest_is_of_the_files_as_they_stand(tmp_path: Path) -> None:
    one, other = wanted(tmp_path / "one"), wanted(tmp_path / "other", mode=0o600)
    assert tree_files.digests() == {}
    install(one, other)
    assert tree_files.digests() == digests_of(other, one)
    assert tree_files.digests() != digests_of(one)
    assert tree_files.digests() != digests_of(one, wanted(tmp_path / "other"))
    install(one)
    assert tree_files.digests() == digests_of(one)
    install()
    assert tree_files.digests() == {}


@pytest.mark.parametrize("drift", ["content", "mode", "gone", "symlink", "shared", "unfinished"])
def test_no_digest_of_files_that_need_a_look(tmp_path: Path, manifests: Path, drift: str) -> None:
    file = wanted(tmp_path / "file")
    install(file)
    manifest = json.loads((manifests / "role.json").read_text(encoding="utf-8"))
    if drift == "content":
        file.path.write_bytes(b"two\n")
    elif drift == "mode":
        file.path.chmod(0o666)
    elif drift == "shared":
        (manifests / "other.json").write_text(json.dumps(manifest), encoding="utf-8")
    elif drift == "unfinished":
        manifest["files"][str(file.path)] = "of another content"
        (manifests / "role.json").write_text(json.dumps(manifest), encoding="utf-8")
    else:
        file.path.unlink()
        if drift == "symlink":
            file.path.symlink_to("/etc/hostname")
    assert tree_files.digests() != digests_of(file)


def test_file_that_left_the_tree_is_removed_with_our_empty_directories(tmp_path: Path) -> None:
    stays, leaves = wanted(tmp_path / "stays"), wanted(tmp_path / "etc/deep/leaves")
    install(stays, leaves)
    assert install(stays) == [str(tmp_path / "etc/deep/leaves")]
    assert not (tmp_path / "etc").exists()
    assert (tmp_path / "stays").exists()


def test_directory_with_a_file_of_the_operator_stays(tmp_path: Path) -> None:
    install(wanted(tmp_path / "conf.d/ours"))
    (tmp_path / "conf.d/theirs").write_text("theirs", encoding="utf-8")
    install()
    assert [path.name for path in (tmp_path / "conf.d").iterdir()] == ["theirs"]


def test_nothing_wanted_leaves_no_file_and_is_a_change_for_who_read_it(tmp_path: Path, manifests: Path) -> None:
    path = tmp_path / "file"
    install(wanted(path))
    install()
    assert not path.exists()
    manifest = json.loads((manifests / "role.json").read_text(encoding="utf-8"))
    assert manifest["files"] == {}
    assert str(path) in manifest["changed"]


def test_files_of_an_interrupted_run_count_as_new(tmp_path: Path, manifests: Path) -> None:
    file = wanted(tmp_path / "file")
    install(file)
    (manifests / "role.json").unlink()
    assert install(file) == [str(tmp_path / "file")]


def test_manifest_that_a_power_cut_emptied_is_no_obstacle(tmp_path: Path, manifests: Path) -> None:
    file = wanted(tmp_path / "file")
    install(file)
    (manifests / "role.json").write_text("", encoding="utf-8")
    assert install(file) == [str(tmp_path / "file")]


def test_directories_are_open_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        install(wanted(tmp_path / "etc/deep/file"))
    finally:
        os.umask(before)
    assert (tmp_path / "etc/deep").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "etc").stat().st_mode & 0o777 == 0o755


def test_missing_checker_is_named(tmp_path: Path) -> None:
    with pytest.raises(role_tree.TreeError, match=r"no-such-checker is not installed: run site.yml without --tags"):
        install(wanted(tmp_path / "file"), validate=[["no-such-checker"]])
    assert not (tmp_path / "file").exists()


def test_directory_in_the_place_of_a_file_breaks_nothing(tmp_path: Path) -> None:
    install(wanted(tmp_path / "a"))
    (tmp_path / "b").mkdir()
    with pytest.raises(OSError, match="directory"):
        install(wanted(tmp_path / "a", b"two\n"), wanted(tmp_path / "b"))
    assert (tmp_path / "a").read_bytes() == b"one\n"


def test_file_takes_the_place_of_its_folder_and_back(tmp_path: Path, manifests: Path) -> None:
    """A program that is split becomes a folder of programs."""
    one, many = wanted(tmp_path / "etc/tool"), wanted(tmp_path / "etc/tool/deep/part")
    for old, new in ((one, many), (many, one)):
        install(old)
        with pytest.raises(role_tree.TreeError, match="ls"):
            install(new, validate=[["ls", "/nonexistent"]])
        assert old.path.read_bytes() == b"one\n"
        assert install(new) == [str(new.path), str(old.path)]
        assert [path for path in tmp_path.rglob("*") if path.is_file() and manifests not in path.parents] == [new.path]
        assert install(new) == []


def test_refused_files_leave_no_folder(tmp_path: Path) -> None:
    with pytest.raises(role_tree.TreeError, match="ls"):
        install(wanted(tmp_path / "etc/deep/file"), validate=[["ls", "/nonexistent"]])
    assert not (tmp_path / "etc").exists()


def test_refused_files_are_put_back_as_they_were(tmp_path: Path) -> None:
    old, new, gone = tmp_path / "old", tmp_path / "new", tmp_path / "gone"
    install(wanted(old), wanted(gone))
    old.chmod(0o640)
    with pytest.raises(role_tree.TreeError, match=r"ls .* failed: .*No such file"):
        install(wanted(old, b"changed\n"), wanted(new), validate=[["ls", "/nonexistent"]])
    assert (old.read_bytes(), old.stat().st_mode & 0o777) == (b"one\n", 0o640)
    assert gone.read_bytes() == b"one\n"
    assert not new.exists()


def test_all_roles_files_are_put_back_until_they_are_accepted(tmp_path: Path, manifests: Path) -> None:
    """Over several runs that no service accepted; a run that comes to its end well is what counts then."""
    old, new, gone = tmp_path / "old", tmp_path / "etc/deep/new", tmp_path / "gone"
    install(wanted(old, mode=0o600), wanted(gone))
    tree_files.accept()
    accepted = (manifests / "role.json").read_text(encoding="utf-8")
    install(wanted(old, b"two\n"), wanted(new))
    install(wanted(old, b"three\n"), wanted(new, b"two\n"))
    assert (manifests / "role.before").stat().st_mode & 0o777 == 0o600, "it may hold secrets"

    tree_files.refuse()
    assert (old.read_bytes(), old.stat().st_mode & 0o777) == (b"one\n", 0o600)
    assert gone.read_bytes() == b"one\n"
    assert not (tmp_path / "etc").exists()
    assert (manifests / "role.json").read_text(encoding="utf-8") == accepted
    assert [path.name for path in manifests.iterdir()] == ["role.json"]

    install(wanted(old, b"two\n", 0o600))
    tree_files.accept()
    tree_files.refuse()
    assert old.read_bytes() == b"two\n"


def test_first_run_that_is_refused_leaves_nothing(tmp_path: Path, manifests: Path) -> None:
    install(wanted(tmp_path / "etc/file"))
    tree_files.refuse()
    assert not (tmp_path / "etc").exists()
    assert list(manifests.iterdir()) == []


def test_unknown_owner_is_named_and_nothing_changes(tmp_path: Path) -> None:
    install(wanted(tmp_path / "file"))
    stranger = role_tree.File(tmp_path / "theirs", b"", "nobody-here", "root", 0o644)
    with pytest.raises(role_tree.TreeError, match="nobody-here"):
        install(wanted(tmp_path / "file", b"two\n"), stranger)
    assert (tmp_path / "file").read_bytes() == b"one\n"


def test_diff_shows_text_but_never_a_secret(tmp_path: Path) -> None:
    secret, plain = tmp_path / "secret", tmp_path / "plain"
    install(wanted(secret, b"old password\n", 0o600))
    rows = role_tree.Tree("role", [wanted(secret, b"new password\n", 0o600), wanted(plain)]).diff()
    text = json.dumps(rows)
    assert "password" not in text
    assert "one" in text


def test_diff_of_a_file_that_becomes_readable_shows_no_old_secret(tmp_path: Path) -> None:
    path = tmp_path / "file"
    install(wanted(path, b"password\n", 0o600))
    assert "password" not in json.dumps(role_tree.Tree("role", [wanted(path, b"public\n")]).diff())


def test_when_a_file_changed_is_kept(tmp_path: Path, manifests: Path) -> None:
    def changed() -> dict[str, int]:
        found: dict[str, int] = json.loads((manifests / "role.json").read_text(encoding="utf-8"))["changed"]
        return found

    site, page = tmp_path / "nginx/site", tmp_path / "html/page"
    install(wanted(site), wanted(page))
    first = changed()
    install(wanted(site), wanted(page, b"two\n"))
    assert changed()[str(site)] == first[str(site)]
    assert changed()[str(page)] > first[str(page)]
    install(wanted(page, b"two\n"))
    assert changed()[str(site)] > first[str(site)], "its removal is a change too"


def test_change_before_a_reboot_does_not_count(tmp_path: Path, manifests: Path) -> None:
    file = wanted(tmp_path / "file")
    install(file)
    manifest = manifests / "role.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(tree_files.boot_id(), "an earlier one"), encoding="utf-8")
    assert role_tree.Tree("role", [file]).manifest["changed"] == {}


def test_large_file_is_asked_for_unless_it_is_there(tmp_path: Path) -> None:
    """The caller sends a checksum first; only what the host has under this very path counts."""
    path = tmp_path / "large"
    entry = {"path": str(path), "content": None, "sha256": hashlib.sha256(b"one\n").hexdigest()}
    assert role_tree.content_of(entry) is None
    path.write_bytes(b"two\n")
    assert role_tree.content_of(entry) is None
    path.write_bytes(b"one\n")
    assert role_tree.content_of(entry) == b"one\n"


def test_timer_that_leaves_the_tree_takes_its_stamp_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp of a persistent timer says when it last ran, and systemd never deletes it (systemd.timer(5))."""
    ran: list[list[str]] = []
    monkeypatch.setattr(role_tree, "run", ran.append)
    monkeypatch.setattr(role_tree, "SYSTEMD", f"{tmp_path}/")
    monkeypatch.setattr(tree_files, "STAMPS", tmp_path / "stamps")
    stamps = [tmp_path / f"stamps/stamp-{name}.timer" for name in ("leaves", "stays")]
    stamps[0].parent.mkdir()
    for stamp in stamps:
        stamp.touch()
    stays, leaves = wanted(tmp_path / "stays.timer"), wanted(tmp_path / "leaves.timer")
    install(stays, leaves)
    install(stays)
    assert ["systemctl", "disable", "--now", "--quiet", "leaves.timer"] in ran
    assert [stamp.exists() for stamp in stamps] == [False, True]
