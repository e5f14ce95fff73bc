# SPDX-License-Identifier: GPL-3.0-or-later
"""What the federation's tests share: texts that travel, refusals that come back, and site.yml."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

from ..kit.clients import Client, fresh_text
from ..kit.playbook import CHECKOUT, run
from ..kit.service import PATIENCE, Account, Service

STATE = CHECKOUT / ".cache" / "molecule" / "federation"
CLIENT = "{jabber:client}"
RUN_SECONDS = 480

Register = Callable[[Service], Account]


def web_name(service: Service) -> str:
    """Where a domain's web site is. That of beta.test is elsewhere: SRV leads to another name for the service."""
    return "chat.beta.test" if service.domain == "beta.test" else service.domain


async def assert_reaches(sender: Client, receiver: Client) -> None:
    """A message arrives, from whom it should."""
    text = fresh_text()
    sender.say(receiver.boundjid.bare, text)
    arrival = asyncio.create_task(receiver.hear(text))
    refused = asyncio.create_task(bounced(sender, text))
    await asyncio.wait([arrival, refused], return_when=asyncio.FIRST_COMPLETED)
    if not refused.done():
        refused.cancel()
    elif refused.exception() is None:
        arrival.cancel()
        raise AssertionError(f"the message came back: {ET.tostring(refused.result(), encoding='unicode')}")
    message = await arrival
    assert message.get("type") == "chat"
    assert message.get("from") == sender.boundjid.full


async def assert_talk(one: Client, other: Client) -> None:
    """Messages arrive both ways."""
    await assert_reaches(one, other)
    await assert_reaches(other, one)


async def refusal(sender: Client, receiver: str, seconds: float = PATIENCE) -> str:
    """Sends a message that must come back; returns the error's condition."""
    text = fresh_text()
    sender.say(receiver, text)
    return condition(await bounced(sender, text, seconds))


async def bounced(sender: Client, text: str, seconds: float = PATIENCE) -> ET.Element:
    """The message with this text, as it comes back to its sender."""
    return await sender.messages.get(
        lambda stanza: stanza.get("type") == "error" and stanza.findtext(f"{CLIENT}body") == text, seconds
    )


def condition(stanza: ET.Element) -> str:
    """What an error is called (RFC 6120 8.3.3)."""
    error = stanza.find(f"{CLIENT}error")
    assert error is not None, ET.tostring(stanza)
    return error[0].tag.split("}")[1]


def run_playbook(
    playbook: str, *arguments: str, limit: str, settings: dict[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a playbook as an operator does; *settings* win over those of the inventory."""
    return run(playbook, *arguments, f"--extra-vars={json.dumps(settings or {})}", limit=limit, seconds=RUN_SECONDS)


def deploy(service: Service, *arguments: str, settings: dict[str, Any] | None = None) -> None:
    """Runs site.yml for one host, which must succeed."""
    done = run_playbook("site.yml", *arguments, limit=service.domain.removesuffix(".test"), settings=settings)
    assert done.returncode == 0, done.stdout + done.stderr


def audit(*needles: str, **settings: Any) -> tuple[int, dict[str, dict[str, Any]]]:
    """Runs the operator's audit of alpha; returns its exit code, and path to find."""
    settings = {"format": "json", "names": True, "needles": list(needles)} | settings
    done = run_playbook("playbooks/audit.yml", limit="alpha", settings=settings)
    start = done.stdout.find('{\n  "alpha"')
    assert start >= 0, done.stdout + done.stderr
    finds, _ = json.JSONDecoder().raw_decode(done.stdout, start)
    return done.returncode, {find["path"]: find for find in finds["alpha"]}


def part(*services: Service) -> None:
    """Closes all connections to other servers: the next message opens new ones, at once."""
    for service in services:
        service.api(("stop_s2s_connections", {}))
