# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the host installs Debian from, whatever way its sources are written, and what is installed."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg

APT = Path("/etc/apt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
OUR_SOURCE = "xmpp-backports.sources"
# What apt takes for no (apt's StringToBool).
DISABLED = ("no", "false", "0", "off", "without", "disable")


def apt_sources() -> list[dict[str, str]]:
    """Return every active binary source as uris, suites, components, signed-by (sources.list(5), both formats)."""
    sources = []
    for path in [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*.list"))]:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for match in re.finditer(r"^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#\n]*)", text, re.MULTILINE):
            options = dict(item.split("=", 1) for item in (match[1] or "").split() if "=" in item)
            sources.append(
                {
                    "uris": match[2],
                    "suites": match[3],
                    "components": match[4],
                    "signed-by": options.get("signed-by", ""),
                }
            )
    for path in sorted(set((APT / "sources.list.d").glob("*.sources")) - {APT / "sources.list.d" / OUR_SOURCE}):
        text = re.sub(r"^#.*\n?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for stanza in re.split(r"\n\s*\n", text):
            fields = {
                key.lower(): " ".join(value.split())
                for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
            }
            if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in DISABLED:
                sources.append({key: fields.get(key, "") for key in ("uris", "suites", "components", "signed-by")})
    return sources


def mirror(release: str) -> tuple[str, str]:
    """Return URI and keyring of the Debian archive that the host uses for its release; empty if it has none.

    Other archives (a Raspberry Pi's own, a vendor's) use the same suite names, Debian's is the one that has
    updates or backports of the suite too, or that is signed with Debian's keyring.
    """
    best: tuple[int, str, str] = (-1, "", "")
    sources = apt_sources()
    for source in sources:
        suites = source["suites"].split()
        if release not in suites or "main" not in source["components"].split():
            continue
        for uri in source["uris"].split():
            beside = {suite for other in sources if uri in other["uris"].split() for suite in other["suites"].split()}
            score = 2 * bool(beside & {f"{release}-updates", f"{release}-backports"})
            score += "debian-archive" in source["signed-by"]
            if score > best[0]:
                keyring = source["signed-by"] if source["signed-by"].startswith("/") else ""  # else the key itself
                best = (score, uri.rstrip("/"), keyring)
    return best[1], best[2]


def backports(release: str) -> list[dict[str, str]]:
    """Return what the operator has added of backports."""
    return [source for source in apt_sources() if f"{release}-backports" in source["suites"].split()]


def has_backports(release: str) -> bool:
    """Tell whether the operator has added backports with the part that the service comes from."""
    return any("main" in source["components"].split() for source in backports(release))


def backports_key(release: str, uri: str, keyring: str) -> str:
    """Return the keyring of backports at *uri*: the operator's, even if none; two stop apt."""
    for source in backports(release):
        if uri in [one.rstrip("/") for one in source["uris"].split()]:
            return source["signed-by"]
    return keyring or KEYRING


def default_release() -> str:
    """Return APT::Default-Release, which puts that release before all others, security updates included."""
    words = subprocess.run(
        ["apt-config", "dump", "APT::Default-Release"], capture_output=True, text=True, check=False
    ).stdout
    match = re.search(r'^APT::Default-Release "(.+)";$', words, re.MULTILINE)
    return match[1] if match else ""


def versions(packages: list[str]) -> dict[str, str]:
    """Return the installed ones of *packages* (shell patterns) with their versions, from dpkg's database."""
    wanted = {name for name in packages if "*" not in name}
    patterns = [name for name in packages if "*" in name]
    found = {}
    for stanza in dpkg.STATUS.read_text(encoding="utf-8").split("\n\n"):
        name = stanza.partition("\n")[0].removeprefix("Package: ")
        if not (name in wanted or any(fnmatch(name, pattern) for pattern in patterns)):
            continue
        if re.search("^Status: (?:install|hold) ok installed$", stanza, re.MULTILINE):
            match = re.search(r"^Version: (\S+)", stanza, re.MULTILINE)
            if match:
                found[name] = match[1]
    return found
