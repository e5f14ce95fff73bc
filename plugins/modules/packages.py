#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install Debian packages in one transaction, with services held back."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: packages
short_description: Install Debian packages in one transaction, with services held back
description:
  - Updates the package lists and installs everything with one C(apt-get) each. M(ansible.builtin.apt) needs
    python3-apt, which a bare host does not have; it installs that first, in a transaction of its own, and updates once
    more (docs/decisions/packages.md has the figures).
  - No service is started by its package (C(policy-rc.d)), so that none runs before it is configured.
  - Configuration files that the operator has changed stay.
  - Waits while somebody else installs packages, as long as that goes on, and says who it is and how far.
  - What came and what went is written down on the host, so that C(playbooks/remove.yml) can leave it as it was.
options:
  state:
    description: V(absent) removes the packages with their configuration.
    choices: [present, absent]
    default: present
    type: str
  name:
    description: >-
      Packages, each with the least version that will do after C(>=) if that matters; or what else apt-get takes, such
      as a pattern with the release to take packages from (apt-patterns(7)).
    type: list
    elements: str
    required: true
  start:
    description: Let packages start their services, for those that come back as they were.
    type: bool
    default: false
  then_start:
    description: Units that are not configured by a role, to be started once the packages are there.
    type: list
    elements: str
    default: []
  units:
    description:
      - The service of each package that roles configure. What of it is there and not in use before the first package
        comes is written down, too.
    type: dict
    default: {}
  places:
    description:
      - Folders that go with a package, by its name; C(own) are those of the service itself. Only where C(state) is
        V(absent).
    type: dict
    default: {}
  made:
    description: What services make in these folders as they run (shell patterns).
    type: list
    elements: str
    default: []
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Install the XMPP server
  conexizan.xmpp.packages:
    name: [ejabberd>=26.07, erlang-p1-sqlite3]
"""

RETURN = r"""
packages:
  description: What was (in check mode, would be) installed, upgraded or removed, with versions.
  type: list
  elements: str
  returned: always
waits:
  description:
    - Who has a lock (C(lock), C(pid), C(holder)), what C(step) dpkg is at, and C(progress), another text as long as
      that goes on. The caller never sees it, it waits.
  type: dict
  returned: when somebody else is at work; nothing was done then
held:
  description: Whether it is the operator's own settings of apt that keep a version away.
  type: bool
  returned: failure
foreign:
  description:
    - What is in I(places), and was brought by no package, no role and no service. The name of a folder ends in a slash.
  type: list
  elements: str
  returned: where C(state) is V(absent)
"""

import contextlib
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.command import (
    OPTIONS,
    PackagesError,
    run,
    services_held_back,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.locks import (
    DPKG_LOCK,
    LISTS_LOCK,
    OUR_LOCK,
    WaitingError,
    lock,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.record import foreign, idle, write_down
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.versions import HeldError, refuse_holds, refuse_old


def main() -> None:
    """Run the module."""
    os.umask(0o022)  # for what packages make; root's own may shut out the services
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "start": {"type": "bool", "default": False},
            "then_start": {"type": "list", "elements": "str", "default": []},
            "units": {"type": "dict", "default": {}},
            "places": {"type": "dict", "default": {}},
            "made": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    present = module.params["state"] == "present"
    verb = "install" if present else "purge"
    wanted = {name: minimum for name, _, minimum in (entry.partition(">=") for entry in module.params["name"])}
    places = [
        place for name, ones in module.params["places"].items() if name in wanted or name == "own" for place in ones
    ]
    others = [] if present else foreign(places, module.params["made"])
    if not wanted:
        module.exit_json(changed=False, packages=[], foreign=others)
    try:
        ours = None if module.check_mode else lock(OUR_LOCK)  # until the end
        if present:
            if ours:
                lock(LISTS_LOCK).close()  # DPkg::Lock::Timeout does not cover that lock
                lock(DPKG_LOCK).close()  # who has it has most of a run before them: no need to update meanwhile
                run("apt-get", "update", *OPTIONS)
            refuse_old(wanted)
            refuse_holds(wanted)
        if module.check_mode:
            plan = run("apt-get", verb, "--simulate", *OPTIONS, *wanted)
            pattern = r"^Inst (\S+) .*?\((\S+)" if present else r"^Purg (\S+) \[(\S+)\]"
        else:
            # Nor dpkg itself; and an unattended upgrade that is under way has its own services to start.
            lock(DPKG_LOCK).close()
            # A package that goes stops its service itself.
            with services_held_back() if present and not module.params["start"] else contextlib.nullcontext():
                # Finish what a power cut interrupted, if anything; apt refuses to go on otherwise.
                run("dpkg", "--force-confdef", "--force-confold", "--configure", "-a")
                before = dpkg.installed()
                unused = idle(module.params["units"], before)
                try:
                    plan = run("apt-get", verb, *OPTIONS, *wanted)
                finally:
                    write_down(before, dpkg.installed(), unused)
            if module.params["then_start"]:
                run("systemctl", "start", *module.params["then_start"])
            pattern = r"^Setting up (\S+?)(?::\S+)? \((\S+)\)" if present else r"^Removing (\S+?)(?::\S+)? \((\S+)\)"
    except WaitingError as error:  # before its kind
        module.exit_json(changed=False, packages=[], waits=error.report)
    except PackagesError as error:
        module.fail_json(msg=str(error), held=isinstance(error, HeldError))
    packages = sorted(f"{name} {version}" for name, version in re.findall(pattern, plan, re.MULTILINE))
    module.exit_json(changed=bool(packages), packages=packages, **({} if present else {"foreign": others}))


if __name__ == "__main__":
    main()
