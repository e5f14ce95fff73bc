# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Chromium, which trusts a service's authority and finds the service's names, and no others."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, async_playwright

from . import testbed


def trusting(authority: str, home: Path) -> Path:
    """Home of a user whose browser trusts this authority, beside the public ones."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    subprocess.run([*certutil, "-A", "-n", "service", "-t", "C,,"], input=authority, text=True, check=True)
    return home


@contextlib.contextmanager
def installed(visitor: str, folder: Path) -> Iterator[Path]:
    """Chromium in the network of a host of its own. It gives up what it loads (ERR_NETWORK_CHANGED) whenever its
    machine gets an address, as this one does with each host that other tests boot. Stages that run at the same time
    have visitors of different names.
    """
    network = f"/proc/{testbed.up(visitor)['process']}/ns/net"
    enter = ["nsenter", f"--net={network}", "--"]
    if os.geteuid():
        enter = ["sudo", "--preserve-env=HOME,LANG", "--", *enter]
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(enter)} /usr/bin/chromium "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    try:
        yield program
    finally:
        testbed.down(visitor)


@contextlib.asynccontextmanager
async def browsing(program: Path, home: Path, places: dict[str, str]) -> AsyncIterator[Browser]:
    """The browser; *places* are addresses by name, each also good for all names below it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=rules(places), env={"HOME": str(home), "LANG": "C.UTF-8"}
        )
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def without_storage(
    program: Path, home: Path, places: dict[str, str], profile: Path
) -> AsyncIterator[BrowserContext]:
    """A browser whose user has denied all sites cookies and all else that they could store."""
    (profile / "Default").mkdir(parents=True)
    denied = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (profile / "Default" / "Preferences").write_text(json.dumps(denied), encoding="ascii")
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile, executable_path=program, args=rules(places), env={"HOME": str(home), "LANG": "C.UTF-8"}
        )
        yield context
        await context.close()


def rules(places: dict[str, str]) -> list[str]:
    """The option that tells Chromium where names are."""
    found = [f"MAP {pattern} {address}" for name, address in places.items() for pattern in (name, f"*.{name}")]
    return [f"--host-resolver-rules={', '.join([*found, 'MAP * ~NOTFOUND'])}"]
