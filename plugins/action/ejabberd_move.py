# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module ejabberd_move: reads and writes files of XEP-0227.

It has all accounts checked before the first one is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

DOCUMENTATION = "See the module of the same name."

NAMESPACES = ("urn:xmpp:pie:0", "http://www.xmpp.org/extensions/xep-0227.html#ns")
INCLUDE = "{http://www.w3.org/2001/XInclude}include"
VCARD = "vcard-temp"
VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0"
XML = "{http://www.w3.org/XML/1998/namespace}"
ADDRESSES = ("jid", "from", "to", "by")  # attributes
DEPTH = 100  # more would be an attack
CALL_BYTES = 8 << 20  # of XML, about, in one call
SHOWN = 10

Accounts = dict[str, dict[str, ET.Element]]  # by domain and name


class Wrong(Exception):
    """What is wrong about a file, to follow "file is …, "."""


def split(tag: str) -> tuple[str, str]:
    """Return namespace and name of an element."""
    namespace, _, name = tag.rpartition("}")
    return namespace.removeprefix("{"), name


def hosts_of(root: ET.Element, path: Path, *, alone: bool) -> Iterator[ET.Element]:
    """Return the host elements of a document."""
    namespace, name = split(root.tag)
    if namespace not in NAMESPACES or name not in ("server-data", "host"):
        raise Wrong(f'with "{path.name}", which is not XEP-0227 but begins with <{name}>')
    if alone and root.find(f".//{INCLUDE}") is not None:
        raise Wrong("which only names other files: give the folder that they are all in")
    return root.iter(f"{{{namespace}}}host")


def depth(element: ET.Element) -> int:
    """Return how deep elements are nested."""
    level, deep = [element], 0
    while level:
        level, deep = [child for one in level for child in one], deep + 1
    return deep


def read(place: Path) -> Accounts:
    """Return the accounts in a file, or in the files of a folder; raises Wrong."""
    paths = sorted(place.glob("*.xml")) if place.is_dir() else [place]
    if not paths:
        raise Wrong("a folder without a file *.xml")
    found: Accounts = {}
    for path in paths:
        try:
            root = ET.parse(path).getroot()  # noqa: S314 (the operator's; and expat refuses entities that explode)
        except OSError as error:
            raise Wrong(f"which cannot be read: {error.strerror}") from error
        except ET.ParseError as error:
            raise Wrong(f'with "{path.name}", which is no XML: {error}') from error
        if depth(root) > DEPTH:
            raise Wrong(f'with "{path.name}", nested more than {DEPTH} deep, which no data of accounts is')
        for host in hosts_of(root, path, alone=not place.is_dir()):
            accounts = found.setdefault(host.get("jid", "").lower(), {})
            for user in host:
                if split(user.tag)[1] == "user":
                    name = user.get("name", "")
                    if not name or name in accounts or any(sign.isspace() or not sign.isprintable() for sign in name):
                        raise Wrong(f'with "{path.name}", where an account has the name "{name}", or has it twice')
                    accounts[name] = user
    if not any(found.values()):
        raise Wrong("without a single account")
    return found


def moved(address: str, old: str, new: str) -> str:
    """Return an address after the move of a domain."""
    bare, slash, resource = address.partition("/")
    name, at, domain = bare.rpartition("@")
    return f"{name}{at}{new}{slash}{resource}" if domain.lower() == old else address


def plain(element: ET.Element, old: str, new: str, outer: str = "") -> Iterator[str]:
    """Return an element in pieces: no prefixes, as ejabberd does not look at them, and the domain replaced."""
    namespace, name = split(element.tag)
    yield f"<{name}"
    if namespace and namespace != outer:
        yield f" xmlns={quoteattr(namespace)}"
    for key, value in element.items():
        if "}" not in key or key.startswith(XML):  # others are a server's own business
            said = moved(value, old, new) if key in ADDRESSES else value
            yield f" {key.replace(XML, 'xml:')}={quoteattr(said)}"
    yield ">"
    yield escape(element.text or "")
    for child in element:
        yield from plain(child, old, new, namespace)
        yield escape(child.tail or "")
    yield f"</{name}>"


def vcard(element: ET.Element) -> str:
    """Return a vCard for apps that ask for one (XEP-0054), where the other server has made it from vCard4 each time."""
    fields = (("FN", f".//{{{VCARD4}}}fn"), ("NICKNAME", f".//{{{VCARD4}}}nickname"))
    said = [(name, element.findtext(f"{path}/{{{VCARD4}}}text")) for name, path in fields]
    parts = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in said if text)
    return f"<vCard xmlns='{VCARD}'>{parts}</vCard>" if parts else ""


def user(name: str, element: ET.Element, old: str, new: str) -> str:
    """Return an account as the program on the host reads it, each part with its own xmlns."""
    password = f" password={quoteattr(element.get('password', ''))}" if element.get("password") else ""
    parts = "".join("".join(plain(child, old, new)) for child in element)
    if element.find(f"{{{VCARD}}}vCard") is None:
        parts += vcard(element)
    return f"<user name={quoteattr(name)}{password}>{parts}</user>"


def batches(domain: str, users: list[str]) -> list[str]:
    """Return host elements of a bounded size."""
    groups: list[list[str]] = [[]]
    size = 0
    for one in users:
        if groups[-1] and size + len(one) > CALL_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(one)
        size += len(one)
    return [f"<host jid={quoteattr(domain)}>{''.join(group)}</host>" for group in groups]


def choose(found: Accounts, source: str, target: str, domains: list[str], file: str) -> dict[str, str]:
    """Return which domains of the files become which of the service; raises AnsibleActionFail."""
    there = ", ".join(sorted(found))
    into = target or domains[0]
    if source and source not in found:
        raise AnsibleActionFail(
            f'domain is "{source}", of which there is no account in {file}, but of {there}. Change it on the command '
            f"line, for example: -e domain={min(found)}"
        )
    if source:
        return {source: into}
    strange = sorted(set(found) - set(domains))
    if target or strange:
        raise AnsibleActionFail(
            f'file is "{file}", with accounts of {there}; the service has {", ".join(domains)}. Say on the command '
            f"line whose accounts are to become accounts of {into}, for example: -e domain={min(strange or found)}"
        )
    return {domain: domain for domain in found}


def complain(file: str, accounts: list[dict[str, str]]) -> None:
    """Raise AnsibleActionFail if an account cannot be taken in."""
    wrong = [f"{one['address']} {one['note']}" for one in accounts if one["state"] == "wrong"]
    old_hash = [one["address"] for one in accounts if one["state"] == "sha1"]
    if wrong:
        raise AnsibleActionFail(
            f'file is "{file}", in which {len(wrong)} of {len(accounts)} accounts cannot be taken: {some(wrong)}. '
            "Nothing was changed. Mend it or take them out, for example by giving a folder that has one file for each "
            "account: -e file=moving/"
        )
    if old_hash:
        raise AnsibleActionFail(
            f'file is "{file}", in which {len(old_hash)} of {len(accounts)} accounts have a SHA-1 key of their '
            f"password and no other ({some(old_hash)}): most apps could not log in to them. Nothing was changed. Let "
            "them in first: put xmpp_sha1_passwords: true into the inventory and run site.yml"
        )


def some(words: list[str]) -> str:
    """Return the first few of many."""
    return "; ".join(words[:SHOWN]) + ("; …" if len(words) > SHOWN else "")


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no type hints
    """Run the module with what the files say."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("verb", "file", "account", "source", "target", "domains"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's answer; raises AnsibleActionFail with what is wrong, before anything is changed."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.variables = dict(task_vars or {})
        args = self._task.args
        file = Path(str(args["file"])).expanduser()
        if args["verb"] == "import":
            return result | self._bring(file, args.get("source", ""), args.get("target", ""), list(args["domains"]))
        return result | self._give(args["verb"], args["account"], file)

    def _call(self, verb: str, **args: object) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(
            module_name="ejabberd_move", module_args={"verb": verb, **args}, task_vars=self.variables
        )
        if done.get("failed"):
            raise AnsibleActionFail(str(done.get("msg", "the module failed")))
        return done

    def _bring(self, file: Path, source: str, target: str, domains: list[str]) -> dict[str, Any]:
        try:
            found = read(file)
        except Wrong as wrong:
            raise AnsibleActionFail(
                f'file is "{file}", {wrong}. Change it on the command line, for example: -e file=moving/ '
                "(docs/operations.md says how to get it)"
            ) from None
        into = choose(found, source, target, domains, str(file))
        calls = [
            (new, host)
            for old, new in into.items()
            for host in batches(new, [user(name, element, old, new) for name, element in sorted(found[old].items())])
        ]

        def ask(verb: str) -> list[dict[str, str]]:
            return [
                {"address": f"{one['name']}@{domain}", "state": one["state"], "note": one["note"]}
                for domain, host in calls
                for one in self._call(verb, hosts=[host])["answers"][0]
            ]

        accounts = ask("check")
        complain(str(file), accounts)
        changed = any(one["state"] == "new" for one in accounts)
        if changed and not self._task.check_mode:
            accounts = ask("import")
        broken = [one for one in accounts if one["state"] not in ("new", "exists")]
        return {"changed": changed, "accounts": accounts, "broken": broken}

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
                ) from error
        return {"changed": True, "file": str(file.absolute())}
