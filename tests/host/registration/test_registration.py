# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture for newcomers, as ejabberd asks for it."""

from __future__ import annotations

import base64

from testinfra.host import Host

DRAW = "runuser -u ejabberd -- /usr/local/lib/xmpp/captcha"
# XEP-0231: what goes along with a stanza should be small. ejabberd takes no more than 64 kB.
SIZE_LIMIT = 8000
SECONDS_LIMIT = 5  # ejabberd waits no longer


def picture(host: Host, digits: str) -> bytes:
    """Return the picture of some digits."""
    drawn = host.run(f"timeout {SECONDS_LIMIT} {DRAW} {digits} | base64 --wrap=0")
    assert drawn.rc == 0, drawn.stderr
    return base64.b64decode(drawn.stdout)


def test_picture_is_a_small_png(host: Host) -> None:
    drawn = picture(host, "481516")
    assert drawn.startswith(b"\x89PNG\r\n\x1a\n")
    assert drawn.endswith(b"IEND\xaeB`\x82")
    assert len(drawn) < SIZE_LIMIT


def test_same_digits_have_the_same_picture(host: Host) -> None:
    """ejabberd draws as often as it is asked: many views of one would give it away. (A new hour brings another.)"""
    assert len({picture(host, "481516") for _ in range(4)}) <= 2


def test_nobody_but_root_changes_what_draws(host: Host) -> None:
    program = host.file("/usr/local/lib/xmpp/captcha")
    assert (program.user, program.group, program.mode) == ("root", "root", 0o755)
