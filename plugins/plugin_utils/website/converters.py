# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML from Markdown and images from addresses, by libraries that only the site needs."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Collection
from itertools import chain, count
from typing import Any

LIBRARIES = {"markdown_it": ("markdown-it-py", "python3-markdown-it"), "segno": ("segno", "python3-segno")}
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def anchor(text: str, taken: Collection[str]) -> str:
    """Return the anchor of a heading, unlike those before it on the page."""
    letters = unicodedata.normalize("NFD", text.lower().translate(UMLAUTS))  # é becomes e and an accent
    plain = re.sub(r"[^a-z0-9]+", "-", re.sub(r"[\u0300-\u036f]", "", letters)).strip("-")
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
    import segno  # only donations and cards need it

    stream = io.BytesIO()
    segno.make_qr(address, error="m").save(
        stream, kind="svg", xmldecl=False, nl=False, unit="", dark="#000", light="#fff", omitsize=True
    )
    return stream.getvalue().decode() + "\n"
