"""What the SQLite store costs, and what its high-water mark adds: the same writes with it and without it, in turn."""

import asyncio
import resource
import tempfile
import time
from pathlib import Path
from unittest import mock

from bench.report import Result, publish, result
from starlink.store.base import Key
from starlink.store.highwater import HighWater
from starlink.store.sqlite import SqliteStore

WRITES, WRITERS, ROUNDS = 5_000, 32, 5
BODY = b'{"x":"' + b"0123456789abcdef" * 63 + b'"}'
WITHOUT = "without the mark"


def main() -> None:
    rounds = [(_round(marked=True), _round(marked=False)) for _ in range(ROUNDS)]
    results: list[Result] = []
    for number, (what, unit) in enumerate((("CPU a write", "µs"), ("writes", "/s"))):
        results += [
            result(f"{what}, 1 KB, {WRITERS} writers, durable", unit, [marked[number] for marked, _ in rounds]),
            result(f"the same, {WITHOUT}", unit, [bare[number] for _, bare in rounds]),
        ]
    publish("store", results)


def _round(*, marked: bool) -> tuple[float, float]:
    """CPU microseconds a write, and writes a second."""
    with tempfile.TemporaryDirectory(prefix="starlink-bench-") as folder:
        if marked:
            return asyncio.run(_write(Path(folder)))
        with mock.patch.object(HighWater, "raise_to"):
            return asyncio.run(_write(Path(folder)))


async def _write(folder: Path) -> tuple[float, float]:
    store = SqliteStore(folder / "bench.db")
    await store.open()

    async def writer(first: int) -> None:
        for number in range(first, WRITES, WRITERS):
            await store.put(Key("bench/things", "default", f"thing-{number}"), BODY, expect=0)

    cpu, wall = _cpu(), time.perf_counter()
    await asyncio.gather(*map(writer, range(WRITERS)))
    cost = (_cpu() - cpu) / WRITES * 1e6, WRITES / (time.perf_counter() - wall)
    await store.close()
    return cost


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
