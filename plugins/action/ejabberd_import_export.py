# SPDX-License-Identifier: GPL-3.0-or-later
# More than 150 lines: what is read, refused, sent and told of one run, in this order.
"""The controller's half of the module ejabberd_import_export: reads and writes files of XEP-0227.

What a Prosody stores beside them is read as well. All accounts and rooms are checked before the first one is made.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export import prosody
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.domains import (
    apart,
    choose,
    only,
    service_of,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.elements import Moves, batches, user
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.files import FIX, Wrong, read
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.report import (
    TAKEN,
    alone,
    complain,
    is_read,
    listed,
    sources,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.rooms import people, rooms_of
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.as_written import places_of, written_for

DOCUMENTATION = "See the module of the same name."

CHECKS = {"import": "check", "complete": "check-complete"}
COUNTED = ("contacts", "nodes", "messages")
ONLY_PROSODY = "which only Prosody's own program gives out"
MIGRATE = "Run prosody-migrator on the old host, and put the files that it writes there (see docs/import-export.md)"


class ActionModule(Action):
    """Run the module with what the files say."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("verb", "file", "account", "source", "target", "domains"))
    variables: dict[str, Any]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's answer; raises AnsibleActionFail with what is wrong, before anything is changed."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.variables = dict(task_vars or {})
        args = self._task.args
        file = Path(str(args["file"])).expanduser()
        if args["verb"] in CHECKS:
            words = (args.get("source", ""), args.get("target", ""), dict(args["domains"]))
            account = str(args.get("account", "")).lower()
            return result | self._import(file, *words, verb=args["verb"], account=account)
        return result | self._give(args["verb"], args["account"], file)

    def _call(self, verb: str, **args: object) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(
            module_name="conexizan.xmpp.ejabberd_import_export",
            module_args={"verb": verb, **args},
            task_vars=self.variables,
        )
        if done.get("failed"):
            raise AnsibleActionFail(str(done.get("msg", "the module failed")))
        return done

    def _import(
        self, file: Path, source: str, target: str, services: Moves, verb: str = "import", account: str = ""
    ) -> dict[str, Any]:
        try:
            try:
                stored = prosody.rooms(file.absolute())
                blocked = prosody.blocked(file.absolute())
                theirs = prosody.accounts(file.absolute())
            except AnsibleError as wrong:
                raise Wrong(str(wrong), FIX) from None
            if theirs and not stored and not any(file.glob("*.xml")):
                raise Wrong(f"with {sources(theirs)}, {ONLY_PROSODY}", MIGRATE)
            found = read(file) if not stored or any(file.glob("*.xml")) else {}
            unread = [one for one in theirs if not is_read(one["address"], found)]
            if source and account:
                target = target or account.partition("@")[2]
            into = choose(found, source, target, list(services), str(file))
            if account:
                there = [f"{name.lower()}@{new}" for old, new in into.items() for name in found.get(old, {})]
                only(account, [*there, *(room["address"] for room in stored)])
            domains = sorted({room["address"].partition("@")[2] for room in stored})
            apart(domains, (*into, *found))
            moves = into | {domain: service_of(domain, into, target, services) for domain in domains}
            rooms = rooms_of(stored, moves, services)
        except Wrong as wrong:
            raise AnsibleActionFail(f'file is "{file}", {wrong}. {wrong.way}') from None
        users = {
            new: [
                user(name, element, moves, blocked.get(f"{name}@{old}".lower(), []))
                for name, element in sorted(found.get(old, {}).items())
            ]
            for old, new in into.items()
        }

        halls = {domain: [xml for xml, _ in there.values()] for domain, there in rooms.items()}
        left = {f"{name}@{domain}": what for domain, there in rooms.items() for name, (_, what) in there.items()}

        def ask(verb: str, parts: dict[str, list[str]]) -> list[dict[str, Any]]:
            return [
                {"address": f"{one['name']}@{domain}", **{key: one[key] for key in ("state", "note", "counts")}}
                for domain, those in parts.items()
                for host in batches(domain, those)
                for one in self._call(verb, hosts=[host])["answers"][0]
            ]

        def take(verb: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
            # Rooms first: somebody's app that finds none by that name would make it, and own it.
            opened = ask(verb, halls)
            for one in opened:
                del one["counts"]
                if one["state"] not in ("wrong", "failed"):
                    missing = listed(left[one["address"]], one["note"])
                    one["note"] = f"without {missing}" if missing else ""
            accounts = ask(verb, users)
            for one in accounts:
                one["counts"] = dict.fromkeys(COUNTED, 0) | one["counts"] | {"rooms": at_home.get(one["address"], 0)}
            return opened, accounts

        at_home = people(halls)
        opened, accounts = take(CHECKS[verb])
        complain(str(file), accounts, opened, written_for(places_of(self.variables, self._loader)))
        changed = any(one["state"] in ("new", "completed") for one in (*opened, *accounts))
        if changed and not self._task.check_mode:
            opened, accounts = take(verb)
        return {
            "changed": changed,
            "accounts": accounts,
            "rooms": opened,
            "broken": [one for one in (*opened, *accounts) if one["state"] not in TAKEN],
            "unread": sources(unread),
            "alone": alone(accounts),
        }

    def _give(self, verb: str, account: str, file: Path) -> dict[str, Any]:
        if file.exists():
            raise AnsibleActionFail(
                f'file is "{file}", which exists already and is not overwritten. Change it on the command line, '
                f"for example: -e file={file.with_suffix('.new.xml')}"
            )
        document = self._call(verb, account=account)["document"]
        if not self._task.check_mode:
            try:
                with os.fdopen(
                    os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
                ) as out:
                    out.write(document)
            except OSError as error:
                raise AnsibleActionFail(
                    f'file is "{file}", which cannot be written: {error.strerror}. Change it on the command line, '
                    "for example: -e file=maria.xml"
                ) from None  # Ansible would put the cause behind the example
        return {"changed": True, "file": str(file.absolute())}
