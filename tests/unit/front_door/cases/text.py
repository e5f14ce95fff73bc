# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters that a text may have, and may not."""

from __future__ import annotations

from ..known import Cases

CASES: Cases = {
    # nothing sneaks onto the terminal
    "control characters": (
        {"xmpp_name": "a\x1b[31m\u202eb"},
        [("xmpp_name", "contains U+001B")],
    ),
    # what scripts and emoji are written with is no control character
    "any script": (
        {
            "xmpp_name": "گفت\u200cوگو",
            "xmpp_rooms": [
                {
                    "name": "family",
                    "title": "Family 👨\u200d👩\u200d👧 🏴\U000e0067\U000e007f",
                    "description": "शक्\u200dति\n\u200fשלום\u200f!",
                },
                {"name": "school", "title": "Sch\u00adule\u00a0?"},
            ],
            "xmpp_donations": [{"name": "\u061cزكاة", "address": "bitcoin:x", "note": "Merci\u202f!"}],
        },
        [],
    ),
    **{
        f"sign {ord(sign):04x}": (
            {"xmpp_name": f"a{sign}b"},
            [("xmpp_name", f"contains U+{ord(sign):04X}")],
        )
        for sign, name in (
            ("\u202e", "RIGHT-TO-LEFT OVERRIDE"),
            ("\u2066", "LEFT-TO-RIGHT ISOLATE"),
            ("\u2028", "LINE SEPARATOR"),
        )
    },
    "nothing to be seen": (
        {"xmpp_name": "\u200d"},
        [("xmpp_name", "contains U+200D")],
    ),
    # where nobody reads it, what cannot be seen is a slip
    "key with a joiner": (
        {"xmpp_acme_eab_kid": "a\u200cb"},
        [("xmpp_acme_eab_kid", "contains U+200C")],
    ),
}
