#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create a test account for one run of the checks, and delete it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_account
short_description: Create and delete a test account for playbooks/check.yml
description:
  - Its name is random. It is recorded before the account is created, and only recorded accounts are ever deleted, so
    that no person's account can be deleted.
  - Accounts of interrupted runs are deleted by the next call, if they are older than two minutes.
options:
  domain:
    description: The domain of the account.
    type: str
    required: true
  name:
    description: The account to delete, as it was returned. Without it, one is created.
    type: str
    default: ''
extends_documentation_fragment: [conexizan.xmpp.ejabberd]
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full, details: Leaves no lasting change.}
"""

EXAMPLES = r"""
- name: Create a temporary account for the checks
  conexizan.xmpp.check_account:
    domain: chat.example.org
"""

RETURN = r"""
account:
  description: C(name) and C(password) of the created account.
  type: dict
  returned: without I(name)
"""

import secrets
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET_ARGUMENT, Api, ApiError, user_of
from ansible_collections.conexizan.xmpp.plugins.module_utils.private_json import read, write

MADE = Path("/var/lib/xmpp/check.json")  # the accounts, by address, with the time
OLD = 120  # seconds; more than any run has use for one


def delete(api: Api, made: dict[str, float], addresses: list[str]) -> None:
    """Delete those of the addresses that were made here, with all that belongs to them."""
    for address in [address for address in addresses if address in made]:
        api.call("unregister", **user_of(address))
        del made[address]
        write(MADE, made)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "domain": {"type": "str", "required": True},
            "name": {"type": "str", "default": ""},
            **SOCKET_ARGUMENT,
        },
        supports_check_mode=True,
    )
    domain, name, now = module.params["domain"], module.params["name"], time.time()
    try:
        api, made = Api(module.params["socket"]), read(MADE)
        served = api.call("registered_vhosts")
        # One of a domain that is not served for now stays noted.
        left = [address for address in made if user_of(address)["host"] in served]
        delete(api, made, [address for address in left if not 0 <= now - made[address] <= OLD])
        if name:
            delete(api, made, [f"{name}@{domain}"])
            module.exit_json(changed=False)
        if domain not in served:
            module.fail_json(msg=f"ejabberd serves {', '.join(served)} and not {domain}: run site.yml")
        account = {"name": f"check-{secrets.token_hex(16)}", "password": secrets.token_urlsafe(24)}
        made[f"{account['name']}@{domain}"] = now
        write(MADE, made)
        api.call("register", user=account["name"], host=domain, password=account["password"])
    except (ApiError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, account=account)


if __name__ == "__main__":
    main()
