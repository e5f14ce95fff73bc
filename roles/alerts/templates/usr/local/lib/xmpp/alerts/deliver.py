# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliver a text: as a message to each administrator, and to the operator's program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET, Api, ApiError, user_of

TEXT = Path("/var/lib/xmpp/alerts/text")
UNIT = "xmpp-alert-command.service"
KEPT = 10  # texts that wait for a way to work again; older ones are given up
CHARACTERS = 3000  # of a message: it is part of a URL
# No stanza may contain these. They come with the errors of other programs; all else ejabberd escapes.
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# A way, as the state names it, without a name of anybody: the administrators have numbers.
CHAT, COMMAND = "chat", "command"


def ways(settings: dict[str, Any]) -> list[str]:
    """Return the ways that the settings have."""
    chats = [f"{CHAT} {number}" for number in range(len(settings["admins"]))]
    return [*chats, COMMAND] if settings["command"] else chats


def label(settings: dict[str, Any], way: str) -> str:
    """Return the administrator's address, or the setting."""
    if way == COMMAND:
        return "xmpp_alert_command"
    return f"{settings['admins'][int(way.removeprefix(CHAT))]}@{settings['domain']}"


def chat(domain: str, address: str, text: str) -> str:
    """Send a message to an administrator, from the domain; return why ejabberd did not take it, or an empty string."""
    try:
        api = Api(SOCKET)
        # It takes one for anybody. The error that nobody is there would go back to the domain, where nobody reads it.
        if api.call("check_account", **user_of(address)) != 0:
            return "there is no such account"
        api.call("send_message", type="chat", **{"from": domain, "to": address}, subject="", body=text[:CHARACTERS])
    except ApiError as error:  # it does not run, most likely: that is what the text says
        return str(error)
    return ""


def command(program: str, text: str) -> str:
    """Give the text to a program on its standard input, by a unit with a sandbox of its own; return why that failed."""
    try:
        TEXT.write_text(f"{text}\n", encoding="utf-8")
        done = subprocess.run(["systemctl", "start", UNIT], capture_output=True, text=True, check=False)
    except OSError as error:  # the disk is full: the administrators get the text all the same
        return f"the text could not be written: {error.strerror}"
    finally:
        TEXT.unlink(missing_ok=True)
    return f"{program} failed: journalctl -u {UNIT}" if done.returncode else ""


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


def send(settings: dict[str, Any], way: str, text: str) -> str:
    """Send a text one way; return why that failed, or an empty string."""
    if way == COMMAND:
        return command(settings["command"], text)
    return chat(settings["domain"], label(settings, way), text)


def deliver(
    settings: dict[str, Any], unsent: dict[str, list[str]], text: str, save: Callable[[], None]
) -> dict[str, str]:
    """Send a text (if there is one) and those that wait, each way by itself; return which ways failed, and why.

    What still waits is saved after each text: all of them can take longer than systemd lets the program run.
    """
    known, text = ways(settings), ILLEGAL.sub("\ufffd", text)
    for way in [*unsent]:
        if way not in known:
            del unsent[way]
    for way in known if text else []:
        unsent.setdefault(way, []).append(text)
    failed: dict[str, str] = {}
    for way in known:
        while way in unsent:
            why = send(settings, way, unsent[way][0])
            if why:
                failed[way] = why
                unsent[way] = unsent[way][-KEPT:]
                break
            unsent[way] = unsent[way][1:]
            if not unsent[way]:
                del unsent[way]
            save()
    return failed
