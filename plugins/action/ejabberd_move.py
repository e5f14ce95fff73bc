# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module ejabberd_move: reads and writes files of XEP-0227.

What a Prosody stores beside them is read by the lookup plugin prosody. All accounts and rooms are checked before the
first one is made.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.conexizan.xmpp.plugins.lookup import prosody

DOCUMENTATION = "See the module of the same name."

NAMESPACES = ("urn:xmpp:pie:0", "http://www.xmpp.org/extensions/xep-0227.html#ns")
INCLUDE = "{http://www.w3.org/2001/XInclude}include"
VCARD = "vcard-temp"
PRIVACY = "jabber:iq:privacy"
BLOCKED = "Blocked contacts"  # as ejabberd calls it
VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0"
XML = "{http://www.w3.org/XML/1998/namespace}"
ADDRESSES = ("jid", "from", "to", "by")  # attributes
DEPTH = 100  # more would be an attack
CALL_BYTES = 8 << 20  # of XML, about, in one call
SHOWN = 10
WAY = "Change it on the command line, for example: -e file=moving/ (docs/operations.md says how to get it)"
MEND = "Mend that file, or take it out of the folder, then run this again; nothing was changed"
CHECKS = {"import": "check", "complete": "check-complete"}
COUNTED = ("contacts", "nodes", "messages")
TAKEN = ("new", "exists", "lacking", "completed")
ONLY_PROSODY = "which only Prosody's own program gives out"
MIGRATE = "Run prosody-migrator on the old host, and put the files that it writes there (docs/operations.md says how)"

# Items of these nodes (XEP-0402, XEP-0490) are called after the address of what they are about.
BY_ADDRESS = ("urn:xmpp:bookmarks:1", "urn:xmpp:mds:displayed:0")

Accounts = dict[str, dict[str, ET.Element]]  # by domain and name
Moves = dict[str, str]  # old domain to new


class Wrong(Exception):
    """What is wrong about a file, to follow "file is …, ", and what to do about it."""

    def __init__(self, what: str, way: str = WAY) -> None:
        """Take both without a full stop."""
        super().__init__(what)
        self.way = way


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
        raise Wrong("a folder without a file *.xml, or the folder of a Prosody's rooms")
    found: Accounts = {}
    for path in paths:
        try:
            root = ET.parse(path).getroot()  # noqa: S314 (the operator's; and expat refuses entities that explode)
        except OSError as error:
            raise Wrong(f"which cannot be read: {error.strerror}") from error
        except ET.ParseError as error:
            raise Wrong(f'with "{path.name}", which is no XML: {error}', MEND) from error
        if depth(root) > DEPTH:
            raise Wrong(f'with "{path.name}", nested more than {DEPTH} deep, which no data of accounts is', MEND)
        for host in hosts_of(root, path, alone=not place.is_dir()):
            accounts = found.setdefault(host.get("jid", "").lower(), {})
            for user in host:
                if split(user.tag)[1] == "user":
                    name = user.get("name", "")
                    if not name or name in accounts or any(sign.isspace() or not sign.isprintable() for sign in name):
                        raise Wrong(
                            f'with "{path.name}", where an account has the name "{name}", or has it twice', MEND
                        )
                    accounts[name] = user
    if not any(found.values()):
        raise Wrong("without a single account")
    return found


def moved(address: str, moves: Moves) -> str:
    """Return an address after the move of domains."""
    bare, slash, resource = address.partition("/")
    name, at, domain = bare.rpartition("@")
    return f"{name}{at}{moves.get(domain.lower(), domain)}{slash}{resource}"


def plain(element: ET.Element, moves: Moves, outer: str = "", node: str = "") -> Iterator[str]:
    """Return an element in pieces: no prefixes, as ejabberd does not look at them, and domains replaced."""
    namespace, name = split(element.tag)
    yield f"<{name}"
    if namespace and namespace != outer:
        yield f" xmlns={quoteattr(namespace)}"
    for key, value in element.items():
        if "}" not in key or key.startswith(XML):  # others are a server's own business
            address = key in ADDRESSES or (name == "item" and key == "id" and node in BY_ADDRESS)
            said = moved(value, moves) if address else value
            yield f" {key.replace(XML, 'xml:')}={quoteattr(said)}"
    yield ">"
    yield escape(element.text or "")
    for child in element:
        yield from plain(child, moves, namespace, element.get("node", "") if name == "items" else "")
        yield escape(child.tail or "")
    yield f"</{name}>"


def vcard(element: ET.Element) -> str:
    """Return a vCard for apps that ask for one (XEP-0054), where the other server has made it from vCard4 each time."""
    fields = (("FN", f".//{{{VCARD4}}}fn"), ("NICKNAME", f".//{{{VCARD4}}}nickname"))
    said = [(name, element.findtext(f"{path}/{{{VCARD4}}}text")) for name, path in fields]
    parts = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in said if text)
    return f"<vCard xmlns='{VCARD}'>{parts}</vCard>" if parts else ""


def block_list(blocked: Iterable[str], moves: Moves) -> str:
    """Return a privacy list that blocks these, in force, as apps make it (XEP-0191)."""
    items = "".join(
        f"<item type='jid' value={quoteattr(moved(jid, moves))} action='deny' order='{place}'/>"
        for place, jid in enumerate(blocked, 1)
    )
    lists = f"<list name='{BLOCKED}'>{items}</list><default name='{BLOCKED}'/>"
    return f"<query xmlns='{PRIVACY}'>{lists}</query>" if items else ""


def user(name: str, element: ET.Element, moves: Moves, blocked: Iterable[str] = ()) -> str:
    """Return an account as the program on the host reads it, each part with its own xmlns."""
    password = f" password={quoteattr(element.get('password', ''))}" if element.get("password") else ""
    parts = "".join("".join(plain(child, moves)) for child in element)
    if element.find(f"{{{VCARD}}}vCard") is None:
        parts += vcard(element)
    if element.find(f"{{{PRIVACY}}}query") is None:
        parts += block_list(blocked, moves)
    return f"<user name={quoteattr(name)}{password}>{parts}</user>"


def batches(domain: str, parts: list[str]) -> list[str]:
    """Return host elements of a bounded size."""
    groups: list[list[str]] = [[]]
    size = 0
    for one in parts:
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
    if not found:
        return {source: into} if source else {}
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


def service_of(domain: str, into: Moves, target: str, services: Moves) -> str:
    """Return the domain that another server's rooms move to; *services* are those of our rooms, by domain."""
    of = [new for old, new in into.items() if domain.endswith(f".{old}")]
    return services[of[0] if of else target or next(iter(services))]


def apart(domains: Iterable[str], accounts: Iterable[str]) -> None:
    """Raise Wrong if rooms are of a domain of accounts: these would all become addresses of rooms."""
    if both := sorted(set(domains) & set(accounts)):
        raise Wrong(
            f"with a room of {both[0]}, which is a domain of accounts, as the files or the command line say",
            "If accounts are of another, say that, for example: -e domain=old.example. If not, take the room out by "
            "deleting its file, which is called after it, for example: config/garden.dat",
        )


def rooms_of(rooms: list[dict[str, str]], moves: Moves, ours: Iterable[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """Return rooms as the program on the host reads them, with what is not taken, by new domain and name.

    Raises Wrong if two have the same name. *ours* are the domains of which somebody should own a room.
    """
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for room in rooms:
        name, _, domain = room["address"].partition("@")
        there = found.setdefault(moves[domain], {})
        if name in there:
            raise Wrong(
                f"with two rooms that would both be {name}@{moves[domain]}",
                "Give one of the two folders that they are in at a time, for example by putting that of "
                f"{domain} elsewhere first",
            )
        element = ET.fromstring(room["xml"])  # noqa: S314 (by our own plugin)
        owners = (one.get("jid", "") for one in element.iter("affiliation") if one.get("is") == "owner")
        owned = any(moved(jid, moves).rpartition("@")[2] in ours for jid in owners)
        left = listed(room["left"], "" if owned else "an owner on this service")
        there[name] = ("".join(plain(element, moves)), left)
    return found


def listed(*parts: str) -> str:
    """Return those that say something, as a list in words."""
    return ", ".join(filter(None, parts))


def complain(file: str, accounts: list[dict[str, str]], rooms: list[dict[str, str]]) -> None:
    """Raise AnsibleActionFail if an account or a room cannot be taken in."""
    wrong = [f"{one['address']} {one['note']}" for one in accounts if one["state"] == "wrong"]
    old_hash = [one["address"] for one in accounts if one["state"] == "sha1"]
    closed = [f"{one['address']} {one['note']}" for one in rooms if one["state"] == "wrong"]
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
    if closed:
        raise AnsibleActionFail(
            f'file is "{file}", in which {len(closed)} of {len(rooms)} rooms cannot be taken: {some(closed)}. Nothing '
            "was changed. Take them out by deleting the file of each, which is called after it, for example: "
            "config/garden.dat"
        )


def some(words: list[str]) -> str:
    """Return the first few of many."""
    return "; ".join(words[:SHOWN]) + ("; …" if len(words) > SHOWN else "")


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


def people(halls: dict[str, list[str]]) -> Counter[str]:
    """Return in how many rooms somebody is somebody, by address."""
    return Counter(
        one.get("jid", "").lower()
        for those in halls.values()
        for xml in those
        for one in ET.fromstring(xml).iter("affiliation")  # noqa: S314 (by our own plugin)
        if one.get("is") != "outcast"
    )


def alone(accounts: list[dict[str, Any]]) -> list[str]:
    """Return which accounts of the files know nobody: the program that wrote them may have broken off before that."""
    return [one["address"] for one in accounts if one["state"] in TAKEN and not one["counts"]["contacts"]]


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no type hints
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
            return result | self._bring(file, *words, verb=args["verb"])
        return result | self._give(args["verb"], args["account"], file)

    def _call(self, verb: str, **args: object) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(
            module_name="conexizan.xmpp.ejabberd_move", module_args={"verb": verb, **args}, task_vars=self.variables
        )
        if done.get("failed"):
            raise AnsibleActionFail(str(done.get("msg", "the module failed")))
        return done

    def _bring(self, file: Path, source: str, target: str, services: Moves, verb: str = "import") -> dict[str, Any]:
        try:
            try:
                stored = prosody.rooms(file.absolute())
                blocked = prosody.blocked(file.absolute())
                theirs = prosody.accounts(file.absolute())
            except AnsibleError as wrong:
                raise Wrong(str(wrong), MEND) from None
            if theirs and not stored and not any(file.glob("*.xml")):
                raise Wrong(f"with {sources(theirs)}, {ONLY_PROSODY}", MIGRATE)
            found = read(file) if not stored or any(file.glob("*.xml")) else {}
            unread = [one for one in theirs if not is_read(one["address"], found)]
            into = choose(found, source, target, list(services), str(file))
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
        complain(str(file), accounts, opened)
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
