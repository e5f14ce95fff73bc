# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``terminal_qr``: a text as a QR code that can be scanned from a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: terminal_qr
short_description: A QR code in a terminal
description: Draws it in half blocks, white on black whatever the colours of the terminal are.
options:
  _input: {description: The text., type: str, required: true}
"""

WHITE_ON_BLACK, AS_BEFORE = "\x1b[97;40m", "\x1b[0m"


def terminal_qr(text: str) -> str:
    """Return *text* as lines to print; raises AnsibleFilterError where the library is missing."""
    try:
        import segno
    except ImportError as error:
        raise AnsibleFilterError("QR codes need Python's segno: apt install python3-segno, or script/setup") from error
    stream = io.StringIO()
    segno.make_qr(str(text), error="l").terminal(stream, border=2, compact=True)
    return "\n".join(f"{WHITE_ON_BLACK}{line}{AS_BEFORE}" for line in stream.getvalue().splitlines())


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"terminal_qr": terminal_qr}
