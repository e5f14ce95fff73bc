# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices of the operator to the users, as a page, a message and a status for programs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.translation import WRITTEN, translations
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import Mistake, Source, read, visible

NOTICE_KEYS = ("title", "kind", "begins", "ends", "updated")
KINDS = ("maintenance", "outage", "news")
NOTICE_NAME = re.compile(r"((\d{4}-\d\d-\d\d)-[a-z0-9]+(?:-[a-z0-9]+)*)(?:\.([a-z]{2}))?\.md")


@dataclass
class Notice:
    """A notice in every language that it was written in; "" stands for all."""

    name: str
    day: date
    kind: str = "news"
    begins: datetime | None = None
    ends: datetime | None = None
    updated: datetime | None = None
    sources: dict[str, Source] = field(default_factory=dict)

    def source(self, language: str, languages: Sequence[str]) -> tuple[str, Source]:
        """Return the text for a reader, and its language: else the first of the site that it is in."""
        found = next((one for one in (language, "", *languages) if one in self.sources), next(iter(self.sources)))
        return found or language, self.sources[found]

    @property
    def changed(self) -> datetime:
        """When it was written, or last corrected: as the file says, so that it is the same in every run."""
        return self.updated or datetime.combine(self.day, time(), UTC)


def moment(source: Source, key: str) -> datetime | None:
    """Return a time from the front matter."""
    value = source.facts.get(key)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        wrong = f'has "{key}: {value}", which is not a time with a UTC offset, for example 2026-11-22T22:00+01:00'
        raise source.mistake(key, wrong)
    return parsed


def read_notices(folder: Path, known: Collection[str]) -> list[Notice]:
    """Return the notices, newest first; raises Mistake."""
    notices: dict[str, Notice] = {}
    for file in visible(folder):
        match = NOTICE_NAME.fullmatch(file.name)
        try:
            day = date.fromisoformat(match[2]) if match else None
        except ValueError:
            day = None
        if match is None or day is None or (match[3] or "") not in {"", *known}:
            names = ", ".join(
                f"2026-11-22-maintenance{end}.md" for end in ("", *(f".{name}" for name in sorted(known)))
            )
            raise Mistake(file, 1, f"is not a notice: its name must begin with a date, like {names}")
        source = read(file, NOTICE_KEYS)
        notice = notices.setdefault(match[1], Notice(match[1], day))
        notice.sources[match[3] or ""] = source
        kind, begins, ends = source.facts.get("kind", "news"), moment(source, "begins"), moment(source, "ends")
        if kind not in KINDS:
            raise source.mistake("kind", f'has "kind: {kind}", it can be {", ".join(KINDS)}')
        if kind != "news" and begins is None:
            raise source.mistake(
                "kind", f'has "kind: {kind}", so it needs a begin, for example "begins: 2026-11-22T22:00+01:00"'
            )
        if ends and (begins is None or ends <= begins):
            raise source.mistake("ends", "ends before it begins")
        if len(notice.sources) > 1 and (kind, begins, ends) != (notice.kind, notice.begins, notice.ends):
            raise source.mistake("kind", "has another kind, begin or end than its translation")
        notice.kind, notice.begins, notice.ends = kind, begins, ends
        notice.updated = max(filter(None, (notice.updated, moment(source, "updated"))), default=None)
    return sorted(notices.values(), key=lambda notice: notice.name, reverse=True)


def status(notices: list[Notice], languages: list[str], now: datetime) -> dict[str, Any]:
    """Return the status of the current or next outage (XEP-0455); empty if there is none."""
    outages = [notice for notice in notices if notice.begins and notice.kind != "news"]
    for notice in sorted(outages, key=lambda notice: notice.begins or now):
        if notice.begins is None or (notice.ends and notice.ends <= now):
            continue
        message = {language: notice.source(language, languages)[1].facts["title"] for language in languages}
        answer: dict[str, Any] = {"planned": notice.kind == "maintenance", "beginning": utc(notice.begins)}
        if notice.ends:
            answer["expected_end"] = utc(notice.ends)
        return {**answer, "message": {"default": message[languages[0]], **message}}
    return {}


def utc(value: datetime) -> str:
    """Return a time as RFC 3339 writes it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def notice_message(folder: Path, languages: list[str], name: str) -> dict[str, str]:
    """Return a notice as a message: its titles, and its texts one below the other."""
    notices = read_notices(folder, {*WRITTEN, *translations()})
    chosen = [notice for notice in notices if name in ("", notice.name)]
    if not notices:
        raise Mistake(folder, 0, "has no notice yet; write one, for example 2026-11-22-news.md (docs/website.md)")
    if not chosen:
        names = ", ".join(notice.name for notice in notices)
        raise Mistake(folder, 0, f"has no notice {name}; there are: {names}")
    shown = (chosen[0].source(language, languages)[1] for language in languages)
    sources = list({source.file: source for source in shown}.values())
    return {
        "subject": " / ".join(dict.fromkeys(source.facts["title"] for source in sources)),
        "body": "\n\n".join(source.text.strip() for source in sources),
    }
