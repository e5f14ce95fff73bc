#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# More than 150 lines: one function for each verb. What others need as well, such as dates and bans, is in module_utils.
"""Manage the accounts of a running ejabberd, over the HTTP API on its local socket."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ejabberd_user
short_description: List, create, let in, ban or delete accounts, or reset a password
description:
  - A banned account is a member of the shared roster group C(banned) of its domain, which the rule C(c2s) denies,
    and keeps its password and all that belongs to it. The reason is in its private storage.
options:
  verb:
    description: What to do. C(list) is done in any case, afterwards.
    type: str
    choices: [list, create, ban, unban, delete, reset, approve, refuse]
    default: list
  account:
    description: Address of the account. Needed by all verbs but C(list).
    type: str
    default: ''
  reason:
    description: Why it is banned, for the operator.
    type: str
    default: ''
  link:
    description: With C(reset), creates a link for setting a new password. Otherwise sets one and ends all sessions.
    type: bool
    default: true
  domains:
    description: Domains whose accounts are listed, or meant by I(since).
    type: list
    elements: str
    default: []
  since:
    description: >-
      Lists accounts created on this day (UTC) or later, by age. C(ban) and C(delete) then mean all of them; C(delete)
      is refused if one of them may be older.
    type: str
    default: ''
  sure:
    description: How many accounts I(since) selects. If there are more or fewer, none is banned or deleted.
    type: int
    default: 0
  circles:
    description: The circles of the first of I(domains), each with C(name) and C(members), local parts of addresses.
    type: list
    elements: dict
    default: []
  spared:
    description: Accounts that are left out of such a list, the administrators.
    type: list
    elements: str
    default: []
author: [Conexizan contributors (@conexizan)]
extends_documentation_fragment: [conexizan.xmpp.ejabberd]
"""

EXAMPLES = r"""
- name: Ban an account
  conexizan.xmpp.ejabberd_user:
    verb: ban
    account: mallory@chat.example.org
    reason: sent spam
"""

RETURN = r"""
changes:
  description: What was (in check mode, would be) changed, one sentence each.
  type: list
  elements: str
  returned: always
accounts:
  description: >-
    The accounts of I(domains), each with C(address), C(banned), C(deleted) (there is no account any more, but nobody
    gets in by its name) and C(reason); with I(since) also C(created), a day, and C(older): created then, or before.
  type: list
  elements: dict
  returned: always
waiting:
  description: >-
    The accounts of I(domains) that wait to be let in, each with C(address), C(since), a day, and C(words), what their
    owners have written. Those have waited longest that are first.
  type: list
  elements: dict
  returned: always
circles:
  description: >-
    Who is in the circles, each with C(circle), C(address), C(invited) (in it by an invitation, without being listed)
    and C(missing) (listed, but there is no account yet).
  type: list
  elements: dict
  returned: always
url:
  description: The page where the user sets a new password.
  type: str
  returned: with I(link)
password:
  description: The new password.
  type: str
  returned: with C(create), and with C(reset) without I(link)
"""

import secrets
import subprocess
from collections.abc import Collection
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import (
    circles,
    created_since,
    ejabberd_api,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils import registration_review as review
from ansible_collections.conexizan.xmpp.plugins.module_utils.bans import GROUP, ban, banned_of, reason_of, unban
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import Api, ApiError, unknown, user_of
from ansible_collections.conexizan.xmpp.plugins.module_utils.private_json import PASSWORDS, read, write

VERBS = ["list", "create", "ban", "unban", "delete", "reset", *review.DECISIONS]
PASSWORD_BYTES = 15


def accounts_of(api: Api, domain: str) -> list[str]:
    """Return the addresses of a domain's accounts, sorted."""
    return sorted(f"{name}@{domain}" for name in api.call("registered_users", host=domain))


def withdraw_links(api: Api, account: str) -> None:
    """Withdraw password reset links: they would open the account of the name's next owner."""
    where = user_of(account)
    for token in api.call("list_invites", host=where["host"]):
        if token["type"] == "reset_token" and token["account_name"] == where["user"]:
            api.call("delete_invite_by_token", host=where["host"], token=token["token"])


def delete(api: Api, account: str, *, check: bool) -> list[str]:
    """Delete an account with all that belongs to it; return what was done."""
    where = user_of(account)
    if not check:
        withdraw_links(api, account)
        if account in banned_of(api, where["host"]):
            api.call("srg_user_del", **where, group=GROUP, grouphost=where["host"])
        api.call("unregister", **where)
        if account in (given := read(PASSWORDS)):  # of an administrator that was
            write(PASSWORDS, {address: password for address, password in given.items() if address != account})
    return [f"{account} {'would be' if check else 'is'} deleted"]


def reset(api: Api, account: str, *, link: bool, check: bool) -> dict[str, Any]:
    """Create a reset link, which replaces earlier ones, or set a password; return it with what was done."""
    where = user_of(account)
    if check:
        return {
            "changes": [f"{account}: a new password could be set" if link else f"{account} would get a new password"]
        }
    withdraw_links(api, account)
    if link:
        made = api.call("generate_reset_token", username=where["user"], host=where["host"])
        if not made["landing_page"]:
            withdraw_links(api, account)
            raise ApiError("the service on this host has no page to set a password on: run site.yml, then this again")
        return {"changes": [f"{account}: a new password can be set"], "url": made["landing_page"]}
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    api.call("change_password", **where, newpass=password)
    api.call("kick_user", **where)
    return {"changes": [f"{account} has a new password"], "password": password}


def create(api: Api, account: str, known: Collection[str], *, check: bool) -> dict[str, Any]:
    """Create an account with a random password; return it with what was done."""
    if account in known:
        raise ApiError(f'create is "{account}", which is here already, or banned. Take another name.')
    if check:
        return {"changes": [f"{account} would be made"]}
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    api.call("register", **user_of(account), password=password)
    return {"changes": [f"{account} is made"], "password": password}


def do_all(api: Api, params: dict[str, Any], *, check: bool) -> list[str]:
    """Ban or delete all accounts that I(since) selects; return what was done."""
    banned = {account for domain in params["domains"] for account in banned_of(api, domain)}

    def do(account: str) -> list[str]:
        if params["verb"] == "delete":
            return delete(api, account, check=check)
        # An earlier ban keeps its reason.
        return [] if account in banned else ban(api, account, params["reason"], check=check)

    accounts = created_since.created_since(params["since"], params["domains"], params["spared"])
    if params["verb"] == "delete":
        created_since.refuse_older(accounts, params["since"])
    return created_since.do_to_all(accounts, params["since"], params["sure"], do)


def do(api: Api, params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Run a verb; raises ApiError before anything is changed if there is no such account (or ban to lift)."""
    verb, account = params["verb"], params["account"].lower()
    if verb == "list":
        return {"changes": []}
    if params["since"]:
        return {"changes": do_all(api, params, check=check)}
    if verb in review.DECISIONS:
        return {"changes": review.decide(verb, account, check=check)}
    known = accounts_of(api, domain := user_of(account)["host"])
    if verb in ("create", "unban"):
        known += banned_of(api, domain)
    if verb == "create":
        return create(api, account, known, check=check)
    if account not in known:
        raise unknown(verb, account, "account", known)
    if verb == "ban":
        return {"changes": ban(api, account, params["reason"], check=check)}
    if verb == "unban":
        return {"changes": unban(api, account, check=check)}
    if verb == "delete":
        return {"changes": delete(api, account, check=check)}
    return reset(api, account, link=params["link"], check=check)


def listed(api: Api, domains: list[str]) -> list[dict[str, Any]]:
    """Return the accounts of *domains*, and the names that are banned without one."""
    rows = []
    for domain in domains:
        banned = banned_of(api, domain)
        there = set(accounts_of(api, domain))
        for account in sorted(there | banned):
            reason = reason_of(api, account) if account in banned & there else ""
            state = {"banned": account in banned, "deleted": account not in there}
            rows.append({"address": account} | state | {"reason": reason})
    return rows


def circles_of(api: Api, domains: list[str], settings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return who is in the circles, all of which belong to the first domain."""
    return circles.members(api, domains[0], settings) if domains else []


def listed_since(api: Api, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the accounts that I(since) selects, the oldest first."""
    rows = {row["address"]: row for row in listed(api, params["domains"])}
    ages = created_since.created_since(params["since"], params["domains"], params["spared"])
    return [rows[account] | age._asdict() for account, age in ages.items() if account in rows]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": VERBS, "default": "list"},
            "account": {"type": "str", "default": ""},
            "reason": {"type": "str", "default": ""},
            "link": {"type": "bool", "default": True},
            "domains": {"type": "list", "elements": "str", "default": []},
            "since": {"type": "str", "default": ""},
            "sure": {"type": "int", "default": 0},
            "circles": {"type": "list", "elements": "dict", "default": []},
            "spared": {"type": "list", "elements": "str", "default": []},
            **ejabberd_api.SOCKET_ARGUMENT,
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        api = Api(params["socket"])
        done = do(api, params, check=module.check_mode)
        done["waiting"] = [] if params["since"] else review.waiting(params["domains"])
        done["circles"] = [] if params["since"] else circles_of(api, params["domains"], params["circles"])
        done["accounts"] = listed_since(api, params) if params["since"] else listed(api, params["domains"])
    except (ApiError, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(done["changes"]), **done)


if __name__ == "__main__":
    main()
