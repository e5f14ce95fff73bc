# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Prosody stores and does not give out as XEP-0227: its rooms, who is blocked, and whose accounts it has."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from ansible.errors import AnsibleError

# What there is in Prosody's tables of plain values.
TOKEN = re.compile(
    r'\s*(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<number>-?\d+(?:\.\d*)?(?:e[+-]?\d+)?)'
    r"|(?P<word>true|false|nil|return)|(?P<sign>[][{}=;,]))",
    re.DOTALL,
)
ESCAPED = re.compile(r"\\(\d{1,3}|.)", re.DOTALL)
# Of an element or attribute, checked for what would end it; the parser checks the rest.
NAME = re.compile(r"[\w.:-]+")
ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
WORDS = {"true": True, "false": False, "nil": None}

AFFILIATIONS = ("owner", "admin", "member", "outcast")
ROLES = ("moderator", "participant", "visitor")
TEXTS = {
    "name": "title",
    "description": "description",
    "password": "password",
    "language": "lang",
    "subject": "subject",
}
# Who may write to one person. Members only, as Prosody can say, ejabberd cannot: the next stricter.
PRIVATE = {
    "anyone": "anyone",
    "everyone": "anyone",
    "visitor": "anyone",
    "participant": "participants",
    "participants": "participants",
    "moderator": "moderators",
    "moderators": "moderators",
    "none": "none",
}
# How a server runs a room, or what it will be anew: nobody misses it.
UNSAID = {"default_history_messages", "history_length", "locked", "occupant_id_salt", "subject_time"}

Table = dict[Any, Any]


class Unfit(Exception):
    """What a file says that cannot be, to follow "with …, "."""


class Tokens:
    """What is left to be read of a file that returns a value; raises ValueError where there is anything else in it."""

    def __init__(self, source: str) -> None:
        """Take the whole file, a byte a character."""
        self.left: list[tuple[str, str]] = []
        place, end = 0, len(source.rstrip())
        while place < end:
            found = TOKEN.match(source, place)
            if found is None:
                raise ValueError(f"at byte {place}")
            kind = str(found.lastgroup)
            self.left.append((kind, found[kind]))
            place = found.end()
        self.left.reverse()

    def take(self, *signs: str) -> bool:
        """Go on if one of the signs is next, and tell whether it was."""
        return bool(self.left) and self.left[-1][0] != "text" and self.left[-1][1] in signs and bool(self.left.pop())

    def need(self, sign: str) -> None:
        """Go on behind the sign."""
        if not self.take(sign):
            raise ValueError(f"without {sign}")

    def value(self) -> Any:
        """Return the value that is next; a table as dictionary."""
        kind, said = self.left.pop() if self.left else ("", "nothing")
        if kind == "text":
            return ESCAPED.sub(unescaped, said).encode("latin-1").decode()
        if kind == "number":
            return float(said)
        if said in WORDS:
            return WORDS[said]
        if said != "{":
            raise ValueError(f"{said} is not a Lua value")
        table: Table = {}
        place = 0
        while not self.take("}"):
            if self.take("["):
                key = self.value()
                key = int(key) if isinstance(key, float) and key.is_integer() else key
                self.need("]")
                self.need("=")
            else:
                key = place = place + 1
            table[key] = self.value()
            self.take(";", ",")
        return table


def unescaped(found: re.Match[str]) -> str:
    """Return what a backslash and what follows it stand for."""
    sign = found[1]
    return chr(int(sign)) if sign.isdigit() else ESCAPES.get(sign, sign)


def lua(content: bytes) -> Any:
    """Return the value that a file returns; raises ValueError if there is more in it."""
    tokens = Tokens(content.decode("latin-1"))
    tokens.need("return")
    value = tokens.value()
    tokens.take(";")
    if tokens.left:
        raise ValueError("with more than a value")
    return value


def markup(stanza: Table) -> str:
    """Return XML that Prosody has stored as a table; raises ValueError for names that are none."""
    # An attribute with a namespace is called after it, with this sign between: a server's own business.
    attr = {key: value for key, value in stanza["attr"].items() if "\1" not in key}
    if not all(NAME.fullmatch(name) for name in (stanza["name"], *attr)):
        raise ValueError("with a name that no element has")
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in attr.items())
    parts = (stanza[key] for key in sorted(key for key in stanza if not isinstance(key, str)))
    inside = "".join(escape(part) if isinstance(part, str) else markup(part) for part in parts)
    return f"<{stanza['name']}{attributes}>{inside}</{stanza['name']}>"


def settings(data: Table) -> tuple[list[tuple[str, str, str]], set[str]]:
    """Return ejabberd's settings (kind, name and value) for Prosody's, and which of Prosody's it has none for."""
    rest = {name: value for name, value in data.items() if name not in UNSAID}
    closed, moderated = bool(rest.pop("members_only", False)), bool(rest.pop("moderated", False))
    flags = {
        "allow_change_subj": bool(rest.pop("changesubject", False)),
        "allow_user_invites": bool(rest.pop("allow_member_invites", False)) or not closed,
        "anonymous": rest.pop("whois", "") != "anyone",
        "members_by_default": not moderated,
        "members_only": closed,
        "moderated": moderated,
        "password_protected": bool(rest.get("password")),
        "persistent": bool(rest.pop("persistent", False)),
        "public": not rest.pop("hidden", False),
    }
    if "archiving" in rest:
        flags["mam"] = bool(rest.pop("archiving"))
    private = rest.pop("allow_pm", "anyone")
    found = [("word", name, str(value).lower()) for name, value in flags.items()]
    found.append(("word", "allowpm", PRIVATE.get(private, "moderators")))
    if (roles := rest.pop("presence_broadcast", None)) is not None:
        found.append(("words", "presence_broadcast", " ".join(role for role in ROLES if roles.get(role))))
    if author := rest.pop("subject_from", "").partition("/")[2]:
        found.append(("text", "subject_author", author))
    found += [("text", ours, rest.pop(theirs)) for theirs, ours in TEXTS.items() if rest.get(theirs)]
    left = {name for name, value in rest.items() if value and name not in TEXTS}
    return found, left if private in PRIVATE else left | {"allow_pm"}


def room(stored: Table, vcard: Table) -> dict[str, str] | None:
    """Return a room, or None if it goes when everybody has left, or is only remembered as destroyed."""
    data = stored["_data"]
    if not data.get("persistent") or data.get("destroyed"):
        return None
    address = str(stored.get("_jid") or stored["jid"]).lower()
    name, _, domain = address.partition("@")
    if not (name and domain) or any(sign in "@/" or sign.isspace() or not sign.isprintable() for sign in name + domain):
        raise ValueError("without an address")
    found, left = settings(data)
    parts = [f"<{kind} name='{name}'>{escape(value)}</{kind}>" for kind, name, value in found]
    # Older Prosodys have people in a table of their own, newer ones among other keys.
    for jid, what in (stored.get("_affiliations") or stored).items():
        if what in AFFILIATIONS and "/" not in jid:
            more = (stored.get("_affiliation_data") or {}).get(jid) or {}
            left |= {name for name, value in more.items() if value} - {"reason", "reserved_nickname"}
            reason, nick = escape(more.get("reason") or ""), quoteattr(more.get("reserved_nickname") or "")
            parts.append(f"<affiliation jid={quoteattr(jid)} is='{what}' nick={nick}>{reason}</affiliation>")
    if vcard:
        if vcard["name"] != "vCard":  # but a setting, perhaps
            raise ValueError("with a vCard that is none")
        parts.append(markup(vcard))
    xml = f"<room name={quoteattr(name)}>{''.join(parts)}</room>"
    ET.fromstring(xml)  # noqa: S314 (made here; there are signs that XML cannot have)
    return {"address": address, "xml": xml, "left": ", ".join(sorted(left))}


def load(path: Path) -> Table:
    """Return the table in a file; raises OSError, ValueError."""
    table = lua(path.read_bytes())
    if not isinstance(table, dict):
        raise ValueError("without a table")
    return table


def host_of(path: Path) -> str:
    """Return the domain in whose folder a file is."""
    return unquote(path.parts[-3]).lower()


def read_room(path: Path) -> dict[str, str] | None:
    """Return the room in a file, as room() does; raises Unfit if it is of another domain than its folder."""
    picture = path.parents[1] / "vcard_muc" / path.name
    found = room(load(path), load(picture) if picture.exists() else {})
    # All addresses of a room's domain move with it, so the file alone does not say what that is.
    if found and found["address"].partition("@")[2] != host_of(path):
        raise Unfit(f"which has the room {found['address']} in the folder of {host_of(path)}")
    return found


def read_blocked(path: Path) -> tuple[str, list[str]]:
    """Return whose block list is in a file, and who is blocked; raises Unfit if that is nobody."""
    whose = f"{unquote(path.stem)}@{host_of(path)}".lower()
    # What is stored under "false" is about the list.
    blocked = [jid for jid in load(path) if jid]
    if not all(isinstance(jid, str) for jid in blocked):
        raise ValueError("with what is no address")
    for jid in blocked:
        try:
            ET.fromstring(f"<a b={quoteattr(jid)}/>")  # noqa: S314 (made here; there are signs that XML cannot have)
        except ET.ParseError as error:
            raise Unfit(f"in which {whose} has blocked {jid!r}: no address has such signs, take it out") from error
    return whose, blocked


def read(folder: Path, kind: str, reader: Callable[[Path], Any]) -> list[Any]:
    """Return what *reader* says to all files of a kind; raises AnsibleError with what is wrong about one."""
    found = []
    for path in sorted(folder.glob(f"*/{kind}/*.dat")):
        try:
            found.append(reader(path))
        except OSError as error:
            raise AnsibleError(f'with "{path.relative_to(folder)}", which cannot be read: {error.strerror}') from None
        except Unfit as wrong:
            raise AnsibleError(f'with "{path.relative_to(folder)}", {wrong}') from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, ET.ParseError):
            # Ansible would add Python's words, which say nothing to who has to fix the file.
            raise AnsibleError(f'with "{path.relative_to(folder)}", which is not as Prosody stores it') from None
    return found


def rooms(folder: Path) -> list[dict[str, Any]]:
    """Return the rooms in a folder; raises AnsibleError with what is wrong about one."""
    return [one for one in read(folder, "config", read_room) if one is not None]


def blocked(folder: Path) -> dict[str, list[str]]:
    """Return whom people have blocked, by their addresses; raises AnsibleError with what is wrong about a list."""
    return dict(read(folder, "blocklist", read_blocked))


def accounts(folder: Path) -> list[dict[str, str]]:
    """Return whose passwords are in files of the folder that only Prosody's own program gives out."""
    # The folder may be that of a domain itself.
    paths = sorted((*folder.glob("*/accounts/*.dat"), *folder.glob("accounts/*.dat")))
    found = [
        {"address": f"{unquote(path.stem)}@{host_of(path)}".lower(), "file": str(path.relative_to(folder))}
        for path in paths
    ]
    bases = sorted((*folder.glob("*.sqlite"), *folder.glob("*/*.sqlite")))
    return found + [{"address": "", "file": str(path.relative_to(folder))} for path in bases]
