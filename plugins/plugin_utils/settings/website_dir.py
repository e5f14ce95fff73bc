# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of the operator's own pages on the controller."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import shorten
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.problems import Problem
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.mistakes import mistakes


def check_website_folder(settings: HostSettings) -> None:
    """Check the folder of the pages, which only the default need not have."""
    pages = settings.values.get("xmpp_website_dir")
    if pages and os.path.exists(pages) and not os.path.isdir(pages):
        settings.complain(("xmpp_website_dir",), pages, "is a file: a folder is needed")
    elif pages and not os.path.isdir(pages) and not settings.is_default("xmpp_website_dir"):
        settings.complain(("xmpp_website_dir",), pages, "does not exist: create the folder, or remove the setting")


def check_pages(settings: HostSettings, pages: Path) -> None:
    """Add what is wrong with the pages and the notices that the operator wrote; *pages* has those of the role."""
    own, folder = settings.values.get("xmpp_website_dir"), settings.variables.get("inventory_dir")
    if own is None or folder is None or any(problem.keys == ("xmpp_website_dir",) for problem in settings.problems):
        return
    languages = settings.options["xmpp_languages"]["choices"]
    found = mistakes(
        pages=pages,
        own=Path(own),
        notices=Path(folder) / "notices",
        known=languages,
        languages=settings.values.get("xmpp_languages", languages),
        variables=settings.variables,
        codes=bool(settings.values.get("xmpp_donations")) or settings.values.get("xmpp_registration") != "closed",
    )
    for mistake in found:
        place = shorten(mistake.file) + (f":{mistake.line}" if mistake.line else "")
        wrong = f"{mistake.file.name} {mistake.wrong}."
        settings.problems.append(Problem(("xmpp_website_dir",), wrong, place=place))
