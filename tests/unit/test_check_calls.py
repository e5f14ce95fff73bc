# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/check.yml says about relays of others."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.calls import announced


def test_relays_that_are_not_announced_are_named() -> None:
    assert announced([], {"turn.friends.test"}) == []
    (good,) = announced(["one.test", "two.test"], {"turn.friends.test", "one.test", "two.test"})
    assert (good["status"], good["found"]) == ("pass", "answer: one.test, two.test")
    (bad,) = announced(["one.test", "two.test"], {"turn.friends.test", "one.test"})
    assert (bad["status"], bad["found"]) == ("warn", "not announced, because there is no answer: two.test")
