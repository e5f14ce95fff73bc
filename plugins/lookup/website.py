# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the site: Markdown, settings and notices in, files out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Lookup
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.converters import LIBRARIES, qr_code
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.notices import notice_message
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.site import Site
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import Mistake

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


class LookupModule(Lookup):
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
