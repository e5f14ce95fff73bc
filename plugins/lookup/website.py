# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the site: Markdown, settings and notices in, files out; and what is wrong with an operator's files."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import partial
from importlib.util import find_spec
from itertools import chain, count
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.loader import filter_loader, test_loader
from ansible.plugins.lookup import LookupBase
from ansible.template import trust_as_template
from jinja2 import Environment, TemplateSyntaxError, meta, nodes

DOCUMENTATION = r"""
name: website
short_description: The pages of a web site, rendered on the controller
description:
  - >-
    With the term C(pages), renders the pages of a folder, those of the operator, and the notices, each in every
    language, and returns path and text of every file.
  - >-
    A page is C(<language>/<name>.md), or C(.html) in the role's own folder, and begins with front matter. It is a
    Jinja template; what that leaves is Markdown. A page of the operator takes the place of the role's page.
  - >-
    With the term C(notice), returns C(subject) and C(body) of a notice in all languages, to be sent as a message; with
    C(unsendable), what keeps that from being done, or an empty text.
options:
  _terms: {description: What to return., choices: [pages, notice, unsendable], required: true}
  pages: {description: The role's folder of pages and of the templates around them., type: path}
  own: {description: The operator's folder of pages; it may be missing., type: path}
  notices: {description: The folder of the notices; it may be missing., type: path}
  languages: {description: The languages of the site., type: list, elements: str}
  root: {description: Where the site is on the host., type: path}
  donations: {description: Names and addresses that get a QR code., type: list, elements: dict}
  ledger: {description: What the lookup C(ledger) returns, rendered once for all pages., type: list, elements: dict}
  name: {description: With C(notice), the name of its file; the newest one without it., type: str}
"""

# Pages call the filter as_text by its short name, those of operators as well.
filter_loader.add_directory(str(Path(__file__).parents[1] / "filter"))
# What Jinja's lstrip_blocks would take away. As an override it would have the layout compiled anew for each page.
INDENT = re.compile(r"^[ \t]+(?=\{[%#](?!\+))", re.MULTILINE)
PAGE_KEYS = ("title", "label", "description", "menu", "footer", "script", "when")
OWN_PAGE_KEYS = tuple(key for key in PAGE_KEYS if key != "script")  # the server lets none but the role's own run
NOTICE_KEYS = ("title", "kind", "begins", "ends", "updated")
ERRORS = ("404", "429")  # shown by the web server in place of what was asked for
KINDS = ("maintenance", "outage", "news")
PAGE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# What leads to a page of the site: beside this one, or in a language.
PAGE_LINK = re.compile(r"(?:\.\./|/([a-z]{2})/)([a-z0-9-]+)/?(?:[?#].*)?")
NOTICE_NAME = re.compile(r"((\d{4}-\d\d-\d\d)-[a-z0-9]+(?:-[a-z0-9]+)*)(?:\.([a-z]{2}))?\.md")
FUNCTIONS = {"lookup", "query", "q", "now", "undef", "omit"}  # what Ansible adds to Jinja's own
GIVEN = {"page", "site", "text"}  # what a page knows beside the variables
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
LIBRARIES = {"markdown_it": ("markdown-it-py", "python3-markdown-it"), "segno": ("segno", "python3-segno")}


class Mistake(Exception):
    """What is wrong with a file, to follow its name: "has no title"."""

    def __init__(self, file: Path, line: int, wrong: str) -> None:
        """Take the file, the line (from 1; 0 for all of it) and the words."""
        super().__init__(f"{file}{f':{line}' if line else ''} {wrong}.")
        self.file = file
        self.line = line
        self.wrong = wrong


# ---------------------------------------------------------------------- files
@dataclass(frozen=True)
class Source:
    """A file with front matter. *text* begins with as many empty lines as the front matter takes."""

    file: Path
    facts: dict[str, str]
    text: str

    def mistake(self, key: str, wrong: str) -> Mistake:
        """Return a mistake in a line of the front matter."""
        lines = self.file.read_text(encoding="utf-8").splitlines()
        line = next((number for number, line in enumerate(lines, 1) if line.startswith(f"{key}:")), 1)
        return Mistake(self.file, line, wrong)


def read(file: Path, keys: Collection[str]) -> Source:
    """Return a page or a notice; raises Mistake."""
    try:
        text = file.read_text(encoding="utf-8") + "\n"
    except UnicodeDecodeError as error:
        raise Mistake(file, 1, "is not written in UTF-8") from error
    if not text.startswith("---\n"):
        raise Mistake(file, 1, 'does not begin with front matter, which is a line "---", "title: …" and a line "---"')
    head, end, body = text[4:].partition("\n---\n")
    if not end:
        raise Mistake(file, 1, 'has no second line "---", which ends the front matter')
    try:
        facts = yaml.BaseLoader(head).get_single_data()  # texts only, nothing guessed
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "no YAML"
        raise Mistake(
            file, 2 + (mark.line if mark else 0), f"has front matter that cannot be read: {problem}"
        ) from error
    if not isinstance(facts, dict):
        raise Mistake(file, 2, 'has front matter without a "title: …"')
    source = Source(file, facts, "\n" * (head.count("\n") + 3) + body)
    for key, value in facts.items():
        if key not in keys:
            raise source.mistake(key, f'has the unknown key "{key}" in its front matter; it takes {", ".join(keys)}')
        if not isinstance(value, str) or not value.strip():
            raise source.mistake(key, f'has no text behind "{key}:" in its front matter')
    if "title" not in facts:
        raise Mistake(file, 2, 'has front matter without a "title: …"')
    for key in ("menu", "footer"):
        if not facts.get(key, "0").isdigit():
            raise source.mistake(
                key, f'has "{facts[key]}" behind "{key}:", where a number is meant: pages are sorted by it'
            )
    return source


def placed(page: Source, default: Source | None) -> Source:
    """Return an operator's page in the place of the role's page of that name; a new one goes into the menu."""
    inherited = {
        key: default.facts[key] for key in ("label", "menu", "footer", "when") if default and key in default.facts
    }
    if not default and not {"menu", "footer"} & page.facts.keys():
        inherited = {"footer": "90"} if page.file.stem == "legal" else {"menu": "45"}
    return Source(page.file, inherited | page.facts, page.text)


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder, if there is one, without hidden files."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def own_pages(folder: Path, known: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Yield language and file of each page of the operator; raises Mistake for what can be none."""
    for part in visible(folder):
        if part.name == "static" and part.is_dir():
            continue
        if part.name not in known or not part.is_dir():
            raise Mistake(part, 1, f"is neither static/ nor the folder of a language: {', '.join(sorted(known))}")
        for file in visible(part):
            if file.suffix != ".md" or not PAGE_NAME.fullmatch(file.stem):
                wrong = "is no page: its name must be lower-case letters, digits and hyphens, and end in .md"
                raise Mistake(file, 1, f"{wrong}; other files belong into static/")
            yield part.name, file


# ---------------------------------------------------------------------- notices
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

    def source(self, language: str) -> tuple[str, Source]:
        """Return the text for a reader, and its language if that is another one."""
        for candidate in (language, ""):
            if candidate in self.sources:
                return language, self.sources[candidate]
        return next(iter(self.sources.items()))

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
        wrong = (
            f'has "{value}" behind "{key}:", where a time with its distance from UTC is meant: 2026-11-22T22:00+01:00'
        )
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
            raise Mistake(file, 1, f"is no notice: its name must begin with a date, like {names}")
        source = read(file, NOTICE_KEYS)
        notice = notices.setdefault(match[1], Notice(match[1], day))
        notice.sources[match[3] or ""] = source
        kind, begins, ends = source.facts.get("kind", "news"), moment(source, "begins"), moment(source, "ends")
        if kind not in KINDS:
            raise source.mistake("kind", f'has "{kind}" behind "kind:", it can be {", ".join(KINDS)}')
        if kind != "news" and begins is None:
            raise source.mistake("kind", f'is about a kind of {kind}, so it needs "begins: 2026-11-22T22:00+01:00"')
        if ends and (begins is None or ends <= begins):
            raise source.mistake("ends", "ends before it begins")
        if len(notice.sources) > 1 and (kind, begins, ends) != (notice.kind, notice.begins, notice.ends):
            raise source.mistake("kind", "has another kind, begin or end than the same notice in another language")
        notice.kind, notice.begins, notice.ends = kind, begins, ends
        notice.updated = max(filter(None, (notice.updated, moment(source, "updated"))), default=None)
    return sorted(notices.values(), key=lambda notice: notice.name, reverse=True)


def status(notices: list[Notice], languages: list[str], now: datetime) -> dict[str, Any]:
    """Return what XEP-0455 says about the outage that is, or the next one; nothing if there is none."""
    outages = [notice for notice in notices if notice.begins and notice.kind != "news"]
    for notice in sorted(outages, key=lambda notice: notice.begins or now):
        if notice.begins is None or (notice.ends and notice.ends <= now):
            continue
        message = {language: notice.source(language)[1].facts["title"] for language in languages}
        answer: dict[str, Any] = {"planned": notice.kind == "maintenance", "beginning": utc(notice.begins)}
        if notice.ends:
            answer["expected_end"] = utc(notice.ends)
        return {**answer, "message": {"default": message[languages[0]], **message}}
    return {}


def utc(value: datetime) -> str:
    """Return a time as RFC 3339 writes it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---------------------------------------------------------------------- Markdown
def anchor(text: str, taken: Collection[str]) -> str:
    """Return the anchor of a heading, unlike those before it on the page."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower().translate(UMLAUTS)).strip("-")
    plain = plain if plain[:1].isalpha() else f"section-{plain}".rstrip("-")
    return next(name for name in chain([plain], (f"{plain}-{number}" for number in count(2))) if name not in taken)


def to_html(text: str, link: Callable[[str], str | None] = str, prefix: str = "") -> tuple[str, list[dict[str, str]]]:
    """Return Markdown as HTML, and its headings of the second level; HTML in it stays text.

    Anchors begin with *prefix*, so that several texts can be on a page.
    *link* is asked about every address and returns the one to take, or None to leave the words without a link.
    """
    from markdown_it import MarkdownIt  # only the site needs it

    converter = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table")
    tokens = converter.parse(text)
    headings: list[dict[str, str]] = []
    anchors = {"content"}
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            words = "".join(
                part.content for part in tokens[index + 1].children or [] if part.type in ("text", "code_inline")
            )
            name = anchor(words, anchors)
            anchors.add(name)
            token.attrSet("id", f"{prefix}{name}")
            if token.tag == "h2":
                headings.append({"id": name, "title": words})
        kept: list[Any] = []
        dropped = False
        for part in token.children or []:
            if part.type == "link_open":
                target = link(str(part.attrGet("href")))
                dropped = target is None
                if target is not None:
                    part.attrSet("href", target)
            if not (dropped and part.type in ("link_open", "link_close")):
                kept.append(part)
        if token.children:
            token.children = kept
    return str(converter.renderer.render(tokens, converter.options, {})), headings


def qr_code(address: str) -> str:
    """Return an address as an image (SVG) to be scanned; white around it also on a dark page."""
    import segno  # only donations need it

    stream = io.BytesIO()
    segno.make_qr(address, error="m").save(
        stream, kind="svg", xmldecl=False, nl=False, unit="", dark="#000", light="#fff", omitsize=True
    )
    return stream.getvalue().decode() + "\n"


# ---------------------------------------------------------------------- the site
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
        known = [part.name for part in visible(self.folder) if part.is_dir()]
        self.sources: dict[str, dict[str, Source]] = {language: {} for language in languages}
        for language in languages:
            for file in visible(self.folder / language):
                self.sources[language][file.stem] = read(file, PAGE_KEYS)
        for language, file in own_pages(Path(own), known):
            if language in languages:
                page = read(file, OWN_PAGE_KEYS)
                self.sources[language][file.stem] = placed(page, self.sources[language].get(file.stem))
        self.static = {path.name for path in visible(Path(own) / "static")}
        self.notices = read_notices(Path(notices), known)
        self.pages = {language: self.wanted(language) for language in languages}

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
            if not self.template(source, f"{{{{ ({source.facts.get('when', 'true')}) | bool }}}}", **context):
                continue
            page = {
                key: str(self.template(source, value, **context))
                for key, value in source.facts.items()
                if key != "when"
            }
            url = f"/{language}/" if name == "index" else f"/{language}/{name}/"
            pages[name] = {"label": page["title"], "description": "", "script": "", **page,
                           "name": name, "language": language, "url": url}  # fmt: skip
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
        provider = self.plain("provider.json.j2", self.languages[0], {"start": start, "legal": legal})
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
            "scripts": any(page["script"] for page in pages.values()),
            "static": sorted(self.static),
            "notices": [self.spoken(notice, language) for notice in self.notices],
        }

    def spoken(self, notice: Notice, language: str) -> dict[str, Any]:
        """Return a notice as a page or a feed shows it."""
        written_in, source = notice.source(language)
        months = list(self.variables[f"__website_{language}"]["months"])
        dot = "." if language == "de" else ""

        def words(value: datetime | date | None) -> dict[str, str] | None:
            if value is None:
                return None
            text = f"{value.day}{dot} {months[value.month - 1]} {value.year}"
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


def line_of(text: str, word: str) -> int:
    """Return the line (from 1) that has a word in it, or 1."""
    return next((number for number, line in enumerate(text.split("\n"), 1) if word in line), 1)


def no_page(source: Source, address: str) -> Mistake:
    """Return the mistake of a link that leads nowhere."""
    wrong = f"links to {address}, which is no page of this site"
    return Mistake(source.file, line_of(source.text, address), wrong)


# ---------------------------------------------------------------------- for the front door
def broken_links(source: Source, languages: Collection[str], names: Mapping[str, set[str]]) -> Iterator[Mistake]:
    """Yield the links of a notice that lead to no page in one of the languages that it is shown in."""
    found: list[str] = []
    to_html(source.text, lambda address: found.append(address))
    for address in found:
        name = PAGE_LINK.fullmatch(address)
        if name and any(name[2] not in names.get(name[1] or language, ()) for language in languages):
            yield no_page(source, address)


def mistakes(
    pages: Path,
    own: Path,
    notices: Path,
    known: Collection[str],
    languages: Collection[str],
    variables: Collection[str],
    codes: bool,
) -> Iterator[Mistake]:
    """Yield what can be told about an operator's pages and notices before anything is rendered."""
    for module, (package, debian) in LIBRARIES.items():
        if find_spec(module) is None and (codes or module != "segno"):
            wrong = f"is needed to make the web site (PyPI: {package}): apt install {debian}, or script/setup"
            yield Mistake(Path(f"Python's {module}"), 0, wrong)
    written: list[Notice] = []
    try:
        written = read_notices(notices, known)
    except Mistake as mistake:
        yield mistake
    try:
        files = list(own_pages(own, known))
    except Mistake as mistake:
        yield mistake
        return
    stems = {language: {file.stem for file in visible(pages / language)} for language in known}
    for language, file in files:
        stems[language].add(file.stem)
    for notice in written if find_spec("markdown_it") else ():
        for source in notice.sources.values():
            shown = [language for language in languages if notice.source(language)[1] is source]
            yield from broken_links(source, shown, stems)
    # A play without the role has not its variables either.
    anything = "website_domain" not in variables
    environment = Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])  # noqa: S701  # parses only
    for _, file in files:
        try:
            source = read(file, OWN_PAGE_KEYS)
            tree = environment.parse(source.text)
        except Mistake as mistake:
            yield mistake
            continue
        except TemplateSyntaxError as error:
            yield Mistake(file, error.lineno, f"is no valid template: {error.message}")
            continue
        try:
            tree.body += environment.parse(f"{{{{ ({source.facts.get('when', 'true')}) }}}}").body
        except TemplateSyntaxError as error:
            yield source.mistake("when", f'has a condition behind "when:" that cannot be read: {error.message}')
        names: tuple[tuple[Any, Any, Any], ...] = (
            (nodes.Filter, filter_loader, environment.filters),
            (nodes.Test, test_loader, environment.tests),
        )
        for kind, loader, there in names:
            for used in tree.find_all(kind):
                if used.name not in there and loader.get(used.name) is None:
                    yield Mistake(file, used.lineno, f"uses {used.name}, which is no filter or test")
                there.setdefault(used.name, bool)  # so that the search for variables goes on
        unknown = meta.find_undeclared_variables(tree) - GIVEN - set(variables) - {*environment.globals, *FUNCTIONS}
        for name in sorted(unknown):
            if not (anything and re.match("_*website_", name)):
                yield Mistake(
                    file, line_of(file.read_text(encoding="utf-8"), name), f"uses {name}, which is no variable"
                )


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core ships no type hints
    """Returns the files of the site, or a notice as a message."""

    def run(
        self, terms: list[str], variables: Mapping[str, Any] | None = None, **options: Any
    ) -> list[dict[str, str]] | list[str]:
        """Return one dictionary: path to text, or subject and body; raises AnsibleError naming the file and line."""
        if terms == ["unsendable"]:
            try:
                notice_message(Path(options["notices"]), [], options.get("name") or "")
            except Mistake as mistake:
                return [str(mistake)]
            return [""]
        try:
            if terms == ["notice"]:
                return [notice_message(Path(options["notices"]), options["languages"], options.get("name") or "")]
            root = str(options.pop("root")).rstrip("/")
            donations = options.pop("donations", [])
            site = Site(self._templar, variables or {}, **options)
            files = {f"{root}/{path}": text for path, text in site.files()}
            for number, donation in enumerate(donations, 1):
                files[f"{root}/donate/{number}.svg"] = qr_code(donation["address"])
        except Mistake as mistake:
            raise AnsibleError(str(mistake)) from None
        except ImportError as error:
            package, debian = LIBRARIES.get(error.name or "", (error.name, ""))
            raise AnsibleError(f"The site needs Python's {package}: apt install {debian}, or script/setup") from error
        return [files]


def notice_message(folder: Path, languages: list[str], name: str) -> dict[str, str]:
    """Return a notice as a message: its titles, and its texts one below the other."""
    notices = read_notices(folder, {"de", "en", *languages})
    chosen = [notice for notice in notices if name in ("", notice.name)]
    if not notices:
        raise Mistake(folder, 0, "has no notice yet; write one, for example 2026-11-22-news.md (docs/website.md)")
    if not chosen:
        names = ", ".join(notice.name for notice in notices)
        raise Mistake(folder, 0, f"has no notice {name}; there are: {names}")
    sources = list(
        {source.file: source for source in (chosen[0].source(language)[1] for language in languages)}.values()
    )
    return {
        "subject": " / ".join(dict.fromkeys(source.facts["title"] for source in sources)),
        "body": "\n\n".join(source.text.strip() for source in sources),
    }
