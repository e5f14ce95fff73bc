# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of one host: as they are written, those that are right, and the problems of the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Keys, is_vaulted
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.problems import Problem, in_one_line, label

# The names that the service is reached by. Each is a service of its own, and the certificate must have each.
COMPONENTS = ("xmpp_muc_domain", "xmpp_upload_domain", "xmpp_turn_domain", "xmpp_proxy_domain", "xmpp_pubsub_domain")
SECRET = re.compile(r"_(secret|password|credentials)$")


class HostSettings:
    """Holds the settings, and collects their problems."""

    def __init__(
        self,
        options: Mapping[str, Any],
        variables: Mapping[str, Any],
        template: Callable[[Any], Any],
        defaults: Mapping[str, Any],
        notation: Callable[[Keys], str],
    ) -> None:
        """Take the specification, the variables of the host as they are written, the defaults, and who knows how."""
        self.options = options
        self.variables = variables
        self.template = template
        self.defaults = defaults
        self.notation = notation
        self.problems: list[Problem] = []
        self.values: dict[str, Any] = {}  # the settings without a problem

    # ------------------------------------------------------------------ problems
    def complain(
        self, keys: Keys, value: Any, wrong: str, example: str | None = None, *, discreet: bool = False
    ) -> None:
        """Add a problem with a value; if the value is a secret, only what is *discreet* is said of it."""
        if self.is_secret(keys) and not discreet:
            wrong = "is not valid (see docs/settings.md)"
        self.add(keys, f"{label(keys)} is {self.show(keys, value)}, which {wrong}.", example)

    def add(self, keys: Keys, wrong: str, example: str | None = None) -> None:
        """Add a problem; without an example of its own, the one of the setting is shown."""
        self.problems.append(Problem(keys, wrong, example or self.example(str(keys[0]))))

    def sort(self) -> None:
        """Bring the problems into the order of the specification, behind those of names that are no settings."""
        order = list(self.options)
        self.problems.sort(key=lambda problem: order.index(problem.keys[0]) if problem.keys[0] in order else -1)

    def example(self, name: str) -> str | None:
        """Return the setting with the example of the specification, as lines of YAML."""
        option = self.options.get(name, {})
        return yaml_line(name, option["example"]) if "example" in option else None

    def show(self, keys: Keys, value: Any) -> str:
        """Return a value as the operator may see it on a terminal: short, in one line, and no secret."""
        if self.is_secret(keys):
            return "a value that is not shown"
        return in_one_line(value)

    # ------------------------------------------------------------------ what is known of a setting
    def is_default(self, name: str) -> bool:
        """Whether the operator said nothing about it."""
        return name in self.defaults and bool(self.variables.get(name) == self.defaults[name])

    def is_secret(self, keys: Keys) -> bool:
        """Whether the value, or a part of it, must not be shown."""
        name = str(keys[0])
        inner = [key for key in keys[1:] if isinstance(key, str)] or self.options[name].get("options", {})
        marked = any(SECRET.search(f"_{key}") for key in (name, *inner)) or self.options[name].get("no_log", False)
        return bool(marked) or is_vaulted(self.variables.get(name))

    # ------------------------------------------------------------------ names of the service
    def domains(self) -> list[str]:
        """Return the domains of the service, as far as they are right."""
        return [name for name in (self.values.get("xmpp_domain"), *self.values.get("xmpp_more_domains", [])) if name]

    def own_names(self) -> set[str]:
        """Return every name that the service is reached by."""
        return {*self.certificate_names(), self.values.get("xmpp_turn_domain", "")} - {""}

    def certificate_names(self) -> list[str]:
        """Return the names that a provided certificate must have."""
        components = self.values.get("xmpp_components", [])
        return [*self.names_of_parts(), *(one["name"] for one in components if one.get("public"))]

    def names_of_parts(self) -> list[str]:
        """Return the names without those of xmpp_components, and without the relay's if there is none."""
        settings = ["xmpp_domain", "xmpp_host_domain", *COMPONENTS]
        if self.values.get("xmpp_calls") is False:
            settings.remove("xmpp_turn_domain")
        names = [self.values[name] for name in settings if name in self.values]
        main = self.values.get("xmpp_domain", "")
        for other in self.values.get("xmpp_more_domains", []):
            parts = [self.values[name] for name in COMPONENTS if name in self.values and name != "xmpp_turn_domain"]
            names += [other, *(part.removesuffix(main) + other for part in parts if part.endswith(f".{main}"))]
        return list(dict.fromkeys(names))
