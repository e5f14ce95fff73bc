# SPDX-License-Identifier: GPL-3.0-or-later
"""All English texts that are translated, and what is wrong with a translation.

A translation is a template like the English text. It is held to the tags of that one, so that a translator can bring
neither code nor markup.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.conexizan.xmpp.plugins.lookup.ledger import PERIODS
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.translation import (
    JINJA,
    LOCALE,
    PAGE_TEXTS,
    WRITTEN,
    entries,
    hollow,
    parts,
    translatable,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import PAGE_KEYS, Mistake, read
from jinja2 import Environment, TemplateSyntaxError

# What a translation has as often as the English text. Anchors are made from headings, which are translated.
KEPT = {
    "tag": re.compile(r"</?[a-z][^<>]*>"),
    "address": re.compile(r"\]\(([^)#]*)"),
    "code": re.compile("`"),
    "placeholder": re.compile(r"(?<![\w/])#(?![\w-])|\{\w*\}(?!\})"),
    "entity": re.compile(r"&\w+;"),
}


def leaves(value: Any) -> Iterator[str]:
    """Yield the texts in mappings and lists."""
    if isinstance(value, str) and translatable(value):
        yield value.strip()
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from leaves(part)


def english(value: Any) -> Iterator[str]:
    """Yield the English texts of mappings that have them in German as well, and of the site's English variables."""
    if isinstance(value, Mapping) and set(WRITTEN) <= value.keys():
        yield from leaves(value["en"])
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(part) if re.match("__website_en(_|$)", str(key)) else english(part)
    elif isinstance(value, list):
        for part in value:
            yield from english(part)


def found(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield each English text with its file."""
    for file in sorted((root / "roles/website/pages/en").iterdir()):
        page = read(file, PAGE_KEYS)
        yield from ((page.facts[key], file) for key in PAGE_TEXTS if translatable(page.facts.get(key, "")))
        yield from ((text, file) for _, text in parts(page.text) if translatable(text))
    for file in sorted(root.glob("roles/*/vars/**/*.yml")):
        yield from ((text, file) for text in english(yaml.safe_load(file.read_text(encoding="utf-8"))))
    yield from ((text, root / "plugins/lookup/ledger.py") for text in PERIODS["en"].values())


def texts(root: Path) -> dict[str, list[str]]:
    """Return each English text with the files that it is in."""
    places: dict[str, list[str]] = {}
    for text, file in found(root):
        place = str(file.relative_to(root))
        if place not in places.setdefault(text, []):
            places[text].append(place)
    return places


def kept(text: str) -> Counter[str]:
    """Return what a translation must have as well."""
    # Strings inside of Jinja are translated, what is around them is not; tags may be in both.
    tags = [hollow(tag) for tag in JINJA.findall(text)]
    inside = [tag for tag, _ in tags]
    words = " ".join(word for _, strings in tags for word in strings)
    outside = JINJA.sub("", text)
    marks = [f"{kind} {mark}" for kind, form in KEPT.items() for mark in form.findall(f"{outside} {words}")]
    return Counter([*inside, *marks])


def problems(root: Path, language: str) -> Iterator[str]:
    """Yield what is wrong with the translations into a language."""
    file = LOCALE / f"{language}.po"
    wanted, seen = texts(root), set()
    try:
        written = [entry for entry in entries(file) if entry.msgid]
    except Mistake as mistake:
        yield str(mistake)
        return
    for entry in written:
        where = f'{file}:{entry.line} "{entry.msgid[:60]}"'
        if entry.msgid not in wanted:
            yield f"{where} is not a text of the service any more. Run script/translations."
        elif entry.msgid in seen:
            yield f"{where} is there twice."
        elif not entry.msgstr.strip():
            yield f"{where} has no translation."
        elif entry.fuzzy:
            yield f"{where} is marked as fuzzy: look at the translation and remove the mark."
        else:
            for mark in (kept(entry.msgid) - kept(entry.msgstr)).elements():
                yield f"{where} has lost: {mark}"
            for mark in (kept(entry.msgstr) - kept(entry.msgid)).elements():
                yield f"{where} has what the English text has not: {mark}"
            try:
                Environment().parse(entry.msgstr)  # noqa: S701  # parses only
            except TemplateSyntaxError as error:
                yield f"{where} is not a valid template: {error.message}"
        seen.add(entry.msgid)
    for text in wanted.keys() - seen:
        yield f'{file} has no entry for "{text[:60]}". Run script/translations.'
