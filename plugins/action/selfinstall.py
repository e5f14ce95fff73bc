# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the files of cloud-init by which a host installs itself."""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.utils.vars import load_extra_vars
from ansible_collections.conexizan.xmpp.plugins.module_utils import atomic
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.declarations import PROJECT
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.selfinstall import first_boot, packing, seed
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.selfinstall.seed import Entry, Refused

DOCUMENTATION = r"""
name: selfinstall
short_description: Files by which a host installs itself
description:
  - Adds a command to the file C(user-data) in a folder, or writes one, and C(meta-data) if there is none. Without a
    source, the project itself is written beside them. In check mode, nothing is written.
options:
  folder: {description: Where they are written., type: path, required: true}
  source: {description: "HTTPS address of an archive, or of a repository (C(.git))", type: str, default: ""}
  version: {description: Tag or branch of a repository., type: str, default: ""}
  sha256: {description: Of the archive at I(source)., type: str, default: ""}
  secrets: {description: Whether secrets of the inventory may be in C(user-data)., type: bool, default: false}
  facts: {description: "What the host shows at the end: C(domain), C(web), C(secrets)", type: dict}
  files: {description: The settings that name files of the controller., type: dict}
"""

EXAMPLE = "Change it on the command line, for example: -e source=https://git.friends.example/conexizan.git"


def check_source(source: str, version: str, sha256: str) -> None:
    """Raise Refused for an address that no host could take a release from, or not safely."""
    if source and not re.fullmatch(r"https://[^\s/@]+/\S+", source):
        raise Refused(f'source is "{source}", which is not an HTTPS address. {EXAMPLE}')
    git = source.endswith(".git")
    if source and not git and not source.endswith((".tar.gz", ".tgz", ".tar.xz")):
        raise Refused(f'source is "{source}", which ends neither in .git nor as an archive (.tar.gz) does. {EXAMPLE}')
    if version and (not git or not re.fullmatch(r"[A-Za-z0-9][\w./+-]*", version)):
        raise Refused(
            f'version is "{version}": it is the name of a tag or branch, and needs a source that ends in .git. '
            f"{EXAMPLE} -e version=1.0.0"
        )
    if sha256 and (git or not source or not re.fullmatch("[0-9a-f]{64}", sha256)):
        raise Refused(
            f'sha256 is "{sha256}": it has 64 digits, as sha256sum prints them, and needs a source that is an archive. '
            "Change it on the command line, or leave it out"
        )


class ActionModule(Action):
    """Write them; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("folder", "source", "version", "sha256", "secrets", "facts", "files"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the files, and the size of user-data; raises AnsibleActionFail with what is wrong."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self._task.args
        try:
            check_source(args.get("source", ""), args.get("version", ""), args.get("sha256", ""))
            return result | self.write(Path(args["folder"]), task_vars or {})
        except Refused as error:
            raise AnsibleActionFail(f"{error}\nNothing was written.") from None
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename} cannot be read or written: {error.strerror}") from error

    def write(self, folder: Path, variables: dict[str, Any]) -> dict[str, Any]:
        """Write the files that differ; return what is there now."""
        user_data, meta_data, beside = (folder / name for name in ("user-data", "meta-data", first_boot.ARCHIVE))
        release = None if self._task.args.get("source") else seed.archive(packing.project_files(PROJECT))
        there = user_data.read_text(encoding="utf-8") if user_data.exists() else None
        added = seed.block(self.entries(variables, release))
        try:
            text = seed.with_block(there, added)
        except Refused as error:
            raise Refused(f"{user_data} {error}. Or name another folder: -e dir=FOLDER") from None
        wanted = {user_data: text.encode()}
        if not meta_data.exists():
            wanted[meta_data] = f"instance-id: conexizan-{self._task.args['facts']['domain']}\n".encode()
        if release is not None:
            wanted[beside] = release
        if not self._task.check_mode:
            folder.mkdir(parents=True, exist_ok=True)
            for path, content in wanted.items():
                atomic.write(path, content, durable=True)
        return {
            "changed": True,
            "written": [str(path) for path in wanted],
            "bytes": len(wanted[user_data]),
            "own": there is None,
        }

    def entries(self, variables: dict[str, Any], release: bytes | None) -> dict[str, Entry]:
        """Return the files that the first boot puts onto the host; raises Refused."""
        args, host = self._task.args, str(variables["inventory_hostname"])
        sources = [str(source) for source in variables.get("ansible_inventory_sources") or ()]
        if len(sources) != 1 or "," in sources[0]:
            raise Refused("The host takes its inventory from one file or folder: give one -i")
        files = packing.inventory_files(sources[0], constants.INVENTORY_IGNORE_EXTS, args["files"])
        inventory = packing.entries(files, host)
        # Names with an underscore are variables, as in the action command_line; those of Ansible are of this run alone.
        given = load_extra_vars(self._loader)
        if lost := [name for name in given if "_" in name.strip("_") and not name.startswith("ansible_")]:
            raise Refused(
                f"{', '.join(lost)}: set on the command line (-e), where the host would not find it. Write it into the "
                "inventory"
            )
        # As they are written.
        hosts = {name: variables["hostvars"].raw_get(name) for name in variables["groups"]["all"]}
        packing.refuse_lookups(hosts)
        if (secret := packing.secrets_in(hosts, inventory)) and not args.get("secrets"):
            raise Refused(
                f"{', '.join(secret)}: secrets would be in user-data, which whoever has the card can read, or at a "
                "provider its staff and each program on the host. Leave them out and set them on the host later, or "
                "accept it on the command line: -e secrets=true"
            )
        facts = {
            "host": host,
            "source": args.get("source", ""),
            "version": args.get("version", ""),
            "sha256": hashlib.sha256(release).hexdigest() if release is not None else args.get("sha256", ""),
            "written": int(time.time()),
            **args["facts"],
        }
        units = "etc/systemd/system"
        return {
            f"{units}/{seed.UNIT}": Entry(seed.UNIT_FILE.encode(), 0o644),
            f"{units}/multi-user.target.wants/{seed.UNIT}": Entry(f"../{seed.UNIT}".encode(), link=True),
            f"{seed.PLACE}/ansible.cfg": Entry(seed.CONFIGURATION.encode()),
            f"{seed.PLACE}/selfinstall": Entry(Path(first_boot.__file__).read_bytes()),
            f"{seed.PLACE}/selfinstall.json": Entry(json.dumps(facts, indent=1).encode()),
            **{f"{seed.PLACE}/inventory/{name}": entry for name, entry in inventory.items()},
        }
