# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/notice.yml: a notice reaches the web site, its feed, the status for apps, and whoever is online."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .clients import login
from .service import Account, Service

CHECKOUT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 120
TITLE = "The server moves to another room"
TEXT = "For about an hour, messages wait until we are back."
NOTICE = f"""---
title: {TITLE}
kind: maintenance
begins: 2099-11-28T22:00+01:00
ends: 2099-11-28T23:30+01:00
---
{TEXT}
"""


def publish(folder: Path, *, announce: bool = False) -> None:
    """Runs the playbook as an operator does, with the notices of this folder."""
    settings = json.dumps({"website_notices_dir": str(folder), "announce": announce})
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "playbooks/notice.yml", "--limit=site"]
    done = subprocess.run(
        [*command, "--inventory=molecule/inventory", f"--extra-vars={settings}"],
        cwd=CHECKOUT,
        env={**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def notices(tmp_path: Path) -> Iterator[Path]:
    """A folder with one notice; the site is without notices again afterwards."""
    folder = tmp_path / "notices"
    folder.mkdir()
    (folder / "2026-11-22-maintenance.md").write_text(NOTICE, encoding="utf-8")
    yield folder
    (folder / "2026-11-22-maintenance.md").unlink()
    publish(folder)


@pytest.mark.timeout(2 * RUN_SECONDS)
async def test_notice_is_published_and_announced(
    service: Service, register: Callable[[int], list[Account]], notices: Path
) -> None:
    (alice,) = register(1)
    async with login(service, alice) as client:
        await client.online()
        await asyncio.to_thread(publish, notices, announce=True)
        heard = await client.messages.get(lambda stanza: TEXT in stanza.findtext("{jabber:client}body", ""))
        assert heard.get("from") == service.domain
    for path in ("/de/notices/", "/en/notices/", "/en/notices/feed.atom", "/status.json"):
        answer = await service.fetch("GET", f"https://{service.domain}{path}")
        assert answer.status == 200
        assert TITLE in answer.body.decode(), path
