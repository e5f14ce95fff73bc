# SPDX-License-Identifier: GPL-3.0-or-later
"""Invitations of the operator's, over ejabberd's API: for the modules that create some."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import Api, ApiError

# Errors of the API when it refuses an invitation, and what they mean.
NO_INVITATION = {
    "Username already taken": "exists already: choose another name",
    "account_name_invalid": "is not a valid name: use lower-case letters, digits and . _ - between them",
}


def token_in(uri: str) -> str:
    """Return the token of an invitation's address."""
    return uri.partition("preauth=")[2].partition(";")[0]


def new_invitation(api: Api, domain: str, name: str) -> dict[str, str]:
    """Create one, to a name or to any (""); earlier ones to the same name become invalid: they may be lost.

    Raises ApiError if the name is invalid, or if nobody could use the invitation.
    """
    try:
        answer = _generate(api, domain, name)
    except ApiError as error:
        known = [f"{name}@{domain} {why}" for answer, why in NO_INVITATION.items() if answer in str(error)]
        raise ApiError(known[0] if known else str(error)) from error
    if not answer["landing_page"]:
        # Otherwise the name would stay reserved for days.
        api.call("delete_invite_by_token", host=domain, token=token_in(answer["invite_uri"]))
        raise ApiError("the service on this host takes no invitations yet: run site.yml, then this again")
    return answer


def _generate(api: Api, domain: str, name: str) -> dict[str, str]:
    if not name:
        return dict(api.call("generate_invite", host=domain))
    try:
        return dict(api.call("generate_invite_with_username", username=name, host=domain))
    except ApiError as error:
        if "reserved" not in str(error):
            raise
    for token in api.call("list_invites", host=domain):
        if token["account_name"] == name and token["type"] != "reset_token":
            api.call("delete_invite_by_token", host=domain, token=token["token"])
    return dict(api.call("generate_invite_with_username", username=name, host=domain))
