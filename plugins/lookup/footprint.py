# SPDX-License-Identifier: GPL-3.0-or-later
# More than 150 lines: what a footprint may contain, how it is checked and how it is joined are read together.
"""The footprint: what roles bring to a host beside the files of their templates, and leave there as they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Lookup
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.declarations import PROJECT, declared, read

DOCUMENTATION = r"""
name: footprint
short_description: What the roles bring to a host beside the files of their templates
description:
  - Each role says in C(vars/footprint.yml) what it brings to a host, and what it leaves there as it runs. The front
    door, C(preflight), the playbooks C(check), C(remove) and C(audit), and the tests of the sandbox read the union.
  - "A file has these keys, all of them optional."
  - C(units) are units of systemd that the role configures or relies on, each with C(package), the package that it is
    the service of; C(watch), whether it must run, which C(playbooks/check.yml) looks at; and C(logs_nobody), whether
    its lines in the journal name no person.
  - C(packages) are Debian packages, each with C(account), which stays when the package is purged, and C(places), which
    go with it.
  - C(places) is what is deleted with the service, C(places_in_others) the same in folders of packages that were there
    before (patterns), C(made) what services make as they run in folders that are deleted (patterns), C(folders) where
    nothing may be a symbolic link.
  - C(accounts) and C(groups) are those of the system that the role makes.
  - C(secrets) has files, each with the one service that can read it, or nothing for none.
  - C(looks_for) are packages that the role looks for on the host and does not install, C(removes) those that it
    removes, and C(deletes) the logs that it deletes (patterns).
  - C(watch) may use the variables of the role xmpp, so that the footprint is the same in every play with that role.
    Everything else is as it stands.
options:
  _terms:
    description:
      - Which part is wanted. A key of a role's file is the union of all roles, in alphabetical order; C(groups) and
        C(accounts) begin with the last role of C(site.yml).
      - C(services) and C(timers) are the units that must run with these settings, those that run with any first.
      - C(logs_nobody) has the names of services, C(confined) all services, C(files) the paths of the
        roles' templates outside of C(places), C(package_services) package to service,
        C(package_places) package to places, C(package_accounts) package to account.
    required: true
  role: {description: The role whose part is wanted; all of them without., type: str, default: ""}
  project: {description: Folder with C(site.yml) and C(roles)., type: path, default: the project of this plugin}
"""

RETURN = r"""
_raw:
  description: For each part a list, or a dictionary.
  type: list
"""

LISTS = ("places", "places_in_others", "made", "folders", "accounts", "groups", "looks_for", "removes", "deletes")
PATHS = ("places", "places_in_others", "folders", "deletes")
UNIT: dict[str, tuple[type, ...]] = {"package": (str,), "watch": (bool, str), "logs_nobody": (bool,)}
PACKAGE: dict[str, tuple[type, ...]] = {"account": (str,), "places": (list,)}
KEYS = ("units", "packages", "secrets", *LISTS)
SERVICE = ".service"


class Mistake(Exception):
    """What is wrong with a file, to follow its name."""


def check_list(where: str, value: Any, *, paths: bool) -> None:
    """Raise Mistake for what is no list of strings, or of paths."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise Mistake(f'has "{value}" behind "{where}:", where a list of strings is meant')
    if wrong := [item for item in value if paths and not item.startswith("/")]:
        raise Mistake(f'has "{wrong[0]}" behind "{where}:", which does not begin with /')


def check_mapping(where: str, value: Any, keys: Mapping[str, tuple[type, ...]]) -> None:
    """Raise Mistake for what is no mapping of names to mappings with these keys."""
    if not isinstance(value, dict):
        raise Mistake(f'has "{value}" behind "{where}:", where a mapping is meant')
    for name, entry in value.items():
        if not isinstance(entry, dict):
            raise Mistake(f'has "{entry}" behind "{where}: {name}:", where a mapping is meant, which can be {{}}')
        for key, inner in entry.items():
            if key not in keys:
                raise Mistake(f'has the unknown key "{key}" behind "{where}: {name}:"; it takes {", ".join(keys)}')
            if not isinstance(inner, keys[key]):
                raise Mistake(f'has "{inner}" behind "{where}: {name}: {key}:", which is not {keys[key][0].__name__}')


def check(footprint: Any) -> None:
    """Raise Mistake for a footprint that cannot be meant."""
    if not isinstance(footprint, dict):
        raise Mistake(f"is no mapping; it takes {', '.join(KEYS)}")
    for key, value in footprint.items():
        if key not in KEYS:
            raise Mistake(f'has the unknown key "{key}"; it takes {", ".join(KEYS)}')
        if key in LISTS:
            check_list(key, value, paths=key in PATHS)
    check_mapping("units", footprint.get("units", {}), UNIT)
    for name, unit in footprint.get("units", {}).items():
        if not name.endswith((SERVICE, ".timer")):
            raise Mistake(f'has "{name}" behind "units:", which is neither a service nor a timer')
        if unit.get("package", "") not in ("", *footprint.get("packages", {})):
            raise Mistake(f'has "{unit["package"]}" behind "units: {name}: package:", which is not behind "packages:"')
    check_mapping("packages", footprint.get("packages", {}), PACKAGE)
    for name, package in footprint.get("packages", {}).items():
        check_list(f"packages: {name}: places", package.get("places", []), paths=True)
    secrets = footprint.get("secrets", {})
    if not isinstance(secrets, dict):
        raise Mistake(f'has "{secrets}" behind "secrets:", where a mapping is meant')
    check_list("secrets", list(secrets), paths=True)
    if wrong := [unit for unit in secrets.values() if unit not in ("", *footprint.get("units", {}))]:
        raise Mistake(f'has "{wrong[0]}" behind "secrets:", which is not behind "units:"')


class LookupModule(Lookup):
    """Returns parts of the footprint."""

    def run(
        self,
        terms: list[str],
        variables: Mapping[str, Any] | None = None,
        *,
        role: str = "",
        project: str | Path = PROJECT,
    ) -> list[Any]:
        """Return the parts; raises AnsibleError naming the file and what is wrong with it."""
        self._templar.available_variables = variables or {}
        footprints = list(self.footprints(Path(project), role))
        parts: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
            **{key: partial(joined, key) for key in LISTS},
            **{key: partial(merged, key) for key in ("units", "packages", "secrets")},
            "services": lambda all_of: self.watched(merged("units", all_of), SERVICE),
            "timers": lambda all_of: self.watched(merged("units", all_of), ".timer"),
            "confined": lambda all_of: [name for name in merged("units", all_of) if name.endswith(SERVICE)],
            "logs_nobody": lambda all_of: [
                name.removesuffix(SERVICE) for name, unit in merged("units", all_of).items() if unit.get("logs_nobody")
            ],
            "package_services": lambda all_of: {
                unit["package"]: name for name, unit in merged("units", all_of).items() if unit.get("package")
            },
            "package_places": lambda all_of: of_packages(all_of, "places"),
            "files": lambda all_of: files_of(Path(project), joined("places", all_of)),
            "package_accounts": lambda all_of: of_packages(all_of, "account"),
        }
        for term in terms:
            if term not in parts:
                raise AnsibleError(f'The footprint has no part "{term}". It has {", ".join(parts)}.')
        return [parts[term](footprints) for term in terms]

    def footprints(self, project: Path, wanted: str) -> Iterator[dict[str, Any]]:
        """Yield what the files of roles say, in the order of site.yml."""
        for role, file in declared(project, "footprint.yml"):
            footprint = read(file)
            try:
                check(footprint)
            except Mistake as error:
                raise AnsibleError(f"{file} {error}.") from None
            if wanted in ("", role):
                yield footprint

    def watched(self, units: Mapping[str, Mapping[str, Any]], suffix: str) -> list[str]:
        """Return the units that must run, those of every host first."""
        found = []
        for name, unit in units.items():
            if not name.endswith(suffix) or "watch" not in unit:
                continue
            wanted = self._templar.template(unit["watch"])
            if not isinstance(wanted, bool):
                raise AnsibleError(f'The unit {name} has "{wanted}" behind "watch:", where true or false is meant.')
            if wanted:
                found.append(name)
        return sorted(found, key=lambda name: (units[name]["watch"] is not True, name.removesuffix(suffix)))


def files_of(project: Path, places: list[str]) -> list[str]:
    """Return where the templates of all roles are installed; what is in folders of the service has no other owner."""
    paths = {
        "/" + file.relative_to(templates).as_posix().removesuffix(".j2")
        for templates in project.glob("roles/*/templates")
        for file in templates.rglob("*")
        if file.is_file() and file.parent.name != "__pycache__"
    }
    return sorted(path for path in paths if not any(path.startswith(f"{place}/") for place in places))


def joined(key: str, footprints: list[dict[str, Any]]) -> list[str]:
    """Return the union of a list: groups and accounts as they are removed, the last role first; else by name."""
    if key in ("accounts", "groups"):
        return list(dict.fromkeys(name for one in reversed(footprints) for name in one.get(key, [])))
    return sorted({name for one in footprints for name in one.get(key, [])})


def merged(key: str, footprints: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the union of a mapping, by name. What several roles say of one name is put together."""
    union: dict[str, Any] = {}
    for one in footprints:
        for name, value in one.get(key, {}).items():
            union[name] = {**union.get(name, {}), **value} if isinstance(value, dict) else value
    return dict(sorted(union.items()))


def of_packages(footprints: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Return package to what its roles say behind a key."""
    return {name: package[key] for name, package in merged("packages", footprints).items() if key in package}
