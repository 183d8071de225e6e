"""No request costs more than n·log n: CPU time at a size and at eight times as much, with a wide margin.

A case that seems steep is measured again, for what disturbs it once does not do so each time.
"""

from pathlib import Path

import pytest
from bench.core import core
from bench.growing import GROUPS
from bench.growth import growth, prepare

ROUNDS = 4
DIVISOR = 3
"""The benchmark's sizes are divided by it, so that all cases take half a minute."""


@pytest.mark.parametrize("group", GROUPS)
async def test_the_cost_of_a_request_grows_as_its_size(tmp_path: Path, group: str) -> None:
    steep = []
    async with core(tmp_path) as api:
        await prepare(api)
        for case in GROUPS[group]:
            found = await growth(api, case, 1, DIVISOR)
            if found.is_steep:
                found = await growth(api, case, ROUNDS, DIVISOR)
            if found.is_steep:
                steep.append(
                    f"{case.name}: {min(found.small):.3f} s of CPU, {min(found.large):.3f} at eight times that"
                )
    assert not steep, "\n".join(steep)
