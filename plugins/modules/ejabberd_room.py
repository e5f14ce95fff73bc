#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage the rooms of a running ejabberd, over the HTTP API on its local socket."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ejabberd_room
short_description: List, destroy or moderate rooms, or change their owners
description:
  - Does what a room's owner can do in a client, for rooms without an owner or with an abusive one.
options:
  verb:
    description: What to do. C(list) is done instead of anything else.
    type: str
    choices: [list, destroy, ban, unban, owner, disown, moderated]
    default: list
  room:
    description: Address of the room. Needed by all verbs but C(list).
    type: str
    default: ''
  address:
    description: Of whom, for C(ban), C(unban), C(owner) and C(disown).
    type: str
    default: ''
  moderated:
    description: Whether newcomers only read, until somebody gives them a voice.
    type: bool
    default: false
  reason:
    description: What the people in the room are told before it is destroyed.
    type: str
    default: ''
  services:
    description: Domains whose rooms are listed.
    type: list
    elements: str
    default: []
author: [Conexizan contributors (@conexizan)]
extends_documentation_fragment: [conexizan.xmpp.ejabberd]
"""

EXAMPLES = r"""
- name: Give a room a new owner
  conexizan.xmpp.ejabberd_room:
    verb: owner
    room: garden@muc.chat.example.org
    address: maria@chat.example.org
"""

RETURN = r"""
changes:
  description: What was (in check mode, would be) changed, one sentence each.
  type: list
  elements: str
  returned: always
rooms:
  description: >-
    The rooms of I(services), each with C(address), C(title), C(people) who are in it now, C(public), C(moderated), and
    the addresses of its C(owners) and of those who are C(banned).
  type: list
  elements: dict
  returned: always
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import (
    SOCKET_ARGUMENT,
    Api,
    ApiError,
    room_of,
    unknown,
    user_of,
)


def affiliations(api: Api, room: str) -> dict[str, str]:
    """Return the affiliations of a room by address: owner, admin, member or outcast."""
    return {entry["jid"]: entry["affiliation"] for entry in api.call("get_room_affiliations", **room_of(room))}


def is_moderated(options: dict[str, str]) -> bool:
    """Tell whether newcomers only read; ejabberd calls a room moderated where everybody has a voice from the start."""
    return options["moderated"] == "true" and options["members_by_default"] == "false"


def rooms_of(api: Api, service: str) -> list[dict[str, Any]]:
    """Return a domain's rooms, sorted."""
    rooms = []
    for entry in sorted(
        api.call("muc_online_rooms_by_regex", service=service, regex="."), key=lambda one: str(one["jid"])
    ):
        options = api.call("get_room_options", **room_of(entry["jid"]))
        known = affiliations(api, entry["jid"])
        rooms.append(
            {
                "address": entry["jid"],
                "title": options["title"],
                "people": entry["participants"],
                "public": options["public"] == "true",
                "moderated": is_moderated(options),
                "owners": sorted(who for who, what in known.items() if what == "owner"),
                "banned": sorted(who for who, what in known.items() if what == "outcast"),
            }
        )
    return rooms


def affiliate(api: Api, params: dict[str, Any], *, check: bool) -> list[str]:
    """Change an affiliation in a room; return what was done."""
    verb, room, address = params["verb"], params["room"], params["address"].lower()
    known = affiliations(api, room)
    before = known.get(address, "none")
    wanted = {"ban": "outcast", "owner": "owner", "disown": "member", "unban": "none"}[verb]
    if before == wanted or (verb == "unban" and before != "outcast") or (verb == "disown" and before != "owner"):
        return []
    if before == "owner" and list(known.values()).count("owner") == 1:
        raise ApiError(
            f'{verb} is "{address}", the only owner of {room}. Give it to somebody else first, '
            f"for example: -e room={room} -e owner=NAME"
        )
    if not check:
        api.call("set_room_affiliation", **room_of(room), **user_of(address), affiliation=wanted)
    be = "would be" if check else "is"
    done = {"ban": "banned", "unban": "banned no longer", "owner": "an owner", "disown": "an owner no longer"}
    return [f"room {room}: {address} {be} {done[verb]}"]


def moderate(api: Api, params: dict[str, Any], *, check: bool) -> list[str]:
    """Let newcomers read only, or let everybody write; return what was done."""
    room, moderated = params["room"], params["moderated"]
    if is_moderated(api.call("get_room_options", **room_of(room))) == moderated:
        return []
    if not check:
        for option, value in (("moderated", moderated), ("members_by_default", not moderated)):
            api.call("change_room_option", **room_of(room), option=option, value=str(value).lower())
    be = "would be" if check else "is"
    return [f"room {room} {be} {'moderated' if moderated else 'moderated no longer'}"]


def destroy(api: Api, params: dict[str, Any], *, check: bool) -> list[str]:
    """Destroy a room, after telling who is in it why; return what was done."""
    room, reason = params["room"], params["reason"]
    if not check:
        if reason:
            for occupant in api.call("get_room_occupants", **room_of(room)):
                message = {"type": "normal", "from": room, "to": occupant["jid"], "subject": room, "body": reason}
                api.call("send_message", **message)
        api.call("destroy_room", **room_of(room))
    return [f"room {room} {'would be' if check else 'is'} destroyed"]


def do(api: Api, params: dict[str, Any], *, check: bool) -> list[str]:
    """Run a verb; raises ApiError before anything is changed if there is no such room."""
    verb, room = params["verb"], params["room"].lower()
    if verb == "list":
        return []
    known = api.call("muc_online_rooms", service=room_of(room)["service"])
    if room not in known:
        raise unknown("destroy" if verb == "destroy" else "room", room, "room", known)
    act = {"destroy": destroy, "moderated": moderate}.get(verb, affiliate)
    return act(api, params | {"room": room}, check=check)


def main() -> None:
    """Run the module."""
    verbs = ["list", "destroy", "ban", "unban", "owner", "disown", "moderated"]
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": verbs, "default": "list"},
            "room": {"type": "str", "default": ""},
            "address": {"type": "str", "default": ""},
            "moderated": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
            "services": {"type": "list", "elements": "str", "default": []},
            **SOCKET_ARGUMENT,
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        api = Api(params["socket"])
        changes = do(api, params, check=module.check_mode)
        rooms = [room for service in params["services"] for room in rooms_of(api, service)]
    except ApiError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(changes), changes=changes, rooms=rooms)


if __name__ == "__main__":
    main()
