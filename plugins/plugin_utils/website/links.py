# SPDX-License-Identifier: GPL-3.0-or-later
"""Links from a page or a notice to a page of the site."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.converters import to_html
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import Mistake, Source, line_of

# What leads to a page of the site: beside this one, or in a language.
PAGE_LINK = re.compile(r"(?:\.\./|/([a-z]{2})/)([a-z0-9-]+)/?(?:[?#].*)?")


def no_page(source: Source, address: str) -> Mistake:
    """Return the mistake for a link to a missing page."""
    wrong = f"links to {address}, which is not a page of this site"
    return Mistake(source.file, line_of(source.text, address), wrong)


def broken_links(source: Source, languages: Collection[str], names: Mapping[str, set[str]]) -> Iterator[Mistake]:
    """Yield the links of a notice to pages that are missing in a language that the notice is shown in."""
    found: list[str] = []
    to_html(source.text, lambda address: found.append(address))
    for address in found:
        name = PAGE_LINK.fullmatch(address)
        if name and any(name[2] not in names.get(name[1] or language, ()) for language in languages):
            yield no_page(source, address)
