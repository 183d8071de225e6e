"""What requests cost against their size: CPU time at a size and at eight times as much, for every case of `growing`.

What takes n·log n costs less than 11 times as much then, what takes n² 64 times. CPU time is that of the process, whose
helping threads it includes, and of several runs the least counts: what else runs on the machine only adds to it.
"""

import asyncio
import gc
import logging
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.core import answered, core
from bench.growing import CASES, Case, setup
from bench.report import Result, publish, result
from starlink.apiserver.handler import Api
from starlink.http.message import Request, Response

TIMES_LARGER = 8
MOST = 24.0
"""How many times as much the larger size may cost: well above n·log n, and well below n²."""

FLOOR = 0.05
"""Seconds below which nobody minds how a cost grows."""

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Growth:
    """CPU seconds of each round at a case's size, and at TIMES_LARGER times that."""

    case: Case
    small: tuple[float, ...]
    large: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return min(self.large) / min(self.small)

    @property
    def is_steep(self) -> bool:
        return min(self.large) > FLOOR and self.ratio > MOST


async def prepare(api: Api) -> None:
    """Sends what the cases need."""
    for request in setup():
        answer = await _answer(api, request)
        assert answer.status < 300, answer


async def growth(api: Api, case: Case, rounds: int, divisor: int = 1) -> Growth:
    """What a case costs, of a core that is prepared, at its size divided by `divisor`."""
    size = max(case.size // divisor, 1)
    small, large = [], []
    for _ in range(rounds):
        small.append(await _cost(api, case, size))
        large.append(await _cost(api, case, size * TIMES_LARGER))
    return Growth(case, tuple(small), tuple(large))


async def _cost(api: Api, case: Case, size: int) -> float:
    for request in case.before(size):
        await _answer(api, request)
    request = case.request(size)
    gc.disable()  # a collection looks at everything that there is, whatever the request
    began = time.process_time()
    answer = await _answer(api, request)
    spent = time.process_time() - began
    gc.enable()
    assert answer.status < 500, f"{case.name} of {size}: {answer.status}: {answer.body[:300]!r}"
    return spent


async def _answer(api: Api, request: Request) -> Response:
    answer = await answered(api, request)
    assert isinstance(answer, Response)
    return answer


def main() -> None:
    """Runs and publishes."""
    logging.getLogger("starlink").setLevel(logging.CRITICAL)
    publish("growth", asyncio.run(_all()))


async def _all() -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="starlink-bench-") as folder:
        async with core(Path(folder)) as api:
            await prepare(api)
            return [_result(found) async for found in _grown(api)]


async def _grown(api: Api) -> AsyncIterator[Growth]:
    for case in CASES:
        found = await growth(api, case, ROUNDS)
        print(f"  {case.name}: × {found.ratio:.1f}", flush=True)
        yield found


def _result(found: Growth) -> Result:
    told = result(f"{found.case.name}, n = {found.case.size * TIMES_LARGER}", "ms", [1e3 * one for one in found.large])
    goal = f"≤ {MOST:g} × an eighth of n"
    return replace(told, peer="an eighth of n", ratio=round(found.ratio, 2), goal=goal, met=not found.is_steep)
