"""What is done beside the event loop answers whoever waits for it, however it ends."""

import asyncio

import pytest

from starlink.apiserver import aside


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("no"), StopIteration()], ids=lambda e: type(e).__name__)
def test_an_exception_reaches_whoever_waits(error: Exception) -> None:
    def work() -> None:
        raise error

    async def asked() -> None:
        await asyncio.wait_for(aside.run(aside.LARGE, work), 10)

    with pytest.raises(Exception) as raised:
        asyncio.run(asked())
    assert error in (raised.value, raised.value.__cause__)
