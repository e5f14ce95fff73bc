# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door: check every ``xmpp_*`` setting on the controller and report all problems at once.

Types, choices and examples come from ``meta/argument_specs.yml`` of the calling role. What is known beyond that of the
settings is in ``plugins/plugin_utils/settings``: what a value must look like in ``rules.py``, how settings depend on
each other in ``cross_checks``. Each problem has three parts: what is wrong, with the value; where to change it; an
example that would pass.

A value keeps the type it is written with. A quoted number or a quoted "yes" is a string, and a string in the place of a
number or of true is refused rather than guessed at: in a template, the string "false" counts as true.
"""

from __future__ import annotations

import contextlib
import gc
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.conexizan.xmpp.plugins.action.npm_package import ActionModule as NpmPackage
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.declarations import PROJECT, declared, read
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.acme_files import check_acme_files
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.as_written import places_of
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.configuration import refuse_other_configuration
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.cross_checks import check_across_settings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.each_setting import (
    check_acknowledged,
    check_each,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.other_variables import (
    check_derived,
    check_names,
    check_other_names,
    check_roles,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Places
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.problems import Problem, report
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.provided_certificate import (
    check_provided_certificate,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.role_files import (
    defaults_of,
    options_of,
    role_names,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.secrets_dir import (
    check_secrets,
    check_secrets_folder,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.website_dir import (
    check_pages,
    check_website_folder,
)

# What a host answers could be variables of the run, before those of the inventory: whoever has broken into one could
# have files and secrets of this machine, or of other hosts, installed there. Ansible loads this file in its main
# process before the first task begins, whatever configuration there is (roles/xmpp/vars keeps tasks out of the logs).
constants.INJECT_FACTS_AS_VARS = False

# That process forks a worker for each task, which would load all filters and tests for itself (quick-runs.md).
for loader in (filter_loader, test_loader):
    list(loader.all())
# And the footprints of all roles, which one task in four asks for. What is wrong with one is said by the lookup.
with contextlib.suppress(AnsibleError):
    for _, file in declared(PROJECT, "footprint.yml"):
        read(file)
# What has been loaded by now stays to the end. A worker that looked for garbage in it would get a copy of its own.
gc.freeze()


class ActionModule(Action):
    """Check the settings of the calling role; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("renamed", "taken_ports", "changes", "places"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return all problems, for people, and fail if there is one."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        role = Path(self._task._role._role_path)
        # Installed by ansible-galaxy, the collection cannot bring a configuration.
        if not variables.get("ansible_collection_name"):
            refuse_other_configuration(role.resolve().parents[1])
        places = places_of(variables, self._loader)
        settings = HostSettings(
            options_of(role, self._loader),
            variables,
            self._templar.template,
            defaults_of(role, self._loader),
            places.notation,
        )
        self.check(settings, role, places)
        result["changed"] = False
        if settings.problems:
            count = len(settings.problems)
            result["failed"] = True
            result["msg"] = (
                f"{count} {'corrections are' if count > 1 else 'correction is'} needed, nothing was changed yet."
            )
            result["problems"] = [report(problem, places) for problem in settings.problems]
        return result

    def check(self, settings: HostSettings, role: Path, places: Places) -> None:
        """Check the settings, then what follows from them: files, and variables of the play's other roles."""
        args = self._task.args
        derived = check_derived(settings, role, places, self._loader)
        check_names(settings, args.get("renamed", {}), derived)
        check_each(settings)
        check_across_settings(settings, args.get("taken_ports", {}), args.get("places", []))
        check_acknowledged(settings, int(args.get("changes", 0)))
        check_secrets_folder(settings)
        check_website_folder(settings)
        check_acme_files(settings, self.read)
        check_provided_certificate(settings, self.read)
        settings.sort()
        check_secrets(settings, self._task.check_mode)
        check_pages(settings, role.parent / "website/pages")
        known = check_roles(settings, role, self._loader)
        check_other_names(settings, role, known, derived, places, self._display.warning)
        if not settings.problems:
            self.check_web_chat(settings)

    def read(self, path: str) -> bytes:
        """Return what is in a file, decrypted if Ansible Vault has encrypted it."""
        return Path(self._loader.get_real_file(path)).read_bytes()

    def check_web_chat(self, settings: HostSettings) -> None:
        """Have the files of the web chat on this machine, if the play installs it: later, a host would be changed."""
        if settings.values.get("xmpp_webchat") is not True or "webchat" not in role_names(settings.variables):
            return
        names = ("version", "integrity", "files", "folder")
        wanted = {name: self._templar.template(settings.variables[f"__webchat_{name}"]) for name in names}
        try:
            NpmPackage.have({"name": "converse.js", **wanted})
        except AnsibleActionFail as error:
            wrong = f"xmpp_webchat is true, but {error.message}"
            settings.problems.append(Problem(("xmpp_webchat",), wrong, yaml_line("xmpp_webchat", False)))
