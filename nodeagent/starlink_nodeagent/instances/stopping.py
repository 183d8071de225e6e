"""The wish that an instance ends for good, and what is done until it comes."""

import asyncio
from collections.abc import Awaitable


class StopWish(asyncio.Event):
    """Set when the instance is to end."""

    async def unless(self, work: Awaitable[None]) -> None:
        """Does it to its end, or up to the wish: an artifact may take hours to come."""
        doing, wished = asyncio.ensure_future(work), asyncio.create_task(self.wait())
        try:
            await asyncio.wait((doing, wished), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            for task in (doing, wished):
                task.cancel()
            await asyncio.gather(doing, wished, return_exceptions=True)

    async def within(self, pause: Awaitable[None]) -> bool:
        """Whether it comes, or has come, before the pause is over."""
        await self.unless(pause)
        return self.is_set()
