# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliver a text: as a message to the administrators, and to the operator's program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET, Api, ApiError

TEXT = Path("/var/lib/xmpp/alerts/text")
UNIT = "xmpp-alert-command.service"
KEPT = 10  # texts that wait for a way to work again; older ones are given up
CHARACTERS = 3000  # of a message: it is part of a URL


def chat(settings: dict[str, Any], text: str) -> bool:
    """Send a message to each administrator, from the domain; return whether ejabberd took it."""
    try:
        for admin in settings["admins"]:
            api = Api(SOCKET)
            addresses = {"from": settings["domain"], "to": f"{admin}@{settings['domain']}"}
            api.call("send_message", type="chat", **addresses, subject="", body=text[:CHARACTERS])
    except ApiError:  # it does not run, most likely: that is what the text says
        return False
    return True


def command(settings: dict[str, Any], text: str) -> bool:
    """Give the text to xmpp_alert_command on its standard input, by a unit with a sandbox of its own."""
    TEXT.write_text(f"{text}\n", encoding="utf-8")
    try:
        done = subprocess.run(["systemctl", "start", UNIT], capture_output=True, text=True, check=False)
    finally:
        TEXT.unlink()
    if done.returncode:
        program = settings["command"]
        print(f"xmpp_alert_command ({program}) failed: journalctl -u {UNIT}", file=sys.stderr)
    return done.returncode == 0


def usable(settings: dict[str, Any]) -> bool:
    """Tell whether the operator's program is there, before it is needed."""
    program = settings["command"]
    if not program or os.access(program, os.X_OK):
        return True
    print(
        f"xmpp_alert_command is {program}: no program that root can run, or in a folder that its sandbox hides "
        "(/home, /root, /tmp)",
        file=sys.stderr,
    )
    return False


def deliver(settings: dict[str, Any], unsent: dict[str, list[str]], text: str) -> bool:
    """Send a text (if there is one) and those that wait, each way by itself; return whether the command took them."""
    ways: dict[str, Callable[[dict[str, Any], str], bool]] = {"chat": chat}
    ways |= {"command": command} if settings["command"] else {}
    for way in [*unsent]:
        if way not in ways:
            del unsent[way]
    for way, send in ways.items():
        waiting = [*unsent.pop(way, []), *([text] if text else [])]
        while waiting and send(settings, waiting[0]):
            waiting.pop(0)
        if waiting:
            unsent[way] = waiting[-KEPT:]
    return "command" not in unsent
