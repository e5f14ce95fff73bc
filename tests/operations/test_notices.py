# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/notice.yml: a notice reaches the web site, its feed, the status for apps, and whoever is online."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..kit.clients import login
from ..kit.service import PLAYBOOK_SECONDS, Account, Service

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
LATER = "There are two new rooms."
NEWS = f"""---
title: News
---
{LATER}
"""


def publish(service: Service, folder: Path, *words: str) -> None:
    """Runs the playbook with the notices of this folder."""
    done = service.run_playbook("notice", f"website_notices_dir={folder}", *words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def notices(service: Service, tmp_path: Path) -> Iterator[Path]:
    """A folder with two notices; the site is without notices again afterwards."""
    folder = tmp_path / "notices"
    folder.mkdir()
    (folder / "2026-11-22-maintenance.md").write_text(NOTICE, encoding="utf-8")
    (folder / "2026-11-23-news.md").write_text(NEWS, encoding="utf-8")
    yield folder
    for notice in folder.iterdir():
        notice.unlink()
    publish(service, folder)


@pytest.mark.timeout(2 * PLAYBOOK_SECONDS)
def test_nothing_is_published_by_a_check_or_a_wrong_name(service: Service, tmp_path: Path) -> None:
    (tmp_path / "2026-11-23-news.md").write_text(NEWS, encoding="utf-8")
    words = (f"website_notices_dir={tmp_path}", "announce=true")
    before = service.host.check_output("sha256sum /srv/xmpp/website/en/notices/index.html")
    done = service.run_playbook("notice", "--check", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one of them would be sent to everybody who is online." in done.stdout
    done = service.run_playbook("notice", *words, "notice=2026-11-23-new")
    assert done.returncode == 2
    assert done.stdout.count("has no notice 2026-11-23-new; there are: 2026-11-23-news.") == 1
    assert service.host.check_output("sha256sum /srv/xmpp/website/en/notices/index.html") == before


@pytest.mark.timeout(3 * PLAYBOOK_SECONDS)
async def test_notice_is_published_and_announced(
    service: Service, register: Callable[[int], list[Account]], notices: Path
) -> None:
    (alice,) = register(1)
    async with login(service, alice) as client:
        await client.online()
        for words, text in (("announce=true",), LATER), (("announce=true", "notice=2026-11-22-maintenance"), TEXT):
            await asyncio.to_thread(publish, service, notices, *words)
            heard = await client.messages.get(lambda _: True)
            assert heard.get("from") == service.domain
            assert text in heard.findtext("{jabber:client}body", "")
    for path in ("/de/notices/", "/en/notices/", "/en/notices/feed.atom", "/status.json"):
        answer = await service.fetch("GET", f"https://{service.domain}{path}")
        assert answer.status == 200
        assert TITLE in answer.body.decode(), path
