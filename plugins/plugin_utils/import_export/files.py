# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of XEP-0227 that an operator gives: which accounts are in them, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

NAMESPACES = ("urn:xmpp:pie:0", "http://www.xmpp.org/extensions/xep-0227.html#ns")
INCLUDE = "{http://www.w3.org/2001/XInclude}include"
DEPTH = 100  # more would be an attack
WAY = "Change it on the command line, for example: -e file=moving/ (docs/import-export.md says how to get it)"
FIX = "Fix that file, or take it out of the folder, then run this again; nothing was changed"
Accounts = dict[str, dict[str, ET.Element]]  # by domain and name


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
            raise Wrong(f'with "{path.name}", which is not valid XML: {error}', FIX) from error
        if depth(root) > DEPTH:
            raise Wrong(f'with "{path.name}", nested more than {DEPTH} deep, which no data of accounts is', FIX)
        for host in hosts_of(root, path, alone=not place.is_dir()):
            accounts = found.setdefault(host.get("jid", "").lower(), {})
            for user in host:
                if split(user.tag)[1] == "user":
                    name = user.get("name", "")
                    if not name or name in accounts or any(sign.isspace() or not sign.isprintable() for sign in name):
                        raise Wrong(f'with "{path.name}", where an account has the name "{name}", or has it twice', FIX)
                    accounts[name] = user
    if not any(found.values()):
        raise Wrong("without a single account")
    return found
