# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of `tree`, by real Ansible in check mode: what is rendered, copied, left out."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.action.tree import heirs
from ansible_collections.conexizan.xmpp.plugins.module_utils import tree_files

from ..kit import ansible_fork
from .loading import ROOT

FILES = {
    "templates/nowhere/plain.j2": "value {{ value }}\n",
    "templates/nowhere/off.j2": "{% if not value %}\nsecret\n{% endif %}\n",
    "templates/nowhere/verbatim": "{{ value }}\n",
    "templates/nowhere/managed.j2": "{{ ansible_managed }}\n",
    "templates/nowhere/script": "#!/bin/sh\n",
    "templates/nowhere/__pycache__/script.pyc": "bytecode\n",
}


# No host answers there.
NOWHERE: dict[str, Any] = {
    "ansible_connection": "ssh",
    "ansible_host": "192.0.2.1",
    "ansible_ssh_common_args": "-o ConnectTimeout=1",
    "ansible_ssh_retries": 0,
}


def run(
    folder: Path, arguments: dict[str, Any], hosts: dict[str, dict[str, Any]] | None = None
) -> tuple[int, str, dict[str, dict[str, Any]]]:
    """Run a role with one `tree` task; return exit code, output, and the diffs by path.

    *hosts* have variables, among them what is `known` of them; there is only this machine without any.
    """
    role = folder / "roles/part"
    for name, text in FILES.items():
        path = role / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (role / "templates/nowhere/script").chmod(0o755)
    (role / "tasks").mkdir()
    (role / "tasks/main.yml").write_text(
        json.dumps([{"name": "Install", "conexizan.xmpp.tree": arguments}]), encoding="utf-8"
    )
    known = {
        "action": "set_fact",
        "args": {"xmpp_host": "{{ known }}", "cacheable": True},
        "when": "known is defined",
    }
    play = [
        {"hosts": "all", "gather_facts": False, "pre_tasks": [known], "roles": ["part"], "vars": {"value": 7}},
    ]
    (folder / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    inventory = {"all": {"hosts": hosts or {"localhost": {"ansible_connection": "local"}}}}
    (folder / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
    words = ("--check", "--diff", "-i", folder / "hosts.yml", folder / "play.yml")
    environment = ansible_fork.operators(**ansible_fork.RESULTS)
    done = ansible_fork.run(*words, folder=folder, environment=environment)
    diffs: dict[str, dict[str, Any]] = {}
    where = ""
    for line in done.stdout.splitlines():
        if line.startswith("+++ after: "):
            where = line.removeprefix("+++ after: ")
            diffs[where] = {"added": []}
        elif line.startswith("+") and diffs:
            diffs[where]["added"].append(line[1:])
    return done.returncode, done.stdout + done.stderr, diffs


def visited(folder: Path, arguments: dict[str, Any], known: dict[str, dict[str, Any] | None]) -> dict[str, bool]:
    """Run the role on hosts of which that much is known; return of each whether it was visited.

    No host answers there: who gets through has not asked it.
    """
    hosts = {name: NOWHERE | ({} if facts is None else {"known": facts}) for name, facts in known.items()}
    _, output, _ = run(folder, arguments, hosts)
    recap = re.findall(r"^(\w+) +: ok=\d+ +changed=0 +unreachable=([01]) +failed=0 ", output, re.MULTILINE)
    found = {name: unreachable == "1" for name, unreachable in recap}
    assert set(found) == set(known), output
    assert output.count("UNREACHABLE!") == list(found.values()).count(True), output
    return found


def test_templates_are_rendered_and_other_files_copied(tmp_path: Path) -> None:
    code, output, diffs = run(tmp_path, {})
    assert code == 0, output
    added = {path: diff["added"] for path, diff in diffs.items()}
    assert added == {
        "/nowhere/managed": ["Managed by Ansible: changes made here are lost"],
        "/nowhere/plain": ["value 7"],
        "/nowhere/script": ["# mode 0755", "#!/bin/sh"],
        "/nowhere/verbatim": ["{{ value }}"],
    }, "a template that renders to nothing is not installed, nor is bytecode"


def test_shared_modules_are_found_by_their_names(tmp_path: Path) -> None:
    """A program beside the folder imports them as a module does."""
    code, output, diffs = run(tmp_path, {"shared": ["atomic.py", "health/__init__.py"]})
    assert code == 0, output
    folder = "/usr/local/lib/xmpp/ansible_collections/conexizan/xmpp/plugins/module_utils"
    assert {path for path in diffs if path.startswith("/usr/")} == {
        f"{folder}/atomic.py",
        f"{folder}/health/__init__.py",
    }
    assert diffs[f"{folder}/atomic.py"]["added"] == (ROOT / "plugins/module_utils/atomic.py").read_text().splitlines()


def test_files_and_folders_from_elsewhere_belong_to_the_tree(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner/picture").write_bytes(b"\0binary {{ value }}")
    (folder / "inner/.hidden").write_text("no", encoding="utf-8")
    code, output, diffs = run(
        tmp_path,
        {
            "files": {"/nowhere/made": "made of {{ value }}\n"},
            "folders": {"/nowhere/static": str(folder), "/nowhere/none": str(tmp_path / "missing")},
            "permissions": {"/nowhere/made": {"mode": "0640"}},
        },
    )
    assert code == 0, output
    assert "/nowhere/static/inner/picture" in diffs
    assert not [path for path in diffs if "hidden" in path]
    assert diffs["/nowhere/made"]["added"][0] == "# mode 0640"


def test_large_file_is_sent_to_a_host_without_it(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    content = os.urandom(10_000).hex()
    (folder / "picture").write_text(content, encoding="utf-8")
    code, output, diffs = run(tmp_path, {"folders": {"/nowhere/static": str(folder)}})
    assert code == 0, output
    assert diffs["/nowhere/static/picture"]["added"] == [content]
    assert "/nowhere/plain" in diffs


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    run(tmp_path, {})
    assert not Path("/nowhere").exists()


def test_secret_is_not_in_the_diff(tmp_path: Path) -> None:
    _, output, diffs = run(tmp_path, {"permissions": {"/nowhere/plain": {"mode": "0600"}}})
    assert "/nowhere/plain" in diffs
    assert "value 7" not in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"permissions": {"/nowhere/misspelt": {"mode": "0600"}}}, "permissions for /nowhere/misspelt match no file"),
        ({"units": {}}, "tree knows no units; it takes name, state, permissions, validate, files, folders"),
    ],
)
def test_mistake_in_a_role_is_named(tmp_path: Path, arguments: dict[str, Any], words: str) -> None:
    code, output, _ = run(tmp_path, arguments)
    assert code != 0
    assert words in " ".join(output.split())


def test_host_without_the_role_is_not_visited_to_remove_it(tmp_path: Path) -> None:
    """Who has it is visited, and of whom nothing is known."""
    known = {
        "without": {"trees": ["nginx"], "tree_digests": {}},
        "with": {"trees": ["nginx", "part"], "tree_digests": {}},
        "unknown": None,
    }
    assert visited(tmp_path, {"state": "absent"}, known) == {"without": False, "with": True, "unknown": True}


def test_host_that_has_all_files_is_not_visited(tmp_path: Path) -> None:
    """One that differs in anything is."""
    files = {
        "/nowhere/managed": ("Managed by Ansible: changes made here are lost\n", "root", 0o644),
        "/nowhere/plain": ("value 7\n", "root", 0o644),
        "/nowhere/script": ("#!/bin/sh\n", "root", 0o755),
        "/nowhere/verbatim": ("{{ value }}\n", "www-data", 0o640),
    }
    drifts: dict[str, dict[str, tuple[str, str, int]]] = {
        "none": {},
        "content": {"/nowhere/plain": ("value 8\n", "root", 0o644)},
        "owner": {"/nowhere/plain": ("value 7\n", "daemon", 0o644)},
        "mode": {"/nowhere/verbatim": ("{{ value }}\n", "www-data", 0o644)},
        "file": {"/nowhere/off": ("secret\n", "root", 0o644)},
    }
    known: dict[str, dict[str, Any] | None] = {}
    for drift, there in drifts.items():
        rows = [
            (path, hashlib.sha256(text.encode()).hexdigest(), owner, "root", mode)
            for path, (text, owner, mode) in (files | there).items()
        ]
        known[drift] = {"trees": ["part"], "tree_digests": {"part": tree_files.digest(rows)}}
    arguments = {"permissions": {"/nowhere/verbatim": {"owner": "www-data", "mode": "0640"}}}
    assert visited(tmp_path, arguments, known) == {drift: drift != "none" for drift in drifts}


def test_other_role_that_has_a_file_now_is_found(tmp_path: Path) -> None:
    """As a template or as it is; a role is not its own heir, nor is one that has only a part of the path."""
    for path in (
        "old/templates/etc/a",
        "first/templates/etc/a.j2",
        "second/templates/etc/b",
        "third/templates/etc/c/d",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("", encoding="utf-8")
    found = heirs(tmp_path, {"old"}, ["/etc/a", "/etc/b", "/etc/c", "/etc/gone"])
    assert found == {"/etc/a": "first", "/etc/b": "second"}


def test_order_in_a_file_is_never_that_of_a_set() -> None:
    """Ansible's filters of sets give another order in each run, and what a file lists would change with it."""
    unordered = re.compile(r"\|\s*(difference|intersect|symmetric_difference|union)\((?!.*\|\s*sort)")
    templates = [path for path in ROOT.glob("roles/*/templates/**/*.j2") if path.is_file()]
    assert len(templates) > 50
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in templates}
    assert {path: found[0] for path, text in texts.items() if (found := unordered.search(text))} == {}
