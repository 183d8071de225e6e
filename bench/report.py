"""What a benchmark found: as a table for people, and as JSON that is committed."""

import json
import os
import platform
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import starlink

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Result:
    """One measure: medians and spread over its rounds, and the goal when there is one."""

    measure: str
    unit: str
    median: float
    min: float
    max: float
    rounds: int
    peer: str | None = None
    ratio: float | None = None
    goal: str | None = None
    met: bool | None = None


def result(
    measure: str,
    unit: str,
    values: Sequence[float],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Result:
    """The result of a measure's rounds; the goal, where there is one, is a bound on the median."""
    middle = statistics.median(values)
    goal, met = None, None
    if at_most is not None:
        goal, met = f"≤ {at_most:g} {unit}", middle <= at_most
    elif at_least is not None:
        goal, met = f"≥ {at_least:g} {unit}", middle >= at_least
    low, high = round(min(values), 3), round(max(values), 3)
    return Result(measure, unit, round(middle, 3), low, high, len(values), goal=goal, met=met)


def against(
    measure: str,
    unit: str,
    values: Sequence[float],
    peer: str,
    peers: Sequence[float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Result:
    """The same beside a peer's rounds, each measured next to ours; the goal, where there is one, is a bound on our
    median as a multiple of the peer's. Of a peer that has 0 there is no ratio."""
    ours, theirs = statistics.median(values), statistics.median(peers)
    goal, met = None, None
    if at_least is not None:
        goal, met = f"≥ {at_least:.3g} × {peer}", ours >= at_least * theirs
    elif at_most is not None:
        goal, met = f"≤ {at_most:.3g} × {peer}", ours <= at_most * theirs
    ratio = round(ours / theirs, 3 if ours < theirs else 2) if theirs else None
    return replace(result(measure, unit, values), peer=peer, ratio=ratio, goal=goal, met=met)


def publish(subject: str, results: Sequence[Result]) -> None:
    """Prints the table and writes the file."""
    print(table(results))
    keep(subject, results)


def keep(
    subject: str,
    results: Sequence[Result],
    *,
    circumstances: Mapping[str, Any] | None = None,
    peers: Mapping[str, str] | None = None,
) -> None:
    """Writes the file: `circumstances` are what was so on the machine, `peers` the versions of others."""
    document = {
        "machine": machine() | {**(circumstances or {})},
        "versions": versions() | {**(peers or {})},
        "results": [asdict(one) for one in results],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{subject}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def table(results: Sequence[Result]) -> str:
    """Aligned text."""
    rows = [("measure", "median", "min", "max", "unit", "rounds", "ratio", "goal", "met")]
    rows += [
        (
            one.measure, f"{one.median:g}", f"{one.min:g}", f"{one.max:g}", one.unit, str(one.rounds),
            "" if one.ratio is None else f"{one.ratio:g}", one.goal or "",
            "" if one.met is None else "yes" if one.met else "MISSED",
        )
        for one in results
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def machine() -> dict[str, Any]:
    """What it ran on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {"architecture": platform.machine(), "cpu": model, "cores": os.cpu_count(), "kernel": platform.release()}


def versions() -> dict[str, str]:
    """What ran."""
    return {"starlink": starlink.__version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
