#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host side of ``tree``: make the files of one role exactly what the controller rendered."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: tree
short_description: Install a role's templates/ tree in one round trip
description:
  - Renders every file below C(templates/) of the calling role on the controller (names ending in C(.j2) are Jinja, all
    others are copied byte for byte) and installs them at the same path on the host with one module call.
  - The host is not asked where it has these files already, by what M(host_facts) has read of them in this run.
  - Of a large file only the checksum is sent as long as the host has it; if not, all is sent in a second call.
  - A file that was installed by an earlier run and is no longer in the tree, or renders to nothing, is removed.
  - A file belongs to one role. One that moves to another role, which runs earlier or later, or that is now called
    otherwise, stays in place and is handed over to it; nothing is restarted for that.
  - Files are written atomically. If a command in I(validate) fails, all is put back as it was and the task fails.
    M(services) does the same with the files of all roles if a running service refuses its new ones.
  - When each file last changed is kept for M(services), which restarts what reads it.
  - After changes below C(/etc/systemd/system), C(/etc/sysusers.d) or C(/etc/tmpfiles.d) systemd is told about them.
  - Diffs show world-readable files only, so that no secret ever appears in one.
options:
  state:
    description: V(absent) removes everything that the role has installed, and stops units whose files go away.
    choices: [present, absent]
    default: present
    type: str
  name:
    description: The role; the calling one without it. Only where C(state) is V(absent).
    type: str
  permissions:
    description:
      - Owner, group and mode by path (shell patterns) where they are not root, root and 0644 (0755 for an executable
        source).
    type: dict
    default: {}
  files:
    description: Further files that belong to the tree, text by path; for what is made by a plugin.
    type: dict
    default: {}
  folders:
    description:
      - Folders on the controller whose files belong to the tree as they are, by the path on the host. They may be
        missing.
    type: dict
    default: {}
  shared:
    description:
      - Files of C(plugins/module_utils) that programs in C(/usr/local/lib/xmpp) import by the same names as modules do.
        They are installed below C(/usr/local/lib/xmpp/ansible_collections).
      - A file belongs to one role, as those of C(templates/) do.
    type: list
    elements: str
    default: []
  validate:
    description: Commands that judge the installed files (argument lists).
    type: list
    elements: list
    default: []
  after_services:
    description:
      - Whether M(services) has run already. What was there before is not kept then, or a later run, in which a service
        refuses its new files, would put it back.
    type: bool
    default: false
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
"""

EXAMPLES = r"""
- name: Install nginx's configuration
  conexizan.xmpp.tree:
    permissions:
      /etc/nginx/xmpp.secret: {mode: "0600"}
    validate: [[nginx, -t, -c, /etc/nginx/xmpp.conf]]
"""

RETURN = r"""
paths:
  description: Files that were written, given other permissions, or removed.
  type: list
  elements: str
  returned: always
missing:
  description: Large files whose content has to be sent as well; nothing has been done then.
  type: list
  elements: str
  returned: when there are any; the caller never sees it
leaving:
  description: Files that would be removed, and of which the caller has not said yet whether they are now another
    role's; nothing has been done then.
  type: list
  elements: str
  returned: when there are any; the caller never sees it
"""

import base64
import json
import os
import zlib
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils.role_tree import File, Tree, TreeError, content_of


def main() -> None:
    """Run the module."""
    os.umask(0o022)  # for what systemd's programs make; root's own may shut out the services
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "payload": {"type": "str", "required": True, "no_log": True},
            "validate": {"type": "list", "elements": "list", "default": []},
            "heirs": {"type": "dict"},
            "after_services": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    entries = json.loads(zlib.decompress(base64.b64decode(params["payload"])))
    files, missing = [], []
    for entry in entries:
        content = content_of(entry)
        if content is None:
            missing.append(entry["path"])
        else:
            files.append(File(Path(entry["path"]), content, entry["owner"], entry["group"], int(entry["mode"], 8)))
    if missing:
        module.exit_json(changed=False, paths=[], missing=missing)
    try:
        tree = Tree(params["name"], files, params["heirs"])
        if tree.gone and params["heirs"] is None:
            module.exit_json(changed=False, paths=[], leaving=[str(path) for path in tree.gone])
        paths = tree.paths
        diff = tree.diff() if module._diff else []
        if (paths or tree.moving) and not module.check_mode:
            tree.apply(params["validate"], keep=not params["after_services"])
    except (TreeError, OSError) as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {"changed": bool(paths), "paths": paths}
    if diff:
        result["diff"] = diff
    module.exit_json(**result)


if __name__ == "__main__":
    main()
