"""Plans applied: what has to be done, in order; what only tells, behind it."""

import asyncio
import itertools

from starlink.planning.plan import Action, Plan
from starlink_operator.reporting import Teller
from starlink_operator.writer import AT_ONCE, Writer, is_gathered


class Applier:
    """Applies plans through a writer and a teller."""

    def __init__(self, writer: Writer, teller: Teller) -> None:
        self._writer = writer
        self._teller = teller
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def apply(self, plan: Plan) -> None:
        """Does what has to be done until something fails; what stands together goes together where
        the writer gathers it. Then hands over what is to be told. Raises ClientError or NotLeading: observe again."""
        with self._teller.behind():
            await self._act(plan)
        self._teller.tell(plan)

    async def _act(self, plan: Plan) -> None:
        for (_, together), actions in itertools.groupby(plan.acts, _company):
            if together:
                results = await asyncio.gather(*map(self._writer.write, actions), return_exceptions=True)
                for failure in filter(None, results):
                    raise failure
            else:
                for action in actions:
                    await self._do(action)

    async def _do(self, action: Action) -> None:
        async with self._slots:
            await self._writer.write(action)


def _company(action: Action) -> tuple[type[Action], bool]:
    """Actions next to each other that have the same stand together."""
    return type(action), is_gathered(action)
