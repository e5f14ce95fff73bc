# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures in words, and the timeouts."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import Awaitable
from xml.etree import ElementTree as ET

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, Row, row

CONNECT = 3.0  # seconds until a port counts as closed
ANSWER = 5.0  # seconds for one conversation


class Trouble(Exception):
    """Something does not work; the text says what."""


def reason(error: BaseException) -> str:
    """Return in a few words why something failed."""
    if isinstance(error, Trouble):
        return str(error)
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message).rstrip(".")
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {error.reason or error}"
    if isinstance(error, ConnectionRefusedError):
        return "refuses connections"
    if isinstance(error, (ConnectionError, EOFError)):
        return "closed the connection"
    return str(error) or type(error).__name__


async def judged(subject: str, look: Awaitable[Row]) -> Row:
    """Return the row, or a failed one if the check raises an error."""
    try:
        async with asyncio.timeout(2 * ANSWER):
            return await look
    except (OSError, EOFError, Trouble, http.client.HTTPException) as error:
        return row(subject, FAIL, reason(error), "Fix what the rows above report, then run this again.")
    except (ValueError, KeyError, ET.ParseError):
        return row(subject, FAIL, "sent an unexpected response", "Run site.yml.")
