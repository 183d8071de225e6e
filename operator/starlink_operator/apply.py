"""Plans applied: what has to be done, in order; what only tells, behind it."""

import asyncio
import itertools

from starlink.planning.plan import Action, CreateAssignment, Doubt, Plan
from starlink_operator.telling import Teller
from starlink_operator.writer import AT_ONCE, Writer

_TOGETHER = (CreateAssignment, Doubt)
"""Actions of which the writer takes any number at once."""


class Applier:
    """Applies plans through a writer and a teller."""

    def __init__(self, writer: Writer, teller: Teller) -> None:
        self._writer = writer
        self._teller = teller
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def apply(self, plan: Plan) -> None:
        """Does what has to be done until something fails; creations that stand together go together, and so do doubts.
        Then hands over what is to be told. Raises ClientError or NotLeading: observe again."""
        with self._teller.behind():
            await self._act(plan)
        self._teller.tell(plan)

    async def _act(self, plan: Plan) -> None:
        for kind, actions in itertools.groupby(plan.acts, type):
            if kind in _TOGETHER:
                results = await asyncio.gather(*map(self._writer.write, actions), return_exceptions=True)
                for failure in filter(None, results):
                    raise failure
            else:
                for action in actions:
                    await self._do(action)

    async def _do(self, action: Action) -> None:
        async with self._slots:
            await self._writer.write(action)
