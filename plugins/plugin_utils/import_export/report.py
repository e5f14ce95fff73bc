# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator is told of accounts and rooms: what cannot be taken, what is not read, what is lacking."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.files import Accounts
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.as_written import AsWritten

SHOWN = 10
TAKEN = ("new", "exists", "lacking", "completed")


def listed(*parts: str) -> str:
    """Return those that say something, as a list in words."""
    return ", ".join(filter(None, parts))


def some(words: list[str]) -> str:
    """Return the first few of many."""
    return "; ".join(words[:SHOWN]) + ("; …" if len(words) > SHOWN else "")


def complain(file: str, accounts: list[dict[str, str]], rooms: list[dict[str, str]], written: AsWritten) -> None:
    """Raise AnsibleActionFail if an account or a room cannot be taken in."""
    wrong = [f"{one['address']} {one['note']}" for one in accounts if one["state"] == "wrong"]
    old_hash = [one["address"] for one in accounts if one["state"] == "sha1"]
    closed = [f"{one['address']} {one['note']}" for one in rooms if one["state"] == "wrong"]
    if wrong:
        raise AnsibleActionFail(
            f'file is "{file}", in which {len(wrong)} of {len(accounts)} accounts cannot be taken: {some(wrong)}. '
            "Nothing was changed. Fix it or take them out, for example by giving a folder that has one file for each "
            "account: -e file=moving/"
        )
    if old_hash:
        raise AnsibleActionFail(
            f'file is "{file}", in which {len(old_hash)} of {len(accounts)} accounts have a SHA-1 key of their '
            f"password and no other ({some(old_hash)}): most apps could not log in to them. Nothing was changed. Let "
            f"them in first: set {written('xmpp_sha1_passwords', True)} and run site.yml"
        )
    if closed:
        raise AnsibleActionFail(
            f'file is "{file}", in which {len(closed)} of {len(rooms)} rooms cannot be taken: {some(closed)}. Nothing '
            "was changed. Take them out by deleting the file of each, which is called after it, for example: "
            "config/garden.dat"
        )


def is_read(address: str, found: Accounts) -> bool:
    """Tell whether an account of a Prosody's folder is in the files of XEP-0227 as well."""
    name, _, domain = address.partition("@")
    # Of a database, nobody knows whose accounts it has.
    return name in {one.lower() for one in found.get(domain, {})} if address else bool(found)


def sources(accounts: list[dict[str, str]]) -> str:
    """Return what of a Prosody is not read, in words, or nothing."""
    folders = Counter(str(Path(one["file"]).parent) for one in accounts if one["address"])
    parts = [f"{number} account{'s' * (number != 1)} in {folder}" for folder, number in sorted(folders.items())]
    return listed(*parts, *(one["file"] for one in accounts if not one["address"]))


def alone(accounts: list[dict[str, Any]]) -> list[str]:
    """Return which accounts of the files know nobody: what wrote them may have been interrupted before that."""
    return [one["address"] for one in accounts if one["state"] in TAKEN and not one["counts"]["contacts"]]
