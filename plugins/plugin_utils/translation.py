# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts in languages that are translated from English, in locale/<language>.po.

German and English are written in the roles. The standard library reads compiled files only, and a library for .po
files would be one more package for each operator to install: what is read here is the part of the format that these
files need, neither plurals nor contexts.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.template import trust_as_template
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.declarations import PROJECT
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import Mistake, Source

LOCALE = PROJECT / "locale"
WRITTEN = ("de", "en")
PAGE_TEXTS = ("title", "label", "description")
# Of a .po file: comments and empty lines, and an entry if one follows.
QUOTED = r'((?:[ \t]*"(?:[^"\\\n]|\\.)*"[ \t]*\n)+)'
ENTRY = re.compile(rf"((?:#.*\n|[ \t]*\n)*)(?:msgid{QUOTED}msgstr{QUOTED})?")
FUZZY = re.compile(r"^#,.*\bfuzzy\b", re.MULTILINE)
# What in an English text is the language itself: names of variables, keys of the ledger, addresses.
ENGLISH = re.compile(
    r"(?<=\b__website_)en(?=_)|(?<=_period\.)en\b|(?<=\bentry\.)en(?=\.)|(?<=\bbackup\.)en(?=\.)|(?<=/)en(?=/)"
)
JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
STRING = re.compile(r"'((?:[^'\\]|\\.)*)'")
BETWEEN = re.compile(r"\s*(?:(?:\{%.*?%\}|\{#.*?#\})\s*)*")  # lines of a page without a word
START = re.compile(r"\s*(?:- |\d+\. |#+ )")


@dataclass(frozen=True)
class Entry:
    """An entry of a file: the English text, its translation, and the line that it begins on."""

    msgid: str
    msgstr: str
    line: int = 0
    fuzzy: bool = False


def entries(file: Path) -> Iterator[Entry]:
    """Yield the entries of a .po file, its header too, whose msgid is empty; raises Mistake."""
    text = file.read_text(encoding="utf-8") + "\n"
    for found in ENTRY.finditer(text):
        comments, *texts = found.groups()
        if texts[0] is None:
            if found.end() == len(text):
                return
            wrong = "does not begin an entry: msgid and msgstr, each with text between quotation marks"
            raise Mistake(file, line_at(text, found.end()), wrong)
        line = line_at(text, found.end(1))
        try:
            msgid, msgstr = ("".join(map(json.loads, part.splitlines())) for part in texts)
        except ValueError:
            raise Mistake(file, line, 'has a backslash that is not in \\n, \\t, \\" or \\\\') from None
        yield Entry(msgid, msgstr, line, bool(FUZZY.search(comments.rpartition("\n\n")[2])))


def line_at(text: str, place: int) -> int:
    """Return the line (from 1) of a place in a text."""
    return text.count("\n", 0, place) + 1


def translations() -> list[str]:
    """Return the languages that there is a file for."""
    return sorted(file.stem for file in LOCALE.glob("*.po"))


@functools.cache
def catalog(language: str) -> dict[str, str]:
    """Return the translations into a language by the English text; raises Mistake."""
    return {entry.msgid: entry.msgstr for entry in entries(LOCALE / f"{language}.po") if entry.msgid and entry.msgstr}


def hollow(tag: str) -> tuple[str, list[str]]:
    """Return a tag of Jinja without the strings that people read, and these.

    A string that is compared, looked for or a key is none.
    """
    words: list[str] = []

    def take(found: re.Match[str]) -> str:
        before, after = tag[: found.start()], tag[found.end() :]
        if re.search(r"([=!]= |\w\[)$", before) or re.match(r" in |:", after):
            return found[0]
        words.append(found[1])
        return "''"

    return re.sub(r"\s+", " ", STRING.sub(take, tag)), words


def translatable(text: str) -> bool:
    """Return whether there is something in a text that people read."""
    words = [JINJA.sub("", text), *(word for tag in JINJA.findall(text) for word in hollow(tag)[1])]
    return any(letter.isalpha() for word in words for letter in word)


def translate(text: str, language: str) -> str:
    """Return an English text, which may be a template, in a language; raises Mistake."""
    if translatable(text):
        words = catalog(language).get(text.strip())
        if words is None:
            raise Mistake(LOCALE / f"{language}.po", 0, f'has no translation of "{text.strip()}"')
        text = words
    template: str = trust_as_template(ENGLISH.sub(language, text))  # str() would take the trust away
    return template


def translated(value: Any, language: str) -> Any:
    """Return English texts, in mappings and lists, in a language."""
    if isinstance(value, str):
        return translate(value, language)
    if isinstance(value, Mapping):
        return {key: translated(part, language) for key, part in value.items()}
    return [translated(part, language) for part in value] if isinstance(value, Sequence) else value


def in_language(texts: Mapping[str, Any], language: str) -> Any:
    """Return the texts of a mapping with C(de) and C(en) in a language."""
    return texts[language] if language in texts else translated(texts["en"], language)


def with_languages(value: Any, languages: Collection[str]) -> Any:
    """Return a value in which each mapping with texts in German and English has these languages as well."""
    if isinstance(value, Mapping):
        if set(WRITTEN) <= value.keys():
            return {**value, **{language: translated(value["en"], language) for language in languages}}
        return {key: with_languages(part, languages) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [with_languages(part, languages) for part in value]
    return value


def website_texts(variables: Mapping[str, Any], languages: Collection[str]) -> dict[str, Any]:
    """Return the variables that hold the texts of the site, for languages that none of them has."""
    texts = {}
    for name, value in variables.items():
        if re.match("__website_en(_|$)", name):
            for language in languages:
                texts[name.replace("_en", f"_{language}", 1)] = translated(value, language)
        elif name.startswith("__website_"):
            texts[name] = with_languages(value, languages)
    return texts


def parts(page: str) -> Iterator[tuple[str, str]]:
    """Yield what a page consists of: what stays, and the text in one line that follows it.

    A text is a paragraph, a heading or an entry of a list; lines with nothing but tags of Jinja end it.
    """
    stays, text = "", ""
    for line in page.splitlines(keepends=True):
        ends = BETWEEN.fullmatch(line)
        if (ends or START.match(line)) and text:
            yield stays, text
            stays, text = "\n", ""
        if ends:
            stays += line
        elif not text:
            begin = START.match(line) or re.match(r"\s*", line)
            stays += line[: begin.end()] if begin else ""
            text = line[begin.end() if begin else 0 :].rstrip("\n")
        else:
            text += (" " if not text.endswith("\\") else "\n") + line.strip("\n" if text.endswith("\\") else " \n")
    yield stays, text


def translated_page(source: Source, language: str) -> Source:
    """Return a page in a language; raises Mistake."""
    facts = {key: translate(value, language) if key in PAGE_TEXTS else value for key, value in source.facts.items()}
    text = ""
    for stays, words in parts(source.text):
        after = translate(words, language) if words else ""
        # Jinja takes away the end of a line after a tag.
        text += stays + after + ("\n" if after.endswith("%}") and not words.endswith("%}") else "")
    return Source(source.file, facts, text + "\n")
