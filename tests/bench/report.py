# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures, each held against a reference, for the terminal, for programs and for docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .bed import CHECKOUT, RESULTS, BenchError

PERFORMANCE = CHECKOUT / "docs" / "performance.md"


@dataclass(frozen=True)
class Row:
    """One comparison: our figure, what it is held against, and how many times the one is the other."""

    what: str
    ours: str
    reference: str
    ratio: str
    target: str
    met: bool | None = None


@dataclass
class Result:
    """What one sub-benchmark found."""

    name: str
    title: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        lines = [
            f"### {self.title}",
            "",
            "| measure | Conexizan | reference | ratio | target |",
            "|---|---|---|---|---|",
        ]
        for row in self.rows:
            verdict = {True: f"{row.target}: met", False: f"{row.target}: **missed**", None: row.target}[row.met]
            lines.append(f"| {row.what} | {row.ours} | {row.reference} | {row.ratio} | {verdict} |")
        return "\n".join([*lines, *(["", *self.notes] if self.notes else []), ""])


def at_most(ratio: float, limit: float, text: str) -> dict[str, Any]:
    return {"ratio": f"**{ratio:.2f}x**", "target": text, "met": ratio <= limit}


def at_least(ratio: float, limit: float, text: str) -> dict[str, Any]:
    return {"ratio": f"**{ratio:.2f}x**", "target": text, "met": ratio >= limit}


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} s ({min(values):.1f} to {max(values):.1f})"


def machine() -> str:
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    cores = len(os.sched_getaffinity(0))
    name = model.group(1).strip() if model else platform.machine()
    return f"{name}, {cores} cores, Python {platform.python_version()}"


def save(result: Result, names: Iterable[str], *, quick: bool) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), "load_average": os.getloadavg(), "quick": quick}
    document |= {**asdict(result), "markdown": result.markdown()}
    (RESULTS / f"{result.name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "results.md").write_text(summary(names), encoding="utf-8")
    print(result.markdown(), flush=True)


def summary(names: Iterable[str]) -> str:
    """The latest figures of every sub-benchmark."""
    files = [RESULTS / f"{name}.json" for name in names]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in files if path.exists()]
    machines = "; ".join(sorted({document["machine"] for document in found}))
    quick = ", ".join(document["name"] for document in found if document.get("quick"))
    warning = f"Only to see that it works (`--quick`): {quick}.\n\n" if quick else ""
    return f"Measured on: {machines}.\n\n{warning}" + "\n".join(document["markdown"] for document in found)


def write_docs(names: Iterable[str]) -> None:
    text = PERFORMANCE.read_text(encoding="utf-8")
    begin, end = "<!-- figures: written by script/bench -->\n", "<!-- end of figures -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise BenchError(f"{PERFORMANCE} has lost the two comments that the figures stand between.")
    PERFORMANCE.write_text(f"{head}{begin}\n{summary(names)}\n{end}{tail}", encoding="utf-8")
