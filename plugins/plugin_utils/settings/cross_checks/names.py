# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that the service is reached by, of all its domains."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import COMPONENTS, HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line


def check_service_names(settings: HostSettings) -> None:
    """Check that each service has a name of its own, and each further domain."""
    owner: dict[str, str] = {}
    for name in ("xmpp_domain", "xmpp_host_domain", *COMPONENTS):
        if name not in settings.values or (name == "xmpp_host_domain" and settings.values[name] in owner):
            continue
        first = owner.setdefault(settings.values[name], name)
        if first != name:
            only_first_is_set = settings.is_default(name) and not settings.is_default(first)
            blamed, other = (first, name) if only_first_is_set else (name, first)
            settings.complain((blamed,), settings.values[blamed], f"is also {other}: each needs its own name")
    check_domains(settings, owner)


def check_domains(settings: HostSettings, owner: dict[str, str]) -> None:
    """Check the further domains: each needs names of its own, that follow from those of xmpp_domain."""
    main, more = settings.values.get("xmpp_domain"), settings.values.get("xmpp_more_domains")
    if not main or not more:
        return
    parts = [settings.values[name] for name in COMPONENTS if name in settings.values and name != "xmpp_turn_domain"]
    labels = [part.removesuffix(f".{main}") for part in parts]
    for index, other in enumerate(more):
        taken = next((name for name in (other, *(f"{label}.{other}" for label in labels)) if name in owner), None)
        if taken:
            wrong = f"needs the name {taken}, which is already {owner[taken]}"
            settings.complain(("xmpp_more_domains", index), other, wrong)
        for name in (other, *(f"{label}.{other}" for label in labels)):
            owner.setdefault(name, f"a part of {other}")
    inner = [other for other in more if other.endswith(f".{main}")]
    for name in COMPONENTS:
        part = settings.values.get(name)
        if part and name != "xmpp_turn_domain" and not part.endswith(f".{main}"):
            wrong = f"must end in .{main}, because the domains of xmpp_more_domains get names like it"
            settings.complain((name,), part, wrong, yaml_line(name, f"{name.split('_')[1]}.{main}"))
        # A server lists the parts below its own name, so apps of the other domain alone would find this one.
        elif (
            part
            and name != "xmpp_turn_domain"
            and (of := next((one for one in inner if part.endswith(f".{one}")), None))
        ):
            wrong = f"is below {of} of xmpp_more_domains, where the apps of {main} do not look"
            settings.complain((name,), part, wrong, yaml_line(name, f"{name.split('_')[1]}.{main}"))
