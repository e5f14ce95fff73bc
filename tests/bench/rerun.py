# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml where nothing is to do, against ``ansible -m setup``; remote calls are counted."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Callable

from .bed import CHECKOUT, Bed, BenchError, say, seconds
from .report import Result, Row, at_most, spread


def rerun(bed: Bed, rounds: int) -> Result:
    """site.yml with nothing to do, against the smallest useful thing that Ansible does.

    Without rounds, it is timed as its calls are counted.
    """
    bed.site()
    calls: dict[str, dict[str, int]] = {}
    times: dict[str, list[float]] = {"site": [], "setup": []}
    sides: list[tuple[str, Callable[..., str]]] = [("site", bed.converge), ("setup", bed.setup)]
    for name, side in sides:
        began = time.monotonic()
        recap, calls[name] = remote_calls(side)
        if not rounds:
            times[name].append(time.monotonic() - began)
        if name == "site" and not re.search(r"changed=0 .*unreachable=0 .*failed=0 ", recap):
            raise BenchError(f"The rerun is not a no-op:\n{recap}")
    for turn in range(rounds):
        for name, side in sides if turn % 2 == 0 else reversed(sides):
            times[name].append(seconds(side))
    say(f"rerun: {times}")
    ratio = statistics.median(times["site"]) / statistics.median(times["setup"])
    rows = [
        Row(
            "no-op rerun of site.yml over SSH",
            spread(times["site"]),
            f"{spread(times['setup'])} `ansible -m setup`",
            **at_most(ratio, 3, "at most 3x"),
        ),
        Row("remote module calls in it", str(calls["site"]["module"]), str(calls["setup"]["module"]), "", ""),
        Row(
            "other remote commands in it",
            str(calls["site"]["command"] + calls["site"]["file"]),
            str(calls["setup"]["command"] + calls["setup"]["file"]),
            "",
            "",
        ),
    ]
    return Result("rerun", "No-op rerun", rows, raw={"seconds": times, "remote_calls": calls})


def remote_calls(action: Callable[..., str]) -> tuple[str, dict[str, int]]:
    """A run's output and what it asks the host for, counted outside of Ansible: each round trip is a call of ssh."""
    with tempfile.NamedTemporaryFile("r", prefix="cnx", encoding="utf-8") as notes:
        output = action(
            ANSIBLE_SSH_EXECUTABLE=str(CHECKOUT / "tests" / "load" / "counting-ssh"),
            ANSIBLE_SSH_TRANSFER_METHOD="piped",
            BENCH_REMOTE_CALLS=notes.name,
        )
        kinds = notes.read().split()
    return output, {kind: kinds.count(kind) for kind in ("module", "command", "file")}
