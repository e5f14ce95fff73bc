# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/notice.yml: a notice reaches the web site, its feed, the status for apps, and whoever is online."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .clients import login
from .service import PLAYBOOK_SECONDS, Account, Service

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


def publish(service: Service, folder: Path, *, announce: bool = False) -> None:
    """Runs the playbook with the notices of this folder."""
    done = service.run_playbook("notice", json.dumps({"website_notices_dir": str(folder), "announce": announce}))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def notices(service: Service, tmp_path: Path) -> Iterator[Path]:
    """A folder with one notice; the site is without notices again afterwards."""
    folder = tmp_path / "notices"
    folder.mkdir()
    (folder / "2026-11-22-maintenance.md").write_text(NOTICE, encoding="utf-8")
    yield folder
    (folder / "2026-11-22-maintenance.md").unlink()
    publish(service, folder)


@pytest.mark.timeout(2 * PLAYBOOK_SECONDS)
async def test_notice_is_published_and_announced(
    service: Service, register: Callable[[int], list[Account]], notices: Path
) -> None:
    (alice,) = register(1)
    async with login(service, alice) as client:
        await client.online()
        await asyncio.to_thread(publish, service, notices, announce=True)
        heard = await client.messages.get(lambda stanza: TEXT in stanza.findtext("{jabber:client}body", ""))
        assert heard.get("from") == service.domain
    for path in ("/de/notices/", "/en/notices/", "/en/notices/feed.atom", "/status.json"):
        answer = await service.fetch("GET", f"https://{service.domain}{path}")
        assert answer.status == 200
        assert TITLE in answer.body.decode(), path
