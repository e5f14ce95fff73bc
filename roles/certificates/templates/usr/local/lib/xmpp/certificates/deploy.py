# SPDX-License-Identifier: GPL-3.0-or-later
"""Let all services take the certificates by their deploy hooks, or roll back to the previous ones."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from cryptography import x509

from . import files
from .x509 import has_expired


def chains(domains: list[str]) -> bytes:
    """Return the certificates in use, one after the other."""
    paths = (files.in_use(domain)[0] for domain in domains)
    return b"".join(path.read_bytes() for path in paths if path.exists())


def run_hooks() -> list[str]:
    """Run all deploy hooks; return the errors of those that failed."""
    failed = []
    for hook in sorted(files.HOOKS.glob("*.hook")):
        done = subprocess.run([str(hook)], capture_output=True, text=True, check=False)
        if done.returncode:
            failed.append(f"{hook}: {done.stderr.strip()}")
    return failed


def deploy(domains: list[str], before: dict[Path, bytes]) -> list[str]:
    """Let all services take the certificates, or none; return what failed.

    If one service rejects them, the previous files are restored and the hooks run again: a service that restarts finds
    what it had. The next run tries the new ones again.
    """
    deployed = files.HOME / "deployed"
    if deployed.exists() and deployed.read_bytes() == chains(domains):
        return []
    files.about_to_change()
    failed = run_hooks()
    if not failed:
        files.write(deployed, chains(domains), 0o644)
    elif roll_back(before):
        failed.append("Rolled back to the previous certificates.")
        if again := run_hooks():
            failed += [f"Failed with the previous certificates too: {error}" for error in again]
            deployed.unlink(missing_ok=True)
    return failed


def wrong_modes(domains: list[str]) -> list[tuple[Path, int]]:
    """Return the files that services cannot read, or others can, each with the mode that it must have."""
    modes = [
        (path, mode)
        for domain in domains
        for path, mode in zip(files.in_use(domain), (files.CHAIN_MODE, files.KEY_MODE), strict=True)
    ]
    return [(path, mode) for path, mode in modes if path.exists() and path.stat().st_mode & 0o7777 != mode]


def closed_folders(domains: list[str]) -> list[Path]:
    """Return the folders that services cannot enter."""
    folders = [folder for domain in domains if (folder := files.HOME / domain).exists()]
    if files.WEBROOT.exists():
        folders += [files.WEBROOT.parent, files.WEBROOT]
    return [folder for folder in folders if folder.stat().st_mode & 0o7777 != 0o755]


def repair_modes(domains: list[str]) -> bool:
    """Let services read what an earlier run has left unreadable for them; return whether there was anything."""
    wrong = wrong_modes(domains)
    for path, mode in wrong:
        path.chmod(mode)
    if files.WEBROOT.exists():
        # The timer's service may not write there; a run of Ansible may.
        with contextlib.suppress(OSError):
            for folder in (files.WEBROOT.parent, files.WEBROOT):
                files.open_folder(folder)
    # A list, since any() would stop at the first.
    closed = [files.open_folder(files.HOME / domain) for domain in domains if (files.HOME / domain).exists()]
    return bool(wrong) or any(closed)


def snapshot(domains: list[str]) -> dict[Path, bytes]:
    """Return the content of the certificates in use and of this host's own CA, by path."""
    paths = [path for domain in domains for path in files.in_use(domain)]
    paths += [files.HOME / name for name in ("ca.crt", "ca.key")]
    return {path: path.read_bytes() for path in paths if path.exists()}


def roll_back(before: dict[Path, bytes]) -> bool:
    """Restore the files of a snapshot unless one of its certificates is useless; return whether anything changed."""
    modes = {"privkey.pem": files.KEY_MODE, "ca.key": 0o600}
    for path, content in before.items():
        try:
            useless = path.name == "fullchain.pem" and has_expired(x509.load_pem_x509_certificate(content))
        except ValueError:  # not a certificate
            useless = True
        if useless:
            return False
    changed = False
    for path, content in before.items():
        if path.read_bytes() != content:
            files.write(path, content, modes.get(path.name, 0o644))
            changed = True
    return changed
