# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``qr_code``: a text as a QR code on a page."""

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website import converters

DOCUMENTATION = r"""
name: qr_code
short_description: A QR code on a page
description: Draws it as an image (SVG) that an HTML page can have in it.
options:
  _input: {description: The text., type: str, required: true}
"""


def qr_code(text: str) -> str:
    """Return *text* as SVG; raises AnsibleFilterError where the library is missing."""
    try:
        return converters.qr_code(str(text)).strip()
    except ImportError as error:
        raise AnsibleFilterError("QR codes need Python's segno: apt install python3-segno, or script/setup") from error


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"qr_code": qr_code}
