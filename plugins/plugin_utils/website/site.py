# SPDX-License-Identifier: GPL-3.0-or-later
"""The site: all pages, feeds and files for programs, in all languages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.template import trust_as_template
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.translation import (
    WRITTEN,
    translated_page,
    translations,
    website_texts,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.converters import to_html
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.links import PAGE_LINK, no_page
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.notices import Notice, read_notices, status, utc
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import (
    OWN_PAGE_KEYS,
    PAGE_KEYS,
    Mistake,
    Source,
    line_of,
    own_pages,
    placed,
    read,
    visible,
)

# What Jinja's lstrip_blocks would take away. As an override it would have the layout compiled anew for each page.
INDENT = re.compile(r"^[ \t]+(?=\{[%#](?!\+))", re.MULTILINE)
ERRORS = ("404", "429")  # shown by the web server in place of what was asked for


class Site:
    """All pages in all languages."""

    def __init__(
        self,
        templar: Any,
        variables: Mapping[str, Any],
        *,
        pages: str,
        own: str,
        notices: str,
        languages: list[str],
        ledger: list[dict[str, Any]],
    ) -> None:
        """Read everything that is to be rendered."""
        self.folder = Path(pages)
        self.languages = languages
        # Computed once instead of for each page; what comes out is never taken for a template again.
        computed = {
            name: templar.template(value)
            for name, value in variables.items()
            if name.startswith("website_") and name != "website_ledger"
        }
        self.variables = {**variables, **computed, "website_ledger": ledger}
        self.ledger = ledger
        self.templar = templar.copy_with_new_env(searchpath=[pages])
        known = [*WRITTEN, *translations()]
        if others := [language for language in languages if language not in WRITTEN]:
            self.variables |= website_texts(variables, others)
        self.sources: dict[str, dict[str, Source]] = {language: {} for language in languages}
        for language in languages:
            for file in visible(self.folder / ("en" if language in others else language)):
                page = read(file, PAGE_KEYS)
                self.sources[language][file.stem] = translated_page(page, language) if language in others else page
        self.written_in: dict[tuple[str, str], str] = {}
        self.take(list(own_pages(Path(own), known)))
        self.static = {path.name for path in visible(Path(own) / "static")}
        self.notices = read_notices(Path(notices), known)
        self.pages = {language: self.wanted(language) for language in languages}

    def take(self, own: list[tuple[str, Path]]) -> None:
        """Take the operator's pages; a translated language shows those that it lacks in the first one that has them."""
        there = {(language, file.stem): file for language, file in own if language in self.languages}
        for language in self.languages:
            names = {name for other, name in there if other == language or language not in WRITTEN}
            for name in sorted(names):
                spoken = [language, *self.languages]
                found = next(other for other in spoken if (other, name) in there)
                page = read(there[found, name], OWN_PAGE_KEYS)
                self.sources[language][name] = placed(page, self.sources[language].get(name))
                if found != language:
                    self.written_in[language, name] = found

    def template(self, source: Source, template: str, **context: Any) -> Any:
        """Render a text of a source; raises Mistake."""
        self.templar.available_variables = {**self.variables, **context}
        try:
            return self.templar.template(trust_as_template(INDENT.sub("", template)), escape_backslashes=False)
        except AnsibleError as error:
            found = re.search(r"'(\w+)' is undefined", str(error))
            raise Mistake(
                source.file, line_of(template, found[1]) if found else 1, f"cannot be rendered: {error}"
            ) from error

    def wanted(self, language: str) -> dict[str, dict[str, Any]]:
        """Return the pages of a language whose condition holds, each with what its front matter says."""
        pages = {}
        context = {"text": self.variables[f"__website_{language}"], "page": {"language": language}}
        for name, source in self.sources[language].items():
            if "when" in source.facts and not self.template(
                source, f"{{{{ ({source.facts['when']}) | bool }}}}", **context
            ):
                continue
            page = {
                key: str(self.template(source, value, **context))
                for key, value in source.facts.items()
                if key != "when"
            }
            url = f"/{language}/" if name == "index" else f"/{language}/{name}/"
            pages[name] = {"label": page["title"], "description": "", "script": "", **page,
                           "name": name, "language": language, "url": url,
                           "written_in": self.written_in.get((language, name), "")}  # fmt: skip
        return pages

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield the path below the site and the text of each file."""
        for language, pages in self.pages.items():
            site = self.context(language)
            for name, page in pages.items():
                path = f"{name}.html" if name in ERRORS else page["url"].removeprefix(f"/{language}/") + "index.html"
                yield f"{language}/{path}", self.render(page, site)
            if "notices" in pages:
                yield f"{language}/notices/feed.atom", self.plain("feed.atom.j2", language, site)
        start, legal = (self.addresses(name) for name in ("index", "legal"))
        password = {
            language: f"{url}#{self.variables[f'__website_{language}']['forgotten_password']}"
            for language, url in self.addresses("faq").items()
        }
        facts = {"start": start, "legal": legal, "password": password}
        provider = self.plain("provider.json.j2", self.languages[0], facts)
        yield ".well-known/xmpp-provider-v2.json", provider
        yield "ledger.json", json.dumps(self.ledger, ensure_ascii=False, indent=2) + "\n"
        yield (
            "status.json",
            json.dumps(status(self.notices, self.languages, datetime.now(UTC)), ensure_ascii=False) + "\n",
        )

    def addresses(self, name: str) -> dict[str, str]:
        """Return the web address of a page in each language that has it."""
        url = self.variables["website_url"]
        return {
            language: str(self.templar.template(url)) + pages[name]["url"]
            for language, pages in self.pages.items()
            if name in pages
        }

    def context(self, language: str) -> dict[str, Any]:
        """Return what every page of a language shows."""
        pages = self.pages[language]

        def sorted_by(key: str) -> list[dict[str, Any]]:
            return sorted(
                (page for page in pages.values() if key in page), key=lambda page: (int(page[key]), page["name"])
            )

        return {
            "menu": sorted_by("menu"),
            "footer": sorted_by("footer"),
            "pages": sorted(pages),
            "scripts": sorted(page["name"] for page in pages.values() if page["script"]),
            "static": sorted(self.static),
            "notices": [self.spoken(notice, language) for notice in self.notices],
        }

    def spoken(self, notice: Notice, language: str) -> dict[str, Any]:
        """Return a notice as a page or a feed shows it."""
        written_in, source = notice.source(language, self.languages)
        said = self.variables[f"__website_{language}"]

        def words(value: datetime | date | None) -> dict[str, str] | None:
            if value is None:
                return None
            form = said["first_of_month" if value.day == 1 else "date"]
            text = str(form).format(day=value.day, month=said["months"][value.month - 1], year=value.year)
            if isinstance(value, datetime):
                text += f", {value:%H:%M} ({value.tzname()})"
            return {"iso": value.isoformat(), "words": text}

        return {
            "name": notice.name,
            "title": source.facts["title"],
            "kind": notice.kind,
            "language": written_in,
            "html": to_html(source.text, partial(self.link, source, language), prefix=f"notice-{notice.name}-")[0],
            "day": words(notice.day),
            "begins": words(notice.begins),
            "ends": words(notice.ends),
            "published": utc(datetime.combine(notice.day, time(), UTC)),
            "updated": utc(notice.changed),
        }

    def render(self, page: dict[str, Any], site: dict[str, Any]) -> str:
        """Return a page as HTML."""
        language = page["language"]
        source = self.sources[language][page["name"]]
        text = self.variables[f"__website_{language}"]
        switch = []
        for other in self.languages:
            same = self.pages[other].get(page["name"])
            there = same if same and page["name"] not in ERRORS else self.pages[other]["index"]
            switch.append({"language": other, "url": there["url"], "same": same is not None})
        page = {**page, "switch": switch}
        if source.file.suffix != ".md":
            return str(self.template(source, source.text.lstrip("\n"), page=page, site=site, text=text))

        body = str(self.template(source, source.text, page=page, site=site, text=text))
        html, headings = to_html(body, partial(self.link, source, language))
        return self.plain("page.html.j2", language, site, {**page, "html": html, "headings": headings})

    def link(self, source: Source, language: str, address: str) -> str | None:
        """Leave out links to pages that are switched off; refuse those that never were."""
        name = PAGE_LINK.fullmatch(address)
        other = name[1] or language if name else language
        if not name or name[2] in self.pages.get(other, ()):
            return address
        if name[2] in self.sources.get(other, ()):
            return None
        raise no_page(source, address)

    def plain(self, name: str, language: str, site: dict[str, Any], page: Mapping[str, Any] | None = None) -> str:
        """Return what one of the role's templates makes of a page or of the site."""
        text = self.variables[f"__website_{language}"]
        given = page or {"language": language}
        source = Source(self.folder / name, {}, "")
        return str(self.template(source, f"{{% extends '{name}' %}}\n", page=given, site=site, text=text))
