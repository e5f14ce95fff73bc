# SPDX-License-Identifier: GPL-3.0-or-later
"""What the specification says, and how a case of the table is written."""

from __future__ import annotations

from typing import Any

import yaml

from ..loading import ROOT

# The settings of a host (beside a good xmpp_domain; DIR stands for the folder of the inventory, ... for none), and of
# each problem, in the order of the specification, which value it is about and words of the rule.
Case = tuple[dict[str, Any], list[tuple[str, str]]]
Cases = dict[str, Case]

OPTIONS: dict[str, Any] = yaml.safe_load((ROOT / "roles/xmpp/meta/argument_specs.yml").read_text())["argument_specs"][
    "settings"
]["options"]
GOOD: dict[str, Any] = {"xmpp_domain": "friends.test"}
NAMES = ["friends.test", *(f"{name}.friends.test" for name in ("muc", "upload", "turn", "proxy", "pubsub"))]
COMPONENTS = [name for name in OPTIONS if name.endswith("_domain") and name not in ("xmpp_domain", "xmpp_host_domain")]
