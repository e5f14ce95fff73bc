# SPDX-License-Identifier: GPL-3.0-or-later
"""What registration needs of other settings."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings


def check_question(settings: HostSettings) -> None:
    """Check that there is a question in each language of the web site, and in no other: nobody would see it."""
    name = "xmpp_registration_question"
    asked, languages = settings.values.get(name), settings.values.get("xmpp_languages")
    if not asked or not languages:
        return
    for language in languages:
        if language not in asked:
            settings.add((name,), f'{name} has no question in "{language}", a language of xmpp_languages.')
    for language in asked:
        if language not in languages:
            wrong = f'has a question in "{language}", a language that xmpp_languages does not have'
            settings.add((name, language), f"{name} {wrong}.")
