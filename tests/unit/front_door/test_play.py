# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door in a play: what follows from the settings, and what other roles and hosts have to do with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from .known import GOOD
from .playing import NOWHERE, PLAYBOOK, play, results


def test_what_follows(tmp_path: Path) -> None:
    """Addresses carry the port, every domain has its parts, rooms have every key, the administrators can be reached."""
    settings = {
        "xmpp_domain": "friends.test",
        "xmpp_host_domain": "chat.friends.test",
        "xmpp_more_domains": ["club.test"],
        "xmpp_muc_domain": "rooms.{{ xmpp_domain }}",
        "xmpp_https_port": 8443,
        "xmpp_admins": ["maria", "bob"],
        "xmpp_rooms": [{"name": "news", "title": "News"}],
    }
    hosts = {"friends.test": "chat.friends.test", "club.test": "club.test"}

    def parts(domain: str) -> dict[str, str]:
        labels = {"muc": "rooms", "upload": "upload", "proxy": "proxy", "pubsub": "pubsub"}
        return {part: f"{label}.{domain}" for part, label in labels.items()}

    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"good": settings}}}))
    found = results(play(tmp_path, "-i", "hosts.yml", "--tags=follows"))
    assert found["good"]["msg"] == [
        "https://chat.friends.test:8443",
        [{"domain": domain, "host": host, **parts(domain)} for domain, host in hosts.items()],
        {
            "friends.test": ["friends.test", "chat.friends.test", *parts("friends.test").values(), "turn.friends.test"],
            "club.test": ["club.test", *parts("club.test").values()],
        },
        [{"name": "news", "title": "News", "description": "", "moderated": False}],
        ["xmpp:maria@friends.test", "xmpp:bob@friends.test"],
    ]


def test_variables_of_the_other_roles_have_their_type(tmp_path: Path) -> None:
    """They are no settings, but whoever sets one is told before a host is touched. What needs the host has to wait."""
    own = {
        "nginx_https_port": "soon",
        "ejabberd_small_host": "{{ [1] }}",
        "nginx_domain": "{{ ansible_facts.name }}",
        "nginx_publish_ca": True,
        "ejabberd_sha1_passwords": "no",
        "nginx_host_domain": 5,
        "nginx_htps_port": 8443,
    }
    settings = GOOD | NOWHERE | own
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"bad": settings}}}))
    roles = "    - {role: nginx, tags: others}\n    - {role: ejabberd, tags: others}\n"
    playbook = PLAYBOOK.replace("  post_tasks:", f"{roles}  post_tasks:")
    (found,) = results(play(tmp_path, "-i", "hosts.yml", playbook=playbook)).values()
    lines = [problem.splitlines() for problem in found["problems"]]
    assert [(line[0], line[1]) for line in lines] == [
        ('nginx_https_port is "soon", which is a string, but must be an integer.', "  where:   hosts.yml:11"),
        (
            'ejabberd_sha1_passwords is "no", which is a string, but must be a boolean: '
            "write true or false, without quotes.",
            "  where:   hosts.yml:6",
        ),
        (
            "ejabberd_small_host is [1], which is a list, but must be a boolean: let the template end in | bool.",
            "  where:   hosts.yml:7",
        ),
        (
            "nginx_htps_port is not a variable of the role nginx. Did you mean nginx_https_port?",
            "  where:   hosts.yml:10",
        ),
    ]


INI = "xmpp_domain=friends.test ansible_host=192.0.2.1"


@pytest.mark.parametrize(
    ("inventories", "extra", "wanted"),
    [
        (
            {
                "yaml": "bad:\n  hosts:\n    yaml:\n      xmpp_domain: friends.test\n      xmpp_derived_s2s: false\n"
                "      metrics_derived_port: 9101\n      ansible_host: 192.0.2.1\n",
                "ini": f"ini {INI} xmpp_derived_s2s=False\n",
                "none": f"none {INI}\n",
            },
            [],
            {
                "yaml": {"metrics_derived_port": "yaml/hosts:6", "xmpp_derived_s2s": "yaml/hosts:5"},
                "ini": {"xmpp_derived_s2s": "ini/hosts:1"},
                "none": {},
            },
        ),
        (
            {"none": f"none {INI}\n"},
            ["-e", "xmpp_derived_domains=[]", "-e", "metrics_derived_address=::1"],
            {
                "none": {
                    "metrics_derived_address": "the command line (-e)",
                    "xmpp_derived_domains": "the command line (-e)",
                }
            },
        ),
    ],
    ids=["inventory", "command line"],
)
def test_derived_values_cannot_be_set(
    tmp_path: Path, inventories: dict[str, str], extra: list[str], wanted: dict[str, dict[str, str]]
) -> None:
    """In an inventory they would have no effect; on the command line, one that contradicts the settings."""
    for name, text in inventories.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "hosts").write_text(text)
    options = [word for name in inventories for word in ("-i", f"{name}/hosts")]
    playbook = PLAYBOOK.replace("  post_tasks:", "    - {role: metrics, tags: others}\n  post_tasks:")
    found = results(play(tmp_path, *options, *extra, playbook=playbook))
    assert {host: result["problems"] for host, result in found.items()} == {
        host: [
            f"{name} is computed from the settings, and cannot be set. Remove it.\n  where:   {place}"
            for name, place in places.items()
        ]
        for host, places in wanted.items()
    }


def test_names_without_effect_are_said(tmp_path: Path) -> None:
    """A forgotten xmpp_, or what is of another project's role: nobody knows which, so a word must do."""
    own = {"registration": "open", "Calls": False, "nginx_vhosts": [1], "domain": "friends.test", "nickname": "x"}
    settings = NOWHERE | own | {"xmpp_domain": "{{ domain }}"}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"bad": settings}}}, sort_keys=False))
    playbook = PLAYBOOK.replace("  post_tasks:", "    - {role: nginx, tags: others}\n  post_tasks:")
    output = play(tmp_path, "-i", "hosts.yml", "-e", "debug=true", playbook=playbook)
    (found,) = results(output).values()
    assert found["problems"] == []
    warnings = re.findall(r"^\[WARNING\]: (\w+ is no.*)$", output, re.MULTILINE)
    assert sorted(warnings) == [
        "Calls is not a setting: it has no effect. Did you mean xmpp_calls? (hosts.yml:7)",
        "debug is not a setting: it has no effect. Did you mean xmpp_debug? (the command line (-e))",
        "nginx_vhosts is not a variable of this project's role nginx: it has no effect (hosts.yml:9).",
        "registration is not a setting: it has no effect. Did you mean xmpp_registration? (hosts.yml:6)",
    ]


@pytest.mark.parametrize("npm", [None, "#!/bin/sh\necho E404 >&2\nexit 1\n", "#!/bin/sh\nexit 0\n"])
def test_web_chat_that_cannot_be_had(tmp_path: Path, npm: str | None) -> None:
    """The web site would lead to it when the run fails: it is fetched before a host is touched."""
    programs = tmp_path / "bin"
    programs.mkdir()
    if npm:
        (programs / "npm").write_text(npm)
        (programs / "npm").chmod(0o755)
    (tmp_path / "hosts.yml").write_text(
        yaml.safe_dump({"all": {"hosts": {"bad": NOWHERE | GOOD | {"xmpp_webchat": True}}}}, sort_keys=False)
    )
    playbook = PLAYBOOK.replace("  post_tasks:", "    - {role: webchat, tags: others}\n  post_tasks:")
    folder = f"__webchat_folder={tmp_path}/roles/../cache/14"
    output = play(tmp_path, "-i", "hosts.yml", "-e", folder, playbook=playbook, path=str(programs))
    ((problem,),) = (found["problems"] for found in results(output).values())
    lines = problem.splitlines()
    reasons = {None: "and this machine has no npm", "#!/bin/sh\nexit 0\n": "npm brought no"}
    assert lines[0].startswith("xmpp_webchat is true, but ")
    assert reasons.get(npm, "E404") in lines[0]
    assert f"into {tmp_path}/cache: it is used from there" in problem
    assert lines[-2:] == ["  where:   hosts.yml:7", "  example: xmpp_webchat: false"]


def test_one_service_is_on_one_host(tmp_path: Path) -> None:
    """Whoever deploys two by the same name is told, before a host is touched; of several services, each has its own."""
    hosts = {"one": {}, "other": {"xmpp_domain": "friends.test"}, "third": {"xmpp_domain": "family.test"}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": NOWHERE | GOOD}}))
    playbook = PLAYBOOK.replace("  post_tasks:", "    - {role: preflight, tags: always}\n  post_tasks:")
    playbook = playbook.replace("  roles:", "  any_errors_fatal: true\n  roles:")  # as in site.yml
    output = play(tmp_path, "-i", "hosts.yml", playbook=playbook)
    assert set(re.findall(r"^fatal: \[(.+)\]: FAILED!", output, re.MULTILINE)) == {"one", "other"}
    assert 'xmpp_domain is \\"friends.test\\" for one, and for other as well: a service is on one host.' in output
    assert "Gather facts of the host" not in output
