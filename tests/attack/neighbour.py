# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that attacks: it has what Debian has, and runs programs that the tests send it."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..kit import testbed

NAME = "neighbour"
SECONDS = 120


@dataclass(frozen=True)
class Neighbour:
    """Reached by ssh."""

    address: str
    address6: str
    ssh_config: str

    @classmethod
    def up(cls) -> Neighbour:
        """Make it anew."""
        made = testbed.up(NAME)
        return cls(made["address"], made["address6"], made["ssh_config"])

    @staticmethod
    def down() -> None:
        """Remove it."""
        testbed.down(NAME)

    def _command(self, program: str, argument: object) -> list[str]:
        source = (Path(__file__).parent / "programs" / f"{program}.py").read_text(encoding="utf-8")
        remote = shlex.join(["python3", "-c", source, json.dumps(argument)])
        return ["ssh", "-F", self.ssh_config, f"conexizan-{NAME}", remote]

    def run(self, program: str, argument: object, seconds: float = SECONDS) -> Any:
        """What a program of the folder `programs` prints, as JSON."""
        done = subprocess.run(
            self._command(program, argument), check=True, stdout=subprocess.PIPE, text=True, timeout=seconds
        )
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def doing(self, program: str, argument: object) -> Iterator[str]:
        """Runs a program until the block ends, which closes its input. Given is its first line: it has begun."""
        with subprocess.Popen(
            self._command(program, argument), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            try:
                yield process.stdout.readline()
            finally:
                process.stdin.close()
                process.wait(SECONDS)

    @contextlib.contextmanager
    def listening(self, port: int) -> Iterator[list[str]]:
        """What reaches a port by UDP, and "connection" for each by TCP; the list is filled when the block ends."""
        heard: list[str] = []
        with subprocess.Popen(
            self._command("listen", {"port": port}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            yield heard
            heard += json.loads(process.communicate(timeout=SECONDS)[0])
