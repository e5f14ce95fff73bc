# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an operator's inventory, and of this project, goes to a host that installs itself, and nothing else."""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.selfinstall.seed import Entry, Refused
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import SECRET

# Folders beside an inventory that belong to it: of Ansible, and of this project (docs/website.md).
BESIDE = ("group_vars", "host_vars", "notices")
# Settings that name a file or a folder of the controller.
FILES = (
    "xmpp_acme_ca_file",
    "xmpp_acme_hook_file",
    "xmpp_certificate_file",
    "xmpp_certificate_key_file",
    "xmpp_website_dir",
)
ANSIBLE_SECRETS = ("ansible_password", "ansible_ssh_pass", "ansible_become_password", "ansible_become_pass")
VAULT, PRIVATE_KEY = b"$ANSIBLE_VAULT;", b"PRIVATE KEY-----"
# Of variables that are no settings: a value that only a setting uses may stand in one of them, as vault_… does.
OTHER_SECRETS = re.compile(
    r"(^|_)(pass|passwd|password|passphrase|secret|token|credentials?|(api|private)_?key|vault)(_|$)", re.IGNORECASE
)
LOOKUP = re.compile(r"\b(?:lookup|query|q)\s*\(\s*['\"](?:ansible\.builtin\.)?([\w.]+)['\"]")
# The lookups that read variables alone. Others read files, the environment or programs of the controller.
OF_VARIABLES = (
    "dict",
    "indexed_items",
    "items",
    "list",
    "nested",
    "sequence",
    "subelements",
    "together",
    "vars",
    "varnames",
)
LOCAL = "zz-selfinstall.yml"  # read after the others


def inside(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, but hidden ones."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from inside(path)
        else:
            yield path


def inventory_files(source: str, ignored: Sequence[str], values: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files of an inventory, by their names in its folder; raises Refused."""
    path = Path(source)
    if not path.exists():
        raise Refused(f'The inventory is "{source}", which is no file and no folder')
    base = path if path.is_dir() else path.parent
    tops = [one for one in sorted(base.iterdir()) if one.is_file()] if path.is_dir() else [path]
    found = [one for one in tops if not one.name.startswith(".") and not one.name.endswith(tuple(ignored))]
    for one in found:
        if os.access(one, os.X_OK):
            raise Refused(f"{one} is a program: the host needs an inventory of files")
    for name in BESIDE:
        found += inside(base / name)
        found += [one for one in base.glob(f"{name}.*") if one.is_file() and one not in found]
    for name in FILES:
        value = str(values.get(name) or "")
        if not value or not Path(value).exists():
            continue
        if not Path(value).resolve().is_relative_to(base.resolve()):
            raise Refused(f'{name} is "{value}", outside of {base}: the host would not have it. Move it there')
        found += inside(Path(value)) if Path(value).is_dir() else [Path(value)]
    return {str(one.resolve().relative_to(base.resolve())): one for one in found}


def entries(files: Mapping[str, Path], host: str) -> dict[str, Entry]:
    """Return the files of an inventory for an archive, and the one by which the host reaches itself; raises Refused."""
    packed = {}
    for name, path in files.items():
        content = path.read_bytes()
        if VAULT in content:
            raise Refused(
                f"{path} is encrypted by Ansible Vault, and the host does not have the password. Decrypt what it needs"
            )
        packed[name] = Entry(content, 0o700 if os.access(path, os.X_OK) else 0o600)
    here = {"all": {"hosts": {host: {"ansible_connection": "local", "ansible_become": False}}}}
    packed[LOCAL] = Entry(f"# This host is the one that runs Ansible.\n{yaml.safe_dump(here)}".encode())
    return packed


def is_secret(name: str) -> bool:
    """Tell by its name whether a variable of an inventory holds what nobody else should read."""
    if name.startswith("ansible_"):
        return name in ANSIBLE_SECRETS
    return bool((SECRET if name.startswith("xmpp_") else OTHER_SECRETS).search(name))


def holds_secret(name: str, value: Any) -> bool:
    """Tell whether a variable, or a key of what is in it, is a secret and has a value."""
    if isinstance(value, list):
        return any(holds_secret(name, one) for one in value)
    if isinstance(value, Mapping) and not is_secret(name):
        return any(holds_secret(str(key), one) for key, one in value.items())
    return bool(value) and is_secret(name)


def secrets_in(hosts: Mapping[str, Mapping[str, Any]], files: Mapping[str, Entry]) -> list[str]:
    """Return what of an inventory nobody else should read: variables of any host, and files with private keys."""
    found = {
        str(name) for variables in hosts.values() for name, value in variables.items() if holds_secret(str(name), value)
    }
    return sorted(found) + [name for name, entry in files.items() if PRIVATE_KEY in entry.content]


def lookups(value: Any) -> Iterator[str]:
    """Yield the lookups in a value as it is written that read more than variables."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from lookups(one)
    elif isinstance(value, list):
        for one in value:
            yield from lookups(one)
    elif isinstance(value, str) and "{" in value:
        yield from (name for name in LOOKUP.findall(value) if name not in OF_VARIABLES)


def refuse_lookups(hosts: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise Refused for variables, as they are written, that the host would read from itself."""
    found = {
        f"{variable} (lookup {name})"
        for variables in hosts.values()
        for variable, value in variables.items()
        for name in lookups(value)
    }
    if found:
        raise Refused(
            f"{', '.join(sorted(found))}: what is looked up is on this computer, and the host would not find it. Write "
            "the value itself into the inventory"
        )


def project_files(project: Path) -> dict[str, Entry]:
    """Return the files of this project: what `galaxy.yml` says of a clone, all of an installed collection."""
    manifest = project / "FILES.json"
    if manifest.exists():
        listed = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        names = ["MANIFEST.json", "FILES.json", *(one["name"] for one in listed if one["ftype"] == "file")]
    else:
        metadata = yaml.safe_load((project / "galaxy.yml").read_text(encoding="utf-8"))
        names = ["galaxy.yml", *named_by(metadata["manifest"]["directives"], project)]
    return {
        name: Entry((project / name).read_bytes(), 0o755 if os.access(project / name, os.X_OK) else 0o644)
        for name in sorted(names)
    }


def named_by(directives: Sequence[str], project: Path) -> list[str]:
    """Return the names of files by directives of MANIFEST.in: include, recursive-include, global-exclude."""
    names: list[str] = []
    for directive in directives:
        word, *rest = directive.split()
        if word == "include":
            names += [name for name in rest if (project / name).is_file()]
        elif word == "recursive-include":
            folder, *patterns = rest
            for path in sorted((project / folder).rglob("*")):
                linked = any(
                    part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(project / folder)
                )
                if path.is_file() and not linked and any(fnmatch.fnmatch(path.name, one) for one in patterns):
                    names.append(str(path.relative_to(project)))
        elif word == "global-exclude":
            names = [name for name in names if not any(fnmatch.fnmatch(Path(name).name, one) for one in rest)]
        else:
            raise Refused(f'{project}/galaxy.yml has the directive "{word}", which is not known here')
    return names
