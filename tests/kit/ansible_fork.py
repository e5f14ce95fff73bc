# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook without the time that it takes to import Ansible, which is most of a short run.

A process imports Ansible once (ansible_server.py); a run is a fork of it, in which all is as in the program.
Ansible reads its configuration as it is imported: so there is such a process for each environment, and for each folder
with a configuration that runs begin in. Tests that share an environment are quicker than those with one of their own.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SERVER = Path(__file__).with_name("ansible_server.py")
PROGRAM = str(Path(sys.executable).with_name("ansible-playbook"))
# For tests that read results: as JSON, with no line that Ansible has wrapped or this project has worded.
RESULTS = {
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    "ANSIBLE_LOCALHOST_WARNING": "False",
}


def operators(**more: str) -> dict[str, str]:
    """The environment of an operator in a clone of this project, who has set nothing else than that."""
    own = {name: os.environ[name] for name in ("PATH", "HOME")} | {"LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
    return own | {"ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")} | more


def end(asking: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """End a process: it goes when nobody can ask it any more."""
    asking.close()
    process.wait()


class Server:
    """A process that has imported Ansible, until it is forgotten."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # (Colors and the width of lines depend on a terminal: it has none, as a program whose output is read.)
            self.process = subprocess.Popen(
                [sys.executable, "-P", SERVER, str(theirs.fileno())],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        weakref.finalize(self, end, self.socket, self.process)

    def run(self, words: list[str], folder: str, out: int, err: int, seconds: float | None) -> int:
        """Run ansible-playbook to its end; return its exit code, or raise TimeoutError."""
        ours, theirs = socket.socketpair()
        with ours, ours.makefile("rb") as answer:
            with theirs:
                request = json.dumps({"words": words, "folder": folder}).encode()
                socket.send_fds(self.socket, [request], [out, err, theirs.fileno()])
            pid = int(answer.readline() or 0)
            assert pid, "Ansible could not be imported"
            ours.settimeout(seconds)
            try:
                return int(answer.read() or -signal.SIGKILL)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                raise


@functools.lru_cache(maxsize=8)
def server(environment: frozenset[tuple[str, str]], folder: Path) -> Server:
    """The process for runs with this configuration."""
    return Server(dict(environment), folder)


def run(
    *words: str | Path,
    folder: Path,
    environment: Mapping[str, str],
    merged: bool = False,
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook with these words, in a folder; its errors are *merged* into its output, or apart.

    Raises TimeoutExpired if it is not there after so many *seconds*.
    """
    command = [PROGRAM, *map(str, words)]
    # pytest says there which test it is.
    known = frozenset((name, value) for name, value in environment.items() if not name.startswith("PYTEST_"))
    configured = "ANSIBLE_CONFIG" not in environment and (folder / "ansible.cfg").exists()
    asked = server(known, folder if configured else Path("/"))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        errors = out if merged else err
        try:
            code = asked.run(command, str(folder), out.fileno(), errors.fileno(), seconds)
        except TimeoutError as late:
            raise subprocess.TimeoutExpired(command, seconds or 0) from late
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode())
    return subprocess.CompletedProcess(command, code, *texts)
