#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove files and folders in one round trip, also where a disk is mounted."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: erase
short_description: Remove files and folders, also where a disk is mounted
description:
  - Removes files and folders with all that is in them, all at once.
  - Of a folder where something is mounted, what is in it is removed; the folder itself stays with the mount, which is
    the operator's. C(lost+found) belongs to the disk.
  - A symbolic link is removed, not what it leads to.
options:
  paths:
    description: What is to be removed; shell patterns. Patterns without a match are ignored.
    type: list
    elements: str
    required: true
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Remove the data
  conexizan.xmpp.erase:
    paths: [/srv/xmpp, /etc/letsencrypt/live/xmpp_*]
"""

RETURN = r"""
paths:
  description: What was there, and was (in check mode, would be) removed.
  type: list
  elements: str
  returned: always
mounted:
  description: Empty folders that stay, since something is mounted there.
  type: list
  elements: str
  returned: always
"""

import errno
import glob
import os

from ansible.module_utils.basic import AnsibleModule


def empty(folder: str) -> list[str]:
    """Remove what is in a folder; return the folders that stay."""
    stay = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.name != "lost+found" or not os.path.ismount(folder):
                stay += remove(entry.path)
    return stay


def remove(path: str) -> list[str]:
    """Remove a file, a link or a folder; return the folders that stay: where something is mounted, and above."""
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return []
    stay = empty(path)
    if stay:
        return stay
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY) or not os.path.ismount(path):
            raise
        return [path]
    return []


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"paths": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True
    )
    paths = sorted({path for pattern in module.params["paths"] for path in glob.glob(pattern) if os.path.lexists(path)})
    mounted: list[str] = []
    # What is nothing but such a folder is as good as gone.
    there = [path for path in paths if not is_left_over(path)]
    if not module.check_mode:
        for path in paths:
            if os.path.lexists(path):  # not in one that was before
                mounted += remove(path)
    module.exit_json(changed=bool(there), paths=there, mounted=mounted)


def is_left_over(path: str) -> bool:
    """Tell whether a folder holds nothing but empty folders where something is mounted."""
    if os.path.islink(path) or not os.path.isdir(path):
        return False
    names = set(os.listdir(path)) - ({"lost+found"} if os.path.ismount(path) else set())
    return (bool(names) or os.path.ismount(path)) and all(is_left_over(os.path.join(path, name)) for name in names)


if __name__ == "__main__":
    main()
