# SPDX-License-Identifier: GPL-3.0-or-later
"""What a window of a measurement has shown."""

from __future__ import annotations

import resource
from typing import Any


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all values do not exceed (nearest rank); no values: endless."""
    if not values:
        return float("inf")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figures(latencies: list[float], took: float, cpu: float) -> dict[str, Any]:
    """So many a second, how long each took, and how busy this program was meanwhile (in cores)."""
    return {
        "number": len(latencies),
        "per_second": round(len(latencies) / took, 1),
        "p50_ms": round(percentile(latencies, 0.50) * 1000, 2),
        "p99_ms": round(percentile(latencies, 0.99) * 1000, 2),
        "generator_cpu": round(cpu / took, 2),
    }


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
