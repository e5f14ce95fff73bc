# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts that are banned: a shared roster group of their domain, and why, in their private storage."""

from __future__ import annotations

from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import Api, ApiError, user_of

GROUP = "banned"  # the name that roles/ejabberd has in its access rules
NAMESPACE = "conexizan:banned"  # of the reason in the private storage (XEP-0049)
SECONDS = 60


def banned_of(api: Api, domain: str) -> set[str]:
    """Return the addresses of a domain's banned accounts; raises ApiError where the service cannot ban yet."""
    try:
        return set(api.call("srg_get_members", group=GROUP, host=domain))
    except ApiError as error:
        raise ApiError(
            f"the service on this host does not know of bans yet: run site.yml, then this again ({error})"
        ) from error


def reason_of(api: Api, account: str) -> str:
    """Return why an account is banned."""
    stored = api.call("private_get", **user_of(account), element="banned", ns=NAMESPACE)
    return ET.fromstring(stored).findtext(f"{{{NAMESPACE}}}banned") or ""  # noqa: S314 (ejabberd wrote it)


def note(api: Api, account: str, reason: str) -> None:
    """Store the reason where only the operator can read it: a banned user cannot log in."""
    element = f"<banned xmlns='{NAMESPACE}'>{escape(reason)}</banned>"
    api.call("private_set", **user_of(account), element=element)


def ban(api: Api, account: str, reason: str, *, check: bool) -> list[str]:
    """Ban an account and end its sessions; return what was done."""
    where = user_of(account)
    banned = account in banned_of(api, where["host"])
    if banned and reason_of(api, account) == reason:
        return []
    if not check:
        note(api, account, reason)
        if not banned:
            if GROUP not in api.call("srg_list", host=where["host"]):
                api.call("srg_add", group=GROUP, host=where["host"])
            api.call("srg_user_add", **where, group=GROUP, grouphost=where["host"])
            api.call("kick_user", **where)
    be = "would be" if check else "is"
    return [f"{account}: the reason {be} now: {reason}" if banned else f"{account} {be} banned: {reason}"]


def unban(api: Api, account: str, *, check: bool) -> list[str]:
    """Let an account, or whoever gets its name, in again; return what was done."""
    where = user_of(account)
    if account not in banned_of(api, where["host"]):
        return []
    if not check:
        ejabberd_program.run("ejabberd-sqlite", "delete-ban", given=account, seconds=SECONDS)
        api.call("srg_user_del", **where, group=GROUP, grouphost=where["host"])
    return [f"{account} {'would be' if check else 'is'} banned no longer"]
