# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``in_language``: texts that a role has in German and English, in a language of the site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.translation import in_language
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import Mistake

DOCUMENTATION = r"""
name: in_language
short_description: Texts of a role in a language of the site
description:
  - Returns the texts as the role has them, or their translation from English in C(locale/<language>.po).
  - The texts are without Jinja.
positional: language
options:
  _input:
    description: "C(de), C(en): the texts."
    type: dict
    required: true
  language:
    description: One of C(xmpp_languages).
    type: str
    required: true
"""


def texts_in_language(texts: Mapping[str, Any], language: str) -> Any:
    """Return the texts; raises AnsibleFilterError naming the file that has no translation."""
    try:
        return in_language(texts, language)
    except Mistake as mistake:
        raise AnsibleFilterError(str(mistake)) from mistake


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by name."""
        return {"in_language": texts_in_language}
