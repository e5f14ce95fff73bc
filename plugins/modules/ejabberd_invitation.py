#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage the invitations of a running ejabberd, over the HTTP API on its local socket.

More than 150 lines: its verbs read and write the same rows.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ejabberd_invitation
short_description: List or withdraw invitations, or create some that need no CAPTCHA
description:
  - The module M(ejabberd) creates those for a single account. One with many I(uses) has a row in ejabberd's table for
    each use that is left; C(mod_xmpp_invitation_uses) accepts it without a CAPTCHA and without a waiting time.
options:
  verb:
    description: What to do. C(list) is done in any case, afterwards.
    type: str
    choices: [list, make, withdraw]
    default: list
  domain:
    description: Domain of the accounts. Needed by C(make).
    type: str
    default: ''
  uses:
    description: How many accounts the new one can create.
    type: int
    default: 1
  count:
    description: How many C(make) creates, each for so many accounts.
    type: int
    default: 1
  user:
    description: The local part that the new one is for, if it is for one account.
    type: str
    default: ''
  circle:
    description: The circle that accounts by the new one become members of (C(xmpp_circles)).
    type: str
    default: ''
  days:
    description: How many days it is valid.
    type: int
    default: 1
  invitation:
    description: The one to withdraw, by its name in the list.
    type: str
    default: ''
  domains:
    description: Domains whose invitations are listed, and looked through for the one to withdraw.
    type: list
    elements: str
    default: []
author: [Conexizan contributors (@conexizan)]
extends_documentation_fragment: [conexizan.xmpp.ejabberd]
"""

EXAMPLES = r"""
- name: Invite a class
  conexizan.xmpp.ejabberd_invitation:
    verb: make
    domain: chat.example.org
    uses: 30
    days: 2
"""

RETURN = r"""
changes:
  description: What was (in check mode, would be) changed, one sentence each.
  type: list
  elements: str
  returned: always
made:
  description: Those made, each with C(url), the page that leads through it, and C(uri), which an app opens.
  type: list
  elements: dict
  returned: with C(make), unless in check mode
invitations:
  description: >-
    Those of I(domains) that are good, each with C(invitation) (a name for it: the start of its token, which is not
    enough to use it), C(domain), C(account) (the name that it reserves), C(circle), C(by), C(uses) that are left, and
    when it C(expires). Used ones whose inviter is kept (C(xmpp_keep_inviter)) have no C(uses) left, and C(account) is
    who used them.
  type: list
  elements: dict
  returned: always
"""

import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET_ARGUMENT, Api, ApiError
from ansible_collections.conexizan.xmpp.plugins.module_utils.invitations import new_invitation, token_in

PREFIX = "workshop-"  # mod_xmpp_invitation_uses
NAME_LENGTH = 8  # of 24 letters: what is left is secret enough
AT_ONCE = 1000  # mod_invites, of the operator's own
ACCOUNTS = {"account_only", "account_subscription"}
SECONDS = 60


def token_of(entry: dict[str, Any]) -> str:
    """Return what the rows of one invitation have in common: its token, without circle and number of a use."""
    token: str = entry["token"]
    return token.removeprefix(PREFIX).partition("-")[0] if token.startswith(PREFIX) else token


def circle_of(entry: dict[str, Any]) -> str:
    """Return the circle that is written between token and number, if there is one."""
    token: str = entry["token"]
    rest = token.removeprefix(PREFIX).partition("-")[2] if token.startswith(PREFIX) else ""
    return rest.rpartition("-")[0]


def is_good(row: dict[str, Any]) -> bool:
    """Return whether somebody can use it."""
    return str(row["valid"]).lower() == "true"


def rows_of(api: Api, domain: str) -> list[dict[str, Any]]:
    """Return the rows of a domain's invitations to accounts that are good."""
    rows = api.call("list_invites", host=domain)
    return [row for row in rows if row["type"] in ACCOUNTS and is_good(row)]


def used(api: Api, domain: str) -> list[dict[str, Any]]:
    """Return who invited whom, as far as that is kept (mod_xmpp_invitations)."""
    return [
        {
            "invitation": row["token"][-NAME_LENGTH:],
            "domain": domain,
            "account": row["invitee"].partition("@")[0],
            "circle": "",
            "by": row["inviter"],
            "uses": 0,
            "expires": row["expires"],
        }
        for row in api.call("list_invites", host=domain)
        if row["type"] in ACCOUNTS and "@" in row["invitee"] and "@" in row["inviter"]
    ]


def listed(api: Api, domain: str) -> list[dict[str, Any]]:
    """Return a domain's invitations, those that end first at the beginning."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows_of(api, domain):
        token = token_of(row)
        if token in found:
            found[token]["uses"] += 1
            continue
        found[token] = {
            "invitation": token[:NAME_LENGTH],
            "domain": domain,
            "account": row["account_name"],
            "circle": circle_of(row),
            "by": row["inviter"] if "@" in row["inviter"] else "",
            "uses": 1,
            "expires": row["expires"],
        }
    return sorted(found.values(), key=lambda one: (one["expires"], one["invitation"]))


def make(api: Api, params: dict[str, Any]) -> list[dict[str, str]]:
    """Create invitations for so many accounts each; returns their addresses, for browsers and for apps."""
    domain, uses, count = params["domain"], params["uses"], params["count"]
    others = sum("@" not in row["inviter"] for row in api.call("list_invites", host=domain))
    if others + uses * count > AT_ONCE:
        raise ApiError(
            f"{uses * count} invitations are wanted, and {others} of yours are left on {domain}: there can "
            f"be {AT_ONCE} in all. Withdraw what nobody needs: -e list=true shows them"
        )
    made: list[dict[str, str]] = []
    tokens: list[str] = []
    try:
        for _ in range(count):
            one = new_invitation(api, domain, params["user"])
            tokens.append(token := token_in(one["invite_uri"]))
            made.append(
                {
                    "uri": one["invite_uri"].replace(token, PREFIX + token),
                    "url": one["landing_page"].replace(token, PREFIX + token),
                }
            )
        numbers = (str(uses), str(params["days"]))
        arguments = (domain, *numbers, params["circle"])
        ejabberd_program.run("invitation-uses", *arguments, given="\n".join(tokens), seconds=SECONDS)
    except (ApiError, RuntimeError, OSError, subprocess.TimeoutExpired):
        for row in api.call("list_invites", host=domain):
            if token_of(row) in tokens:
                api.call("delete_invite_by_token", host=domain, token=row["token"])
        raise
    return made


def withdraw(api: Api, name: str, domains: list[str], *, check: bool) -> list[str]:
    """Withdraw the invitation of this name; return what was done."""
    known = [one for domain in domains for one in listed(api, domain)]
    if not any(one["invitation"] == name for one in known):
        raise ApiError(f'withdraw is "{name}", which is no invitation here: -e list=true shows them')
    left = 0
    for domain in domains:
        for row in rows_of(api, domain):
            if token_of(row)[:NAME_LENGTH] == name:
                left += 1
                if not check:
                    api.call("delete_invite_by_token", host=domain, token=row["token"])
    be = "would be" if check else "is"
    return [f"the invitation {name} {be} withdrawn" + (f", with {left} uses left" if left > 1 else "")]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["list", "make", "withdraw"], "default": "list"},
            "domain": {"type": "str", "default": ""},
            "uses": {"type": "int", "default": 1},
            "count": {"type": "int", "default": 1},
            "user": {"type": "str", "default": ""},
            "circle": {"type": "str", "default": ""},
            "days": {"type": "int", "default": 1},
            "invitation": {"type": "str", "default": ""},
            "domains": {"type": "list", "elements": "str", "default": []},
            **SOCKET_ARGUMENT,
        },
        supports_check_mode=True,
    )
    params, check = module.params, module.check_mode
    done: dict[str, Any] = {"changes": []}
    try:
        api = Api(params["socket"])
        if params["verb"] == "withdraw":
            done["changes"] = withdraw(api, params["invitation"], params["domains"], check=check)
        if params["verb"] == "make":
            many = params["uses"] * params["count"]
            done["changes"] = [
                f"invitation to {many} account{'s' if many > 1 else ''} {'would be made' if check else 'made'}"
            ]
            if not check:
                done["made"] = make(api, params)
        done["invitations"] = [one for domain in params["domains"] for one in listed(api, domain) + used(api, domain)]
    except (ApiError, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(done["changes"]), **done)


if __name__ == "__main__":
    main()
