# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks refuse before the host is asked: their own first tasks, without a host. That they are reached is seen
with one refusal of each verb on a host (tests/service).
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.command_line.options import understand

from .loading import ROOT, trusted

SETTINGS = {
    "inventory_file": "hosts.yml",
    "xmpp_domain": "site.test",
    "xmpp_muc_domain": "muc.site.test",
    "xmpp_registration": "open",
    "xmpp_moderators": ["berta"],
    "xmpp_circles": [{"name": "family"}, {"name": "class"}],
    "xmpp_rooms": [{"name": "support", "title": "Support"}, {"name": "news", "title": "News", "moderated": True}],
}
DOMAINS = [{"domain": "site.test", "muc": "muc.site.test"}, {"domain": "club.test", "muc": "muc.club.test"}]


def read(path: str) -> Any:
    """Return what is in a YAML file of the project, as Ansible has it."""
    return trusted(ROOT / path)


def failing(task: dict[str, Any], known: dict[str, Any]) -> str:
    """Return what an assertion says, "" if it holds or is not made."""
    known = known | task.get("vars", {})
    loop = Templar(loader=DataLoader(), variables=known).template(task.get("loop", [None]))
    for item in loop:
        templar = Templar(loader=DataLoader(), variables=known | {"item": item})
        if templar.evaluate_conditional(task.get("when", True)):
            wanted = task["ansible.builtin.assert"]
            if not templar.evaluate_conditional(wanted["that"]):
                return " ".join(str(templar.template(wanted["fail_msg"])).split())
    return ""


def first_refusal(tasks: list[dict[str, Any]], known: dict[str, Any], given: dict[str, str]) -> str | None:
    """Return what the first task says that fails, "" if none does, None if one of them would ask the host."""
    for task in tasks:
        if taken := task.get("conexizan.xmpp.command_line"):
            verbs, optional = taken.get("verbs", {}), taken.get("optional", {})
            try:
                known["asked"] = understand(
                    given,
                    verbs,
                    optional,
                    DOMAINS,
                    changes=taken.get("changes", False),
                    lists=taken.get("lists", {}),
                )
            except AnsibleActionFail as error:
                return str(error)
        elif file := task.get("ansible.builtin.import_tasks"):
            inside = [
                one
                | {"vars": one.get("vars", {}) | task.get("vars", {}), "when": one.get("when", task.get("when", True))}
                for one in read(f"playbooks/{file}")
            ]
            if (said := first_refusal(inside, known, given)) != "":
                return said
        elif "ansible.builtin.assert" in task:
            if said := failing(task, known):
                return said
        elif "ansible.builtin.meta" not in task:
            return None
    return ""


def told(playbook: str, given: dict[str, str]) -> str | None:
    """Return what a playbook says to these options, None if it would ask the host."""
    (play,) = read(f"playbooks/{playbook}.yml")
    known = read("roles/xmpp/defaults/main.yml") | read("roles/xmpp/vars/main.yml") | play.get("vars", {}) | SETTINGS
    return first_refusal(play["tasks"], known, given)


NAME = 'is "{}", which is not a valid account name'
WRONG = [
    *(
        ("user", {"create": name}, f"create {NAME.format(name)}")
        for name in ("Maria", "..", "_", "-x", ".x", "x.", "x" * 64)
    ),
    ("user", {"create": "admin"}, 'create is "admin", a name that is reserved for the operator'),
    ("user", {"ban": "mallory"}, "reason is missing. Add it on the command line, for example: -e ban=NAME -e reason="),
    (
        "user",
        {"ban": "admin", "reason": "x"},
        'ban is "admin@site.test", which is an administrator. Remove it from xmpp_admins',
    ),
    ("user", {"delete": "admin", "sure": "admin"}, 'delete is "admin@site.test", which is an administrator'),
    (
        "user",
        {"delete": "mallory", "sure": "malory"},
        'sure is "malory@site.test", which is not the account to delete',
    ),
    ("user", {"since": "29.11.2026"}, 'since is "29.11.2026", which is not a date like 2026-11-22'),
    ("user", {"since": "9999-01-01"}, 'since is "9999-01-01", which is in the future'),
    ("user", {"since": "2026-11-29", "delete": "all"}, "sure is missing"),
    (
        "user",
        {"since": "2026-11-29", "delete": "mallory", "sure": "1"},
        'delete is "mallory", which is not the word all',
    ),
    ("invite", {"user": "Maria"}, f"user {NAME.format('Maria')}"),
    ("invite", {"user": "berta"}, 'user is "berta", who is in xmpp_moderators: nobody can register that name'),
    ("invite", {"uses": "301"}, "uses is 301, which is more than 300"),
    ("invite", {"count": "301"}, "count is 301, which is more than 300"),
    ("invite", {"uses": "30", "file": "cards.html"}, "file needs count: only cards are written into a file"),
    ("invite", {"count": "30", "user": "maria"}, "user cannot be combined with count: a name is for one account"),
    ("invite", {"count": "3", "file": "/etc/hosts"}, "/etc/hosts exists: its cards may still be valid"),
    ("invite", {"uses": "30", "days": "8"}, "days is 8, which is more than 7"),
    ("invite", {"days": "2"}, "days needs uses or count: an invitation to one account is always valid for 7 days"),
    (
        "invite",
        {"circle": "famliy"},
        'circle is "famliy", which is no circle of xmpp_circles (family, class). Use one of these, for example: '
        "-e circle=family",
    ),
    ("invite", {"circle": "family", "domain": "club.test"}, "not of club.test: leave domain out"),
    ("invite", {"circle": "family", "list": "true"}, "with list: it is for a new invitation. Leave one of the two out"),
    ("invite", {"circle": "family", "withdraw": "XvRt81Qa"}, "circle cannot be combined with withdraw"),
    ("invite", {"circle": "family", "days": "2"}, "days needs uses or count"),
    (
        "invite",
        {"uses": "30", "user": "maria"},
        "user cannot be combined with uses: a name is for one account",
    ),
    (
        "room",
        {"destroy": "support", "sure": "support"},
        "support@muc.site.test is an official room, and site.yml would undo the change",
    ),
    ("room", {"room": "news", "moderated": "false"}, "news@muc.site.test is an official room"),
    ("room", {"destroy": "garden"}, "sure is missing"),
    (
        "room",
        {"destroy": "garden", "sure": "gardens"},
        'sure is "gardens@muc.site.test", which is not the room to destroy',
    ),
]


@pytest.mark.parametrize(("playbook", "given", "wrong"), WRONG)
def test_what_must_not_be_is_refused_before_the_host_is_asked(playbook: str, given: dict[str, str], wrong: str) -> None:
    said = told(playbook, given)
    assert said is not None, "it would have asked the host"
    assert wrong in said


@pytest.mark.parametrize("given", [{"circle": "family"}, {"circle": "family", "list": "true"}])
def test_without_circles_a_refusal_says_how_to_make_one(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, "xmpp_circles", [])
    said = told("invite", given)
    assert said is not None
    assert said.startswith("There is no circle. Add one to ")
    assert said.endswith('xmpp_circles: - name: family members: ["maria"]')


@pytest.mark.parametrize(
    ("playbook", "given"),
    [
        ("user", {"create": "maria"}),
        ("user", {"ban": "mallory", "reason": "x"}),
        ("user", {"delete": "mallory", "sure": "mallory"}),
        ("user", {"since": "2026-11-29", "delete": "all", "sure": "1"}),
        ("invite", {"uses": "300", "days": "7"}),
        ("invite", {"user": "maria"}),
        ("invite", {"circle": "family"}),
        ("invite", {"circle": "family", "user": "maria"}),
        ("invite", {"circle": "class", "uses": "30"}),
        ("invite", {"count": "30", "days": "7", "file": "cards.html"}),
        ("room", {"destroy": "garden", "sure": "garden"}),
        ("room", {"room": "news", "owner": "admin"}),
    ],
)
def test_what_may_be_is_asked_of_the_host(playbook: str, given: dict[str, str]) -> None:
    assert told(playbook, given) is None


@pytest.mark.parametrize(
    ("missing", "left"), [(["bob"], ["maria"]), (["maria", "bob"], []), (["bob"], ["maria", "carla"]), (["bob"], [])]
)
def test_moderator_whose_account_was_deleted_is_named_with_what_to_do(missing: list[str], left: list[str]) -> None:
    (task,) = [one for one in read("roles/preflight/tasks/refusals.yml") if one["name"].endswith("without an account")]
    line = f"xmpp_moderators: {left}"
    said = failing(
        task,
        {
            "inventory_hostname": "host",
            "__preflight_faults": {"moderators": True},
            "__preflight_nobody": [f"{name}@site.test" for name in missing],
            "__preflight_moderating": {"place": "hosts.yml", "line": line},
        },
    )
    names = ", ".join(f"{name}@site.test" for name in missing)
    assert f"names accounts that host does not have: {names}. Nothing was changed." in said
    assert f"playbooks/user.yml -e create={missing[0]})" in said
    assert f"If one was deleted, or to run site.yml before they exist, set in hosts.yml: {line}" in said
