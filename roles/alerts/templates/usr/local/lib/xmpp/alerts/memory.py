# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered from one look to the next."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import atomic

from .changes import Problem

STATE = Path("/var/lib/xmpp/alerts/state.json")


class Memory:
    """The state, in a file."""

    def __init__(self) -> None:
        """Read the file; one that is empty after a power cut, or that another version has written, counts as none."""
        self.state: dict[str, Any] = {}
        self.problems: dict[str, Problem] = {}
        self.text = ""
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError, AttributeError):
            self.text = STATE.read_text(encoding="utf-8")
            state = json.loads(self.text)
            self.problems = {subject: Problem(**one) for subject, one in state.get("problems", {}).items()}
            self.state = state

    def part(self, name: str) -> dict[str, Any]:
        """Return a part of the state, to be changed in place."""
        found: dict[str, Any] = self.state.setdefault(name, {})
        return found

    def save(self) -> None:
        """Write the state down if it is another one: a memory card wears out."""
        self.state["problems"] = {subject: dataclasses.asdict(one) for subject, one in self.problems.items()}
        text = json.dumps({name: part for name, part in self.state.items() if part})
        if text == self.text or (text == "{}" and not self.text):
            return
        atomic.write(STATE, text.encode(), durable=True)
        self.text = text
