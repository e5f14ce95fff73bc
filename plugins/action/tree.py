# SPDX-License-Identifier: GPL-3.0-or-later
# More than 150 lines: rendering and asking the host need the templar, the task and its play, which an action has.
"""Controller side of ``tree``: render a role's files and hand them to the host in one module call."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.template import trust_as_template
from ansible_collections.conexizan.xmpp.plugins.module_utils.tree_files import MANAGED, digest
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action

# Jinja as Ansible's own `template` sets it, plus lstrip_blocks: a block tag may be indented with what it guards.
JINJA_OVERRIDES = {"trim_blocks": True, "lstrip_blocks": True}
ARGUMENTS = ("name", "state", "permissions", "validate", "files", "folders", "shared", "after_services")
# Where programs in /usr/local/lib/xmpp find what they share with the modules, by the same name.
SHARED = "ansible_collections/conexizan/xmpp/plugins/module_utils"
MODULE_UTILS = Path(__file__).resolve().parents[1] / "module_utils"
# Of a file larger than this (bytes, compressed) the checksum is sent first, and the file only to a host without it.
LARGE = 8192


class ActionModule(Action):
    """Render ``templates/`` of the calling role and install it with one remote call."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the result of the module of the same name; fail before any remote call on a bad argument."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = dict(task_vars or {})
        args = self._task.args
        unknown = sorted(set(args) - set(ARGUMENTS))
        if unknown:
            raise AnsibleActionFail(f"tree knows no {', '.join(unknown)}; it takes {', '.join(ARGUMENTS)}")
        state = args.get("state", "present")
        if state not in ("present", "absent"):
            raise AnsibleActionFail(f"tree: state is {state}, it can be present or absent")
        role = self._task._role
        if role is None and not (state == "absent" and "name" in args):
            raise AnsibleActionFail("tree installs the templates/ of a role: call it from a role's tasks")
        name = args.get("name") or Path(role._role_path).name

        host = variables.get("ansible_facts", {}).get("xmpp_host", {})
        if state == "absent" and name not in host.get("trees", [name]):
            return result | {"changed": False, "paths": []}  # what was never on is not worth a round trip

        files = []
        if state == "present":
            more = self._given(args.get("files") or {}, args.get("folders") or {}, args.get("shared") or [])
            files = self._render(Path(role._role_path), variables, args.get("permissions") or {}, more)
            if host.get("tree_digests", {}).get(name) == digest(map(row_of, files)):
                return result | {"changed": False, "paths": []}
        module_args: dict[str, Any] = {
            "name": name,
            "validate": args.get("validate") or [],
            "after_services": args.get("after_services", False),
        }
        # Outside of a role, nothing is handed over.
        module_args["heirs"] = {} if role is None else None
        # A host without any file of the role lacks the large ones, too.
        known = name in host.get("trees", [name])
        sent = [checksum_of(file) if known and is_large(file) else file for file in files]
        # A host asks for what it lacks once, and once for what leaves this role.
        for _ in range(3):
            payload = base64.b64encode(zlib.compress(json.dumps(sent).encode(), 6)).decode()
            done = self._execute_module(
                module_name="conexizan.xmpp.tree", module_args=module_args | {"payload": payload}, task_vars=task_vars
            )
            if done.get("missing"):
                sent = files
            elif done.get("leaving"):
                no_heirs = {name} | self._have_run(role._play, variables["inventory_hostname"])
                module_args["heirs"] = heirs(Path(role._role_path).parent, no_heirs, done["leaving"])
            else:
                break
        else:
            raise AnsibleActionFail("tree: the host goes on asking")
        result.update(done)
        if module_args["heirs"] and "trees" in host:
            # One that is switched off calls the host in this run only if it is known to have files there.
            trees = sorted({*host["trees"], *module_args["heirs"].values()})
            result["ansible_facts"] = {"xmpp_host": {**host, "trees": trees}}
        return result

    def _have_run(self, play: Any, host: str) -> set[str]:
        """Return the roles that have run on *host*: a file that they have not taken is switched off there."""
        if self._task.check_mode:  # none has taken anything
            return set()
        return {
            Path(path).name for path, roles in play.role_cache.items() if any(host in one._completed for one in roles)
        }

    def _given(self, files: dict[str, str], folders: dict[str, str], shared: list[str]) -> dict[str, bytes]:
        """Return what is installed beside the tree: texts by path, files of folders as they are, shared modules."""
        given = {path: str(text).encode() for path, text in files.items()}
        given |= {f"/usr/local/lib/xmpp/{SHARED}/{name}": (MODULE_UTILS / name).read_bytes() for name in shared}
        for target, name in folders.items():
            folder = Path(name)
            for source in sorted(path for path in folder.rglob("*") if path.is_file()):
                inner = source.relative_to(folder)
                if not any(part.startswith(".") for part in inner.parts):
                    given[f"{target}/{inner.as_posix()}"] = source.read_bytes()
        return given

    def _render(
        self, role: Path, variables: dict[str, Any], permissions: dict[str, dict[str, str]], more: dict[str, bytes]
    ) -> list[dict[str, Any]]:
        """Return the wanted files; a template that renders to white space only is not wanted (its feature is off)."""
        templates = role / "templates"
        # The same in every file: with the role's name in it, a role with another name would restart what reads them.
        variables["ansible_managed"] = MANAGED
        unused = set(permissions)
        wanted: list[tuple[str, bytes, str]] = [(path, content, "0644") for path, content in more.items()]
        # What several roles have, they include from where it is written once.
        places = [templates, role / "files", role.parent / "base/templates"]
        templar = self._templar.copy_with_new_env(
            searchpath=[str(place) for place in places], available_variables=variables
        )
        for source in sorted(path for path in templates.rglob("*") if path.is_file()):
            if source.parent.name == "__pycache__":  # of a Python program that somebody has run here
                continue
            name = source.relative_to(templates).as_posix()
            path = f"/{name.removesuffix('.j2')}"
            if name.endswith(".j2"):
                rendered = templar.template(
                    trust_as_template(source.read_text(encoding="utf-8")),
                    escape_backslashes=False,
                    overrides=JINJA_OVERRIDES,
                )
                text = "" if rendered is None else str(rendered)  # Ansible says None where Jinja says nothing
                if not text.strip():
                    unused -= {pattern for pattern in permissions if fnmatch.fnmatch(path, pattern)}
                    continue
                content = text.encode()
            else:
                content = source.read_bytes()
            wanted.append((path, content, "0755" if source.stat().st_mode & 0o100 else "0644"))
        files: list[dict[str, Any]] = []
        for path, content, mode in wanted:
            entry = {
                "path": path,
                "content": base64.b64encode(content).decode(),
                "owner": "root",
                "group": "root",
                "mode": mode,
            }
            for pattern, values in permissions.items():
                if fnmatch.fnmatch(path, pattern):
                    entry.update(values)
                    unused.discard(pattern)
            files.append(entry)
        if unused:
            raise AnsibleActionFail(f"tree: permissions for {', '.join(sorted(unused))} match no file of {templates}")
        return files


def heirs(folder: Path, without: set[str], paths: list[str]) -> dict[str, str]:
    """Return the role whose templates/ have a file now, by path, for what is in one of a role not in *without*.

    The host names the paths: none that leads out of templates/ tells it what there is on this machine.
    """
    if strange := [
        path for path in paths if not path.startswith("/") or "//" in path or os.path.normpath(path) != path
    ]:
        raise AnsibleActionFail(f"tree: the host names a path that no manifest has: {strange[0]!r}")
    return {
        path: other.name
        for other in sorted(folder.iterdir())
        if other.name not in without
        for path in paths
        if any((other / "templates" / (path.lstrip("/") + ending)).is_file() for ending in ("", ".j2"))
    }


def row_of(file: dict[str, Any]) -> tuple[str, str, str, str, int]:
    """Return a file as it counts in the digest of a role's."""
    return file["path"], checksum_of(file)["sha256"], file["owner"], file["group"], int(file["mode"], 8)


def is_large(file: dict[str, Any]) -> bool:
    """Whether it is worth asking first: a second call costs more than some kilobytes."""
    return len(zlib.compress(file["content"].encode(), 1)) > LARGE


def checksum_of(file: dict[str, Any]) -> dict[str, Any]:
    """Return a file as it is sent to a host that may have it: with its checksum in the place of its content."""
    return file | {"content": None, "sha256": hashlib.sha256(base64.b64decode(file["content"])).hexdigest()}
