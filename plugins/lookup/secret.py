# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated secrets: one file each, in a folder for each domain, on the machine that runs Ansible."""

from __future__ import annotations

import secrets
import string
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Lookup
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.secrets.files import (
    SUFFIX,
    find,
    locked,
    read,
    write,
    write_ssh_key,
)

DOCUMENTATION = r"""
name: secret
short_description: Secrets of a service, made on first use
description:
  - Returns what is in C(FOLDER/NAME.txt), without white space at its end. If there is no such file, a secret is made
    and written there, for nobody else to read; in check mode, nothing is written, and something else is returned.
  - C(.txt) is one of the names that Ansible takes for no inventory by itself, whatever ansible.cfg is in force.
options:
  _terms:
    description: Names of the secrets.
    required: true
  folder:
    description: The folder of the domain's secrets.
    type: path
    required: true
  length:
    description: Characters of a new one.
    type: int
    default: 40
  chars:
    description: What they are chosen from; letters and digits by default.
    type: str
  ssh_comment:
    description: If given, an ssh key is made, with this comment; the public one is beside it, in C(NAME.pub.txt).
    type: str
"""

RETURN = r"""
_raw:
  description: The secrets.
  type: list
  elements: str
"""

ALPHABET = string.ascii_letters + string.digits


class LookupModule(Lookup):
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the secrets."""
        self.set_options(var_options=variables, direct=kwargs)
        folder = Path(self.get_option("folder"))
        check = bool((variables or {}).get("ansible_check_mode"))
        return [self.secret(folder / f"{name}{SUFFIX}", check=check) for name in terms]

    def secret(self, path: Path, *, check: bool) -> str:
        """Return one secret."""
        chars = self.get_option("chars") or ALPHABET
        comment = self.get_option("ssh_comment")
        if check:
            found = find(path.parent, path.name.removesuffix(SUFFIX))
            return found[1] if found else chars[0] * self.get_option("length")
        if (secret := read(path)) is not None:
            return secret
        try:
            with locked(path.parent.parent):
                if not path.exists():
                    if comment:
                        write_ssh_key(path, comment)
                    else:
                        secret = "".join(secrets.choice(chars) for _ in range(self.get_option("length")))
                        write(path, f"{secret}\n")
        except OSError as error:
            raise AnsibleError(f"{path} cannot be written: {error.strerror}") from error
        return read(path) or ""
