# SPDX-License-Identifier: GPL-3.0-or-later
"""The footprint of the roles: mistakes in it, and a new role that needs one line in site.yml and nothing else."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError

from ..kit import ansible_fork
from ..kit.collection import environment, unpacked
from ..kit.footprint import footprint
from .loading import ROOT
from .role_files import BARE_HOST

FILES = sorted((ROOT / "roles").glob("*/vars/footprint.yml"))
assert len(FILES) > 5, "the roles are elsewhere"


def project(folder: Path, said: Any, role: str = "one") -> Path:
    """Return a project of one role with this footprint."""
    file = folder / f"roles/{role}/vars/footprint.yml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(said))
    (folder / "site.yml").write_text(yaml.safe_dump([{"hosts": "all", "roles": [{"role": "one", "tags": "one"}]}]))
    return folder


# ---------------------------------------------------------------------- what the roles say
def test_conditions_use_settings_only() -> None:
    """So that the footprint is the same in every play; one without the role coturn knows no variable of it."""
    for file in FILES:
        for text in re.findall(r"{{.*?}}", file.read_text(), re.DOTALL):
            names = re.findall(r"\b[a-z_]*_[a-z_]+\b", re.sub(r"'[^']*'", "", text))
            assert all(re.match("(__)?xmpp_", name) for name in names), (file, text)


def test_only_conditions_are_templates() -> None:
    for file in FILES:
        for line in file.read_text().splitlines():
            assert "{{" not in line or "watch:" in line, (file, line)


@pytest.mark.parametrize(
    ("settings", "services"),
    [
        ({"xmpp_calls": True, "xmpp_metrics": ""}, ["ejabberd", "nginx", "coturn"]),
        ({"xmpp_calls": False, "xmpp_metrics": "10.0.0.1"}, ["ejabberd", "nginx", "prometheus-node-exporter"]),
    ],
)
def test_what_must_run_follows_from_the_settings(settings: dict[str, Any], services: list[str]) -> None:
    assert footprint("services", settings) == [f"{name}.service" for name in services]


@pytest.mark.parametrize(("certificates", "certbot"), [("acme", ["certbot.timer"]), ("selfsigned", [])])
def test_timers_that_must_be_active_follow_from_the_settings(certificates: str, certbot: list[str]) -> None:
    timers = ["apt-daily.timer", "apt-daily-upgrade.timer", "systemd-tmpfiles-clean.timer"]
    assert footprint("timers", {"xmpp_certificates": certificates}) == timers + certbot


def test_folders_without_links_are_deleted_with_the_service() -> None:
    deleted = {*footprint("places"), *(place for places in footprint("package_places").values() for place in places)}
    assert set(footprint("folders")) <= deleted


def test_one_role_has_what_it_says() -> None:
    """The role backup deletes it when it is switched off."""
    assert footprint("places", role="backup") == [
        "/etc/tmpfiles.d/xmpp-restored.conf",
        "/var/cache/xmpp-backup",
        "/var/lib/systemd/timers/stamp-xmpp-backup.timer",
        "/var/lib/xmpp-backup",
    ]


# ---------------------------------------------------------------------- mistakes
@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ([], "is no mapping; it takes units, packages"),
        ({"paths": []}, 'has the unknown key "paths"; it takes units, packages'),
        ({"places": "/srv"}, 'has "/srv" behind "places:", where a list of strings is meant'),
        ({"places": ["srv"]}, 'has "srv" behind "places:", which does not begin with /'),
        ({"units": ["a.service"]}, 'behind "units:", where a mapping is meant'),
        ({"units": {"a.service": None}}, 'has "None" behind "units: a.service:", where a mapping is meant'),
        ({"units": {"a": {}}}, 'has "a" behind "units:", which is neither a service nor a timer'),
        ({"units": {"a.service": {"watched": True}}}, 'has the unknown key "watched" behind "units: a.service:"'),
        ({"units": {"a.service": {"watch": 1}}}, 'has "1" behind "units: a.service: watch:", which is not bool'),
        ({"units": {"a.service": {"package": "a"}}}, 'has "a" behind "units: a.service: package:"'),
        ({"packages": {"a": {"places": ["b"]}}}, 'has "b" behind "packages: a: places:", which does not begin with /'),
        ({"packages": {"a": {"account": ["b"]}}}, 'behind "packages: a: account:", which is not str'),
        ({"secrets": {"/etc/a": "a.service"}}, 'has "a.service" behind "secrets:", which is not behind "units:"'),
    ],
)
def test_mistake_names_the_file(tmp_path: Path, said: Any, problem: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        footprint("places", project=project(tmp_path, said))
    assert "roles/one/vars/footprint.yml " in str(caught.value)
    assert problem in str(caught.value)


def test_file_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    """What has not changed is read once."""
    one = project(tmp_path, {"places": ["/srv/one"]})
    assert footprint("places", project=one) == ["/srv/one"]
    (one / "roles/one/vars/footprint.yml").write_text(yaml.safe_dump({"places": ["/srv/two", "/srv/three"]}))
    assert footprint("places", project=one) == ["/srv/three", "/srv/two"]


def test_condition_is_true_or_false(tmp_path: Path) -> None:
    said = {"units": {"a.service": {"watch": "{{ xmpp_domain }}"}}}
    with pytest.raises(AnsibleError, match=r'The unit a.service has "friends.test" behind "watch:"'):
        footprint("services", project=project(tmp_path, said))


def test_role_that_is_not_in_the_site_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=r"roles/two/vars/footprint.yml is of a role that is not in site.yml"):
        footprint("places", project=project(tmp_path, {}, role="two"))


def test_unknown_part_is_refused() -> None:
    with pytest.raises(AnsibleError, match=r'The footprint has no part "paths"\. It has places'):
        footprint("paths")


# ---------------------------------------------------------------------- a new role
ROLE = {
    "defaults/main.yml": """---
widget_packages: [widgetd]
widget_services:
  - unit: widgetd.service
    reads: [/etc/widget/*]
""",
    "meta/argument_specs.yml": """---
argument_specs:
  settings:
    short_description: A widget
    options:
      widget_packages: {type: list, elements: str, description: Packages.}
      widget_services: {type: list, elements: dict, description: Services.}
""",
    "tasks/main.yml": """---
- name: Install the widget's configuration
  conexizan.xmpp.tree:
""",
    "templates/etc/widget/widget.conf.j2": "# {{ ansible_managed }}\n",
    "vars/footprint.yml": """---
units:
  widgetd.service: {package: widgetd, watch: "{{ xmpp_calls }}", logs_nobody: true}
packages:
  widgetd: {account: _widgetd, places: [/var/lib/widgetd]}
accounts: [widget]
groups: [widgets]
places: [/srv/widget]
places_in_others: [/var/lib/ejabberd/widget]
made: [/var/lib/widgetd/*]
folders: [/srv/widget]
looks_for: [other-widgetd]
removes: [widget-logger]
deletes: [/var/log/widget.log*]
secrets: {/etc/widget/widget.conf: widgetd.service}
""",
}
# In place of the modules that work on a host: writes down what they are told, and returns what is known of a host.
MODULE = """#!/usr/bin/python3
import json, os, sys
# WANT_JSON: Ansible gives the name of a file with the arguments.
with open(sys.argv[1]) as stream:
    told = json.load(stream)
name = told["_ansible_module_name"].rpartition(".")[2]
with open(os.environ["TOLD"], "a") as stream:
    print(json.dumps([name, {key: value for key, value in told.items() if not key.startswith("_")}]), file=stream)
print(json.dumps({"changed": False, "rows": [], "packages": [], "foreign": [], "ansible_facts": {"xmpp_host": HOST}}))
"""
HOST = BARE_HOST | {
    "versions": {"widgetd": "1"},
    "packages": {"added": ["widgetd"], "gone": [], "been": []},
    "trees": ["widget"],
    "time_daemon": "",
    "memory_mib": 4096,
    "ipv4": "192.0.2.1",
    "ipv6": "",
}
STAND_INS = ("audit", "erase", "group", "host_facts", "host_health", "packages", "services", "tree", "user")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with a new role, and one line more in site.yml."""
    folder = unpacked(tmp_path_factory.mktemp("clone"))
    for name, text in ROLE.items():
        (folder / "roles/widget" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "roles/widget" / name).write_text(text)
    site = folder / "site.yml"
    line = "    - {role: services, tags: always}\n"
    before = site.read_text()
    assert line in before
    site.write_text(before.replace(line, "    - {role: widget, tags: widget}\n" + line))
    for name in STAND_INS:
        (folder / f"plugins/action/{name}.py").unlink(missing_ok=True)
        (folder / f"plugins/modules/{name}.py").write_text(MODULE.replace("HOST", repr(HOST)))
    return folder


def tasks_of(block: list[dict[str, Any]], modules: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the tasks with these modules, wherever they stand."""
    for task in block:
        for inner in ("block", "always"):
            yield from tasks_of(task.get(inner, []), modules)
        if modules & {key.rpartition(".")[2] for key in task}:
            # Ansible's own modules have a stand-in, too; conditions and results of other tasks are left out.
            kept = {key: value for key, value in task.items() if key in ("name", "loop", "vars", "check_mode")}
            yield kept | {
                f"conexizan.xmpp.{key.rpartition('.')[2]}": value
                for key, value in task.items()
                if key.rpartition(".")[2] in modules
            }


def told(clone: Path, playbook: str, *words: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what modules are told by a playbook of the clone."""
    log = clone / "told"
    log.write_text("")
    host = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    settings = {"xmpp_domain": "friends.test", "xmpp_certificates": "selfsigned"}
    (clone / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"one": host | settings}}}))
    own = environment(clone) | {"TOLD": str(log), "ANSIBLE_CONFIG": str(clone / "ansible.cfg")}
    done = ansible_fork.run("-i", "hosts.yml", playbook, *words, folder=clone, environment=own, merged=True)
    assert done.returncode == 0, done.stdout
    return [(name, options) for name, options in map(json.loads, log.read_text().splitlines())]


def told_by(clone: Path, verb: str, *modules: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what these modules are told by their tasks in a playbook, without the other tasks."""
    (play,) = yaml.safe_load((clone / f"playbooks/{verb}.yml").read_text())
    kept = {key: play[key] for key in ("name", "hosts", "gather_facts", "roles")}
    variables = play.get("vars", {}) | {"asked": {"options": {}}}
    tasks = [{"conexizan.xmpp.host_facts": {}}, *tasks_of(play["tasks"], set(modules))]
    (clone / "playbooks/part.yml").write_text(json.dumps([kept | {"vars": variables, "tasks": tasks}]))
    return told(clone, "playbooks/part.yml")[1:]


def test_new_role_is_known_to_the_site(clone: Path) -> None:
    """Its packages and services, and what it looks for: in the round trips that there are anyway."""
    said = dict(told(clone, "site.yml", "--tags", "widget"))
    assert {"widgetd", "other-widgetd"} <= set(said["host_facts"]["packages"])
    assert "widgetd.service" in said["host_facts"]["own_units"]
    assert "/etc/widget/widget.conf" in said["host_facts"]["files"]
    assert "widget-logger" in {*said["host_facts"]["packages"]} & {*said["host_facts"]["removes"]}
    assert "/var/log/widget.log*" in said["host_facts"]["deletes"]
    assert "/srv/widget" in said["host_facts"]["folders"]
    assert {"/srv/widget", "/var/lib/widgetd"} <= set(said["host_facts"]["places"])
    assert "widgetd.service" in [service["unit"] for service in said["services"]["services"]]
    assert "tree" in said


def test_new_role_is_known_to_check(clone: Path) -> None:
    ((_, asked),) = told_by(clone, "check", "host_health")
    assert "widgetd.service" in asked["services"]
    assert "widgetd.service" in asked["own_units"]


def test_new_role_is_known_to_audit(clone: Path) -> None:
    ((_, asked),) = told_by(clone, "audit", "audit")
    assert "widgetd" in asked["logs_nobody"]


def test_new_role_is_known_to_remove(clone: Path) -> None:
    """Nothing of it stays."""
    said = told_by(clone, "remove", "host_facts", "packages", "tree", "erase", "user", "group")
    (facts,) = [options for name, options in said if name == "host_facts"]
    assert "widgetd" in facts["packages"]
    assert "/srv/widget" in facts["folders"]
    assert {"/srv/widget", "/var/lib/widgetd"} <= set(facts["places"])
    plan, purge, _ = [options for name, options in said if name == "packages"]
    assert plan["places"]["widgetd"] == ["/var/lib/widgetd"]
    assert "/var/lib/widgetd/*" in plan["made"]
    assert purge["name"] == ["widgetd"]
    assert [options["name"] for name, options in said if name == "tree"] == ["widget"]
    (erased,) = [options["paths"] for name, options in said if name == "erase"]
    assert {"/srv/widget", "/var/lib/widgetd", "/var/lib/ejabberd/widget"} <= set(erased)
    assert [options["name"] for name, options in said if name == "user"] == ["widget", "_widgetd"]
    assert "widgets" in [options["name"] for name, options in said if name == "group"]


def test_new_role_is_known_to_the_test_of_the_sandbox(clone: Path) -> None:
    assert "widgetd.service" in footprint("confined", project=clone)
    assert footprint("secrets", project=clone)["/etc/widget/widget.conf"] == "widgetd.service"
    assert "widgetd.service" in footprint("services", project=clone)
