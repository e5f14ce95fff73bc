# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the files of a pinned npm package on the controller, verified and compressed, ready for ``tree``."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action

SECONDS = 300


class ActionModule(Action):
    """Fill ``folder`` with some files of an npm package; needs no connection and changes no host.

    ``npm pack`` downloads, so that the operator's own npm settings hold; a package is code of others, and nothing of it
    is run. What was downloaded counts only if it has the SHA-512 checksum in ``integrity``.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("name", "version", "integrity", "files", "folder"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return at once if the folder is there; it appears in one step, when all of it is in order."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.have(self._task.args)
        result["changed"] = False
        return result

    @staticmethod
    def have(args: Mapping[str, Any]) -> None:
        """Do it; raises AnsibleActionFail. The front door calls this too, before a host is changed."""
        folder = Path(os.path.realpath(args["folder"]))
        if folder.exists():
            return
        try:
            package = download(args["name"], args["version"], folder.parent)
            check(package, args["integrity"], f"{args['name']} {args['version']}")
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                unpack(package, args["files"], Path(scratch) / folder.name)
                # Another host's worker may have been quicker, with the same files.
                if not folder.exists():
                    os.rename(Path(scratch) / folder.name, folder)
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename} cannot be written here: {error.strerror}") from error


def download(name: str, version: str, folder: Path) -> bytes:
    """Return the archive of a package, from *folder* if somebody has put it there, else from npm's registry."""
    archive = f"{name}-{version}.tgz"
    way_out = f"put {archive} into {folder}: it is used from there."
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / archive).exists():
        return (folder / archive).read_bytes()
    npm = shutil.which("npm")
    if npm is None:
        raise AnsibleActionFail(
            f"{name} {version} has to be downloaded, and this machine has no npm. "
            f"Install it (Debian: apt install npm). Or {way_out}"
        )
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", "--ignore-scripts", "--loglevel=error", f"{name}@{version}"]
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False, timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            raise AnsibleActionFail(
                f"npm did not download {name} {version} in {SECONDS} seconds. Or {way_out}"
            ) from error
        if done.returncode:
            raise AnsibleActionFail(
                f"npm could not download {name} {version}: {done.stderr.strip()}\n"
                f"It asks the registry that npm is set up for on this machine. Or {way_out}"
            )
        if not (Path(scratch) / archive).exists():
            raise AnsibleActionFail(f"npm brought no {archive}. Or {way_out}")
        return (Path(scratch) / archive).read_bytes()


def check(package: bytes, integrity: str, name: str) -> None:
    """Raise AnsibleActionFail unless the archive is the one that was pinned (npm's form, "sha512-" and base64)."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()
    if found != integrity:
        raise AnsibleActionFail(
            f"{name} is not what it was when it was chosen: its checksum is {found}, expected is {integrity}. "
            f"Nothing of it was unpacked. Do not use it; if it came from a file of yours, download that again."
        )


def unpack(package: bytes, files: list[str], folder: Path) -> None:
    """Write the named files of the package's ``dist/``, each compressed; the same bytes at any time."""
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for name in files:
            member = archive.extractfile(f"package/dist/{name}")
            if member is None:
                raise AnsibleActionFail(f"dist/{name} is no file in the package")
            path = folder / f"{name}.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(member.read(), 9, mtime=0))
