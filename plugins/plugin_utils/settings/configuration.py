# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration that Ansible runs with."""

from __future__ import annotations

import stat
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleActionFail


def refuse_other_configuration(project: Path) -> None:
    """Raise AnsibleActionFail unless Ansible runs as this project needs it.

    Its plugins are found wherever Ansible is started (collections/ lies beside site.yml, and playbooks/collections is a
    link to it), so that it is this sentence that is read there, and not that a module could not be resolved.
    """
    # What a host would log of each task, and what a host could set: the file of the project says no to both.
    configured = constants.config.get_config_value
    if configured("DEFAULT_NO_TARGET_SYSLOG") and not configured("INJECT_FACTS_AS_VARS"):
        return
    used = f"but {constants.CONFIG_FILE}" if constants.CONFIG_FILE else "and no other file either"
    if project == Path.cwd() and project.stat().st_mode & stat.S_IWOTH:
        way_out = f"This folder is world-writable, so Ansible ignores the file. Change that: chmod o-w {project}"
    else:
        way_out = f"Run it in the folder of the project: cd {project} (or: export ANSIBLE_CONFIG={project}/ansible.cfg)"
    raise AnsibleActionFail(
        f"Ansible does not use the configuration of this project, {project}/ansible.cfg, {used}. {way_out}"
    )
