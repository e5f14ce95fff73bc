# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up Debian archive in a folder, and a configuration with which apt knows no other."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

# As Debian's own archives describe themselves. The origin of backports is not that of the others.
BACKPORTS = "Origin: Debian Backports\nLabel: Debian Backports\nSuite: stable-backports\nCodename: trixie-backports\n"
BACKPORTS += "NotAutomatic: yes\nButAutomaticUpgrades: yes\n"
STABLE = "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: trixie\n"


def release(folder: Path, head: str, packages: str) -> None:
    """Write an archive of one folder, with what its file Packages says."""
    folder.mkdir(parents=True, exist_ok=True)
    content = packages.encode()
    (folder / "Packages").write_bytes(content)
    digest = f"SHA256:\n {hashlib.sha256(content).hexdigest()} {len(content)} Packages\n"
    (folder / "Release").write_text(f"{head}Date: Tue, 01 Dec 2026 00:00:00 UTC\n{digest}", encoding="utf-8")


def stanza(name: str, version: str, depends: str = "") -> str:
    """Return what Packages says of a version."""
    words = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n"
    words += f"Depends: {depends}\n" if depends else ""
    path, digest = f"./{name}_{version}_all.deb", hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    return f"{words}Filename: {path}\nSize: 1\nSHA256: {digest}\nDescription: made up\n\n"


class Apt:
    """Apt on this machine with folders of its own: it needs no root, and changes nothing outside of them."""

    def __init__(self, folder: Path, preferences: str) -> None:
        """Take an empty folder and what is to be in preferences.d/xmpp."""
        self.folder = folder
        for name in ("etc/preferences.d", "etc/sources.list.d", "etc/apt.conf.d", "lists/partial", "cache/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/preferences.d/xmpp").write_text(preferences, encoding="utf-8")
        (folder / "etc/sources.list").write_text(
            "".join(f"deb [trusted=yes] file:{folder}/{name} ./\n" for name in ("stable", "backports")),
            encoding="ascii",
        )
        (folder / "apt.conf").write_text(
            f'Dir::Etc "{folder}/etc"; Dir::State::lists "{folder}/lists"; Dir::Cache "{folder}/cache";\n'
            f'Dir::State::status "{folder}/status"; APT::Sandbox::User ""; Debug::NoLocking "1";\n'
            'Acquire::Languages "none"; APT::Architecture "amd64"; APT::Architectures { "amd64"; };\n',
            encoding="utf-8",
        )

    def installed(self, **versions: str) -> None:
        """Let these packages be installed; underscores stand for hyphens."""
        text = "".join(
            f"Package: {name.replace('_', '-')}\nStatus: install ok installed\nVersion: {version}\n"
            "Architecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: made up\n\n"
            for name, version in versions.items()
        )
        (self.folder / "status").write_text(text, encoding="utf-8")

    def offer(self, backports: str, stable: str = "") -> None:
        """Publish what the file Packages of backports, and that of stable, says; and update the lists."""
        release(self.folder / "backports", BACKPORTS, backports)
        release(self.folder / "stable", STABLE, stable)
        self.run("apt-get", "update", "-o", "APT::Get::List-Cleanup=0")

    def run(self, *command: str) -> str:
        """Run a program of apt."""
        done = subprocess.run(
            command,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "APT_CONFIG": f"{self.folder}/apt.conf"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
