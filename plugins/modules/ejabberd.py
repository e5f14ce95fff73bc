#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# More than 150 lines: accounts, rooms and invitations are made in one round trip, by functions that nothing else calls.
"""Accounts and rooms of a running ejabberd, over the HTTP API on its local socket."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ejabberd
short_description: Accounts and rooms of a running ejabberd, in one round trip
description:
  - Compares accounts and rooms with what is wanted and creates what is missing, over the HTTP API (C(mod_http_api)) on
    ejabberd's local socket. Passwords appear in no command line and in no log.
  - A password is set only if it differs from the one of the previous run, so a user's own change stays. Options of a
    room that are not given here stay as they are.
options:
  domain:
    description: Domain of the accounts.
    type: str
    required: true
  muc_domain:
    description: Domain of the rooms. Needed when I(rooms) are given.
    type: str
    default: ''
  accounts:
    description: Accounts that must exist, local part to password.
    type: dict
    default: {}
  delete_other_records:
    description: Whether to delete the records of passwords that other accounts were given.
    type: bool
    default: false
  rooms:
    description:
      - Rooms that must exist, each with C(name), C(title), C(description) and C(moderated). In a moderated room
        newcomers read only, until somebody gives them voice or membership.
    type: list
    elements: dict
    default: []
  room_options:
    description: Options that all I(rooms) have, by ejabberd's names.
    type: dict
    default: {}
  room_owners:
    description: Local parts of the accounts that own the rooms. Other owners become members.
    type: list
    elements: str
    default: []
  announce:
    description: C(subject) and C(body) of a message to everybody who is online now. Sent in every run.
    type: dict
  invitations:
    description:
      - Invitations to create in every run. Each is the local part of the account, or empty for any name.
      - An earlier invitation to the same name is withdrawn.
    type: list
    elements: str
    default: []
author: [Conexizan contributors (@conexizan)]
extends_documentation_fragment: [conexizan.xmpp.ejabberd]
"""

EXAMPLES = r"""
- name: Create the first administrator and the support room
  conexizan.xmpp.ejabberd:
    domain: chat.example.org
    muc_domain: muc.chat.example.org
    accounts: {admin: "{{ lookup('ansible.builtin.password', 'secrets/admin') }}"}
    rooms: [{name: support, title: Support}]
    room_options: {public: true, persistent: true}
    room_owners: [admin]
  no_log: true
"""

RETURN = r"""
changes:
  description: What was (in check mode, would be) created or changed, one sentence each.
  type: list
  elements: str
  returned: always
invitations:
  description: The invitations made, each with C(url), the page that leads through it, and C(uri), which an app opens.
  type: list
  elements: dict
  returned: always
"""

import secrets
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET_ARGUMENT, Api, ApiError, user_of
from ansible_collections.conexizan.xmpp.plugins.module_utils.fingerprints import fingerprint, is_of
from ansible_collections.conexizan.xmpp.plugins.module_utils.invitations import new_invitation
from ansible_collections.conexizan.xmpp.plugins.module_utils.private_json import PASSWORDS, read, write


def option_text(value: object) -> str:
    """Return an option's value as ejabberd writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def ensure_accounts(api: Api, params: dict[str, Any], *, check: bool) -> list[str]:
    """Create missing accounts, set passwords that differ from the last run; return what was done."""
    changes = []
    given = read(PASSWORDS)
    wanted = {f"{name}@{params['domain']}": password for name, password in params["accounts"].items()}
    for address, password in wanted.items():
        user = user_of(address)
        before = given.get(address, "")
        same = is_of(password, before)
        exists = api.call("check_account", **user) == 0
        if exists and same:
            continue
        if not exists:
            changes.append(f"account {address} made")
        elif before:
            changes.append(f"account {address} has the new password")
        if check:
            continue
        if not exists:
            api.call("register", **user, password=password)
        elif before:
            api.call("change_password", **user, newpass=password)
            api.call("kick_user", **user)
        write(PASSWORDS, given := given | {address: fingerprint(password, secrets.token_hex(16))})
    if params["delete_other_records"] and not check and given.keys() - wanted.keys():
        write(PASSWORDS, {address: before for address, before in given.items() if address in wanted})
    return changes


def ensure_rooms(api: Api, params: dict[str, Any], *, check: bool) -> list[str]:
    """Create missing rooms, set their options and owners; return what was done."""
    changes: list[str] = []
    service = params["muc_domain"]
    present = set(api.call("muc_online_rooms", service=service)) if params["rooms"] else set()
    for room in params["rooms"]:
        address = f"{room['name']}@{service}"
        where = {"room": room["name"], "service": service}
        options: dict[str, str] = {}
        owners: set[str] = set()
        if address in present:
            options = api.call("get_room_options", **where)
            entries = api.call("get_room_affiliations", **where)
            owners = {entry["jid"] for entry in entries if entry["affiliation"] == "owner"}
            if owners and not owners & {f"{name}@{params['domain']}" for name in params["room_owners"]}:
                raise ApiError(
                    f"the room {address} exists already and belongs to {', '.join(sorted(owners))}: take another name "
                    "for the official room, or take the room over: ansible-playbook playbooks/room.yml "
                    f"-e room={room['name']} -e owner={params['room_owners'][0]}"
                )
        else:
            changes.append(f"room {address} made")
            if not check:
                api.call("create_room", **where, host=params["domain"])
        wanted = params["room_options"] | {key: room[key] for key in ("title", "description", "moderated")}
        wanted["members_by_default"] = not room["moderated"]
        for name, value in wanted.items():
            if options.get(name) != option_text(value):
                if address in present:
                    changes.append(f"room {address}: {name} is now {option_text(value)}")
                if not check:
                    api.call("change_room_option", **where, option=name, value=option_text(value))
        for owner in (name for name in params["room_owners"] if f"{name}@{params['domain']}" not in owners):
            changes.append(f"room {address}: {owner} is an owner")
            if not check:
                api.call("set_room_affiliation", **where, user=owner, host=params["domain"], affiliation="owner")
        for address_of_owner in sorted(owners - {f"{name}@{params['domain']}" for name in params["room_owners"]}):
            changes.append(f"room {address}: {address_of_owner} is an owner no longer")
            if not check:
                api.call("set_room_affiliation", **where, **user_of(address_of_owner), affiliation="member")
    return changes


def invite(api: Api, domain: str, names: list[str]) -> list[dict[str, str]]:
    """Create an invitation for each local part, "" for any; raises ApiError if a name is invalid."""
    made = [new_invitation(api, domain, name) for name in names]
    return [{"uri": answer["invite_uri"], "url": answer["landing_page"]} for answer in made]


def announce(api: Api, params: dict[str, Any], *, check: bool) -> list[str]:
    """Send a message to who is online; return what was done."""
    message = params["announce"]
    if not message:
        return []
    if not check:
        api.call("announce_send_online", host=params["domain"], **message)
    return [f"announced to everybody online on {params['domain']}: {message['subject']}"]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "domain": {"type": "str", "required": True},
            "muc_domain": {"type": "str", "default": ""},
            "accounts": {"type": "dict", "default": {}, "no_log": True},
            "delete_other_records": {"type": "bool", "default": False},
            "rooms": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "title": {"type": "str", "required": True},
                    "description": {"type": "str", "default": ""},
                    "moderated": {"type": "bool", "default": False},
                },
            },
            "room_options": {"type": "dict", "default": {}},
            "room_owners": {"type": "list", "elements": "str", "default": []},
            "announce": {
                "type": "dict",
                "options": {
                    "subject": {"type": "str", "required": True},
                    "body": {"type": "str", "required": True},
                },
            },
            "invitations": {"type": "list", "elements": "str", "default": []},
            **SOCKET_ARGUMENT,
        },
        supports_check_mode=True,
    )
    params = module.params
    if module.check_mode and not Path(params["socket"]).exists():
        changes = [f"account {name}@{params['domain']} made" for name in params["accounts"]]
        changes += [f"room {room['name']}@{params['muc_domain']} made" for room in params["rooms"]]
        module.exit_json(changed=bool(changes), changes=changes, invitations=[])
    try:
        api = Api(params["socket"])
        changes = ensure_accounts(api, params, check=module.check_mode)
        changes += ensure_rooms(api, params, check=module.check_mode)
        changes += announce(api, params, check=module.check_mode)
        invitations = [] if module.check_mode else invite(api, params["domain"], params["invitations"])
        changes += ["invitation made" for _ in params["invitations"]]
    except ApiError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(changes), changes=changes, invitations=invitations)


if __name__ == "__main__":
    main()
