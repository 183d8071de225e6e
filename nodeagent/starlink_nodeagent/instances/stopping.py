"""The wish that an instance ends for good, and what is done until it comes."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any


class StopWish(asyncio.Event):
    """Set when the instance is to end."""

    async def unless(self, work: Coroutine[Any, Any, None]) -> None:
        """Does it to its end, or up to the wish: an artifact may take hours to come."""
        doing, wished = asyncio.create_task(work), asyncio.create_task(self.wait())
        try:
            await asyncio.wait((doing, wished), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            for task in (doing, wished):
                task.cancel()
            await asyncio.gather(doing, wished, return_exceptions=True)

    async def within(self, seconds: float) -> bool:
        """Whether it comes, or has come, in that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait()
        return self.is_set()
