# SPDX-License-Identifier: GPL-3.0-or-later
"""Find mistakes in an operator's pages and notices before anything is rendered."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.translation import WRITTEN
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.converters import LIBRARIES
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.links import broken_links
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.notices import Notice, read_notices
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import (
    OWN_PAGE_KEYS,
    Mistake,
    line_of,
    own_pages,
    read,
    visible,
)
from jinja2 import Environment, TemplateSyntaxError, meta, nodes

FUNCTIONS = {"lookup", "query", "q", "now", "undef", "omit"}  # what Ansible adds to Jinja's own
GIVEN = {"page", "site", "text"}  # what a page knows beside the variables


def mistakes(
    pages: Path,
    own: Path,
    notices: Path,
    known: Collection[str],
    languages: Sequence[str],
    variables: Collection[str],
    codes: bool,
) -> Iterator[Mistake]:
    """Yield the mistakes in an operator's pages and notices that can be found without rendering."""
    for module, (package, debian) in LIBRARIES.items():
        if find_spec(module) is None and (codes or module != "segno"):
            wrong = f"is required to build the web site (PyPI: {package}): apt install {debian}, or script/setup"
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
    stems = {
        language: {file.stem for file in visible(pages / (language if language in WRITTEN else "en"))}
        for language in known
    }
    for language, file in files:
        for other in known:
            if other == language or (language in languages and other not in WRITTEN):
                stems[other].add(file.stem)
    for notice in written if find_spec("markdown_it") else ():
        for source in notice.sources.values():
            shown = [language for language in languages if notice.source(language, languages)[1] is source]
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
            yield Mistake(file, error.lineno, f"is not a valid template: {error.message}")
            continue
        try:
            tree.body += environment.parse(f"{{{{ ({source.facts.get('when', 'true')}) }}}}").body
        except TemplateSyntaxError as error:
            yield source.mistake("when", f'has an invalid condition in "when:": {error.message}')
        names: tuple[tuple[Any, Any, Any], ...] = (
            (nodes.Filter, filter_loader, environment.filters),
            (nodes.Test, test_loader, environment.tests),
        )
        for kind, loader, there in names:
            for used in tree.find_all(kind):
                if used.name not in there and loader.get(used.name) is None:
                    yield Mistake(file, used.lineno, f"uses {used.name}, which is not a filter or test")
                there.setdefault(used.name, bool)  # so that the search for variables goes on
        unknown = meta.find_undeclared_variables(tree) - GIVEN - set(variables) - {*environment.globals, *FUNCTIONS}
        for name in sorted(unknown):
            if not (anything and re.match("_*website_", name)):
                yield Mistake(
                    file, line_of(file.read_text(encoding="utf-8"), name), f"uses {name}, which is not a variable"
                )
