# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation: every command in it is run by a test, names what exists, and every link leads somewhere."""

from __future__ import annotations

import functools
import itertools
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..kit import ansible_fork
from ..kit.documentation import ALL, GUIDES, PAGES, PLAYBOOK, bare, block, fences
from .loading import ROOT

# Where a playbook is run as an operator runs it, with each option that it takes.
TESTS = {
    "audit": "tests/federation/test_audit.py tests/federation/between.py",
    "backup": "tests/restore/test_restore.py",
    "check": "tests/operations/test_check.py tests/unit/test_check_playbooks.py",
    "dns": "tests/operations/test_check.py",
    "export": "tests/operations/test_import_export.py tests/kit/imports.py",
    "import": "tests/operations/test_import_files.py tests/kit/imports.py tests/browser/test_account_file.py",
    "invite": "tests/browser/test_registration.py tests/operations/test_workshops.py tests/service/test_invitations.py "
    "tests/service/test_circles.py",
    "notice": "tests/operations/test_notices.py",
    "remove": "molecule/off/tests/test_removed.py",
    "restore": "tests/restore/test_restore.py",
    "room": "tests/operations/test_room_playbook.py",
    "selfinstall": "tests/unit/test_selfinstall.py",
    "user": "tests/operations/test_people.py tests/operations/test_created_since.py"
    " tests/operations/test_registration_review.py",
}
# All lines of blocks that begin with ansible-playbook, and some more, are run as they stand there.
WORD_FOR_WORD = "tests/docs/test_word_for_word.py"
# What contributors type, in a clone: told("…") there is a command that is run as it stands in the documentation, and
# block("…") a whole block. (Only that figures are measured with --quick behind the command: all there is takes long.)
CONTRIBUTING = "tests/contributing/test_contributing.py"
# Who runs a script, with the words that the documentation puts behind it; or CONTRIBUTING, word for word.
SCRIPTS = {
    "bench": CONTRIBUTING,
    "demo": "tests/demo/test_demo.py",
    "docs": "tests/unit/test_specs.py",
    "lint": "script/test",
    "pictures": "tests/demo/test_demo.py",
    "setup": "script/test",
    "test": ".ci/run",
    "testbed": "molecule/_shared/create.yml",
    "translations": "tests/unit/test_translations.py",
}
# What is not ours to test: other people's programs, at the operator's own machine, repository or disk.
OTHERS = (
    r"apt install [\w -]+",
    r"(export RESTIC_|restic ).*",
    r"ansible -m setup|ansible-playbook -i inventories/home",
    r"git pull",
    r"ejabberdctl register\b.*",
    r"journalctl -u [\w-]+|systemctl --failed",
)
# The rest: by which words in which file it is run.
ELSEWHERE = {
    "script/new-inventory DOMAIN ADDRESS": ("tests/unit/test_new_inventory.py", "script/new-inventory"),
    **{
        command: ("tests/contributing/test_collection.py", command)
        for command in ("ansible-playbook conexizan.xmpp.check", "systemctl restart conexizan-selfinstall")
    },
    "xmpp-alerts --test": ("tests/operations/test_alerts.py", "xmpp-alerts --test"),
    "xmpp-backup commit": ("tests/host/backup/test_backup.py", "xmpp-backup commit"),
    "systemctl reload xmpp-firewall": ("tests/host/firewall/test_firewall.py", "systemctl reload xmpp-firewall"),
    "xmpp-backup rollback": ("tests/restore/test_restore.py", "xmpp-backup rollback"),
    "ansible-doc -t lookup conexizan.xmpp.ledger": ("tests/unit/ledger.py", "plugins.lookup.ledger"),
    "ansible-doc -t lookup conexizan.xmpp.footprint": ("tests/kit/footprint.py", "conexizan.xmpp.footprint"),
    **{
        command: ("tests/kit/collection.py", words)
        for command, words in {
            "ansible-galaxy collection build": '"build", clone',
            "ansible-galaxy collection install conexizan-xmpp-*.tar.gz --force": '"install", "--offline",',
            "ansible-playbook -i hosts.yml conexizan.xmpp.site": '"-i", "hosts.yml", f"conexizan.xmpp.',
        }.items()
    },
    "pip install -r requirements.txt": ("script/setup", "requirements"),
    "prosody-migrator --config /etc/prosody/moving.cfg.lua": (
        "tests/kit/prosody.py",
        "prosody-migrator --config /etc/prosody/moving.cfg.lua",
    ),
    "prosody-migrator --config /etc/prosody/rest.cfg.lua": (
        "tests/kit/prosody.py",
        "prosody-migrator --config /etc/prosody/rest.cfg.lua",
    ),
    **{
        command: ("tests/unit/test_pages.py", command)
        for command in ("git checkout COMMIT", "git rev-parse HEAD", "git switch -")
    },
    "ejabberdctl export_piefxis_host /var/lib/ejabberd old.example": (
        "molecule/off/tests/test_import_export.py",
        "export_piefxis_host",
    ),
}


def option_names(command: str) -> list[str]:
    """Return the names of what stands after each -e."""
    parts = shlex.split(command.partition(" | ")[0].replace("'", '"') if command.count("'") % 2 else command)
    return [re.split("[=:{]", after.strip('{"'))[0] for before, after in itertools.pairwise(parts) if before == "-e"]


def known_options(playbook: str) -> set[str]:
    """Return the options that a playbook takes."""
    plays = yaml.safe_load((ROOT / f"playbooks/{playbook}.yml").read_text(encoding="utf-8"))
    found = {"format"}

    def walk(thing: Any) -> None:
        if isinstance(thing, Mapping):
            if "conexizan.xmpp.command_line" in thing:
                asked = thing["conexizan.xmpp.command_line"] or {}
                tables = [asked.get("verbs", {}), *asked.get("lists", {}).values()]
                found.update(asked.get("optional", {}), *(options for table in tables for options in table.values()))
            for value in thing.values():
                walk(value)
        elif isinstance(thing, list):
            for value in thing:
                walk(value)

    walk(plays)
    return found


def proofs(playbook: str) -> str:
    """Return the text of the tests that run a playbook."""
    return "".join((ROOT / path).read_text(encoding="utf-8") for path in TESTS[playbook].split())


@pytest.mark.parametrize("playbook", TESTS)
def test_every_option_of_a_playbook_is_given_by_a_test(playbook: str) -> None:
    proof = proofs(playbook)
    known = known_options(playbook)
    given = {option for option in known if re.search(rf"""["'\s]{option}=|["']{option}["']:""", proof)}
    assert known - {"format"} - given == set()


@pytest.mark.parametrize("command", ALL)
def test_command_is_run_by_a_test(command: str) -> None:
    if any(re.fullmatch(pattern, command) for pattern in OTHERS):
        return
    typed = (ROOT / CONTRIBUTING).read_text(encoding="utf-8")
    whole = "".join(block(words) for words in re.findall(r'\bblock\("(.+?)"\)', typed))
    if f'told("{command}")' in typed or command in map(bare, whole.splitlines()):
        return
    first, *rest = command.removeprefix("sudo ").removeprefix(PLAYBOOK).removeprefix("ansible-playbook ").split()
    if match := re.fullmatch(r"playbooks/(\w+)\.yml", first):
        name = match[1]
        assert name in TESTS, f"{command} is in the documentation, but no test is said to run it: add it to TESTS"
        assert re.search(rf'["/]{name}(\.yml)?"', proofs(name)), f"{TESTS[name]} does not run {first}"
        for option in option_names(command):
            assert option in known_options(name), f"{command}: the playbook does not know {option}"
    elif match := re.fullmatch(r"script/(\w+)", first):
        name = match[1]
        assert SCRIPTS[name] != CONTRIBUTING, f"{command}: {CONTRIBUTING} does not type it"
        proof = (ROOT / SCRIPTS[name]).read_text(encoding="utf-8")
        for word in (f"script/{name}", *rest):
            assert word in proof, f"{command}: neither {SCRIPTS[name]} nor {CONTRIBUTING} runs it"
    elif command.startswith("sudo ") or "site.yml" in (first, *rest):
        every = "".join(block for page in GUIDES for block in fences(page.read_text(encoding="utf-8")))
        assert command.removeprefix("ansible-playbook ") in every, (
            f"{command} is in no block, so {WORD_FOR_WORD} does not run it"
        )
    else:
        assert command in ELSEWHERE, f"{command} is in the documentation, and no test is said to run it: see {__file__}"
        proof_file, needle = ELSEWHERE[command]
        assert needle in (ROOT / proof_file).read_text(encoding="utf-8")


def test_playbooks_and_scripts_of_the_documentation_parse() -> None:
    """All of them: Ansible's for what no host is there for, a script's by its own interpreter."""
    playbooks = ["site.yml", *(f"playbooks/{name}.yml" for name in TESTS)]
    done = ansible_fork.run("--syntax-check", *playbooks, folder=ROOT, environment=ansible_fork.operators())
    assert done.returncode == 0, done.stdout + done.stderr
    for script in SCRIPTS:
        path = ROOT / "script" / script
        text = path.read_text(encoding="utf-8")
        assert os.access(path, os.X_OK)
        if "python" in text.partition("\n")[0]:
            compile(text, path, "exec")
        else:
            subprocess.run(["bash", "-n", path], check=True)


def test_every_playbook_is_in_the_documentation() -> None:
    """An operator finds each verb there is; demo.yml is part of script/demo, site.yml lies above them in a clone."""
    there = {path.stem for path in ROOT.glob("playbooks/*.yml")} - {"demo", "site"}
    told = {match for command in ALL for match in re.findall(r"playbooks/(\w+)\.yml", command)}
    assert there == told


@functools.cache
def anchors(page: Path) -> set[str]:
    """Return where links may lead within a page, as GitHub and others name headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.relative_to(ROOT)}: {link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{page.relative_to(ROOT)}: {link}: there is no such heading"


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_are_of_what_exists(page: Path) -> None:
    """Files of the repository, tests, and settings. (What an operator makes is in inventories/.)"""
    text = page.read_text(encoding="utf-8")
    files = re.findall(
        r"(?<![\w/.<-])((?:docs|molecule|playbooks|plugins|roles|script|tests)/[\w./-]*\w)(?![\w/<]|-\w)", text
    )
    files += [
        f"tests/{name}.py" for name in re.findall(r"`((?:attack|browser|federation|one_port|service)/test_\w+)`", text)
    ]
    missing = [name for name in files if not (ROOT / name).exists()]
    assert missing == []
    spec = yaml.safe_load((ROOT / "roles/xmpp/meta/argument_specs.yml").read_text(encoding="utf-8"))
    settings = {name for entry in spec["argument_specs"].values() for name in entry.get("options", {})}
    derived = yaml.safe_load((ROOT / "roles/xmpp/vars/main.yml").read_text(encoding="utf-8")).keys()
    figures = "".join(
        path.read_text(encoding="utf-8") for path in ROOT.glob("roles/metrics/templates/**/*") if path.is_file()
    )
    names = {name for name in re.findall(r"`(xmpp_[a-z0-9_]+)", text) if not name.endswith("_")}
    assert {name for name in names if name not in figures} <= settings | derived
