"""The controller of a kind that has a planner: all of it that is not the planner's."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from starlink.api.change import Change
from starlink.api.meta import ObjectKey
from starlink.engine.rounds.asking import ask
from starlink.planning.contract import Planner
from starlink.planning.plan import Plan
from starlink_operator.controller import Surroundings
from starlink_operator.reporting import Subject
from starlink_operator.worklist import Worklist


class Planned:
    """Asks a planner, of the objects that it says a change concerns."""

    settles, periodic = 0.0, False

    def __init__(self, planner: Planner, around: Surroundings) -> None:
        self._planner, self._observed = planner, around.observed
        self._worklist = Worklist()
        self.kinds = (planner.subject.kind,)
        self.some = self._worklist.some
        for known in planner.reads:
            around.observed.cache(known.kind).subscribe(self._changed)

    def _changed(self, change: Change[Any]) -> None:
        self._worklist.mark(*self._planner.wakes(change, self._observed))

    async def run(self) -> None:
        await asyncio.Event().wait()

    def begin(self) -> None:
        self._worklist.begin()
        self.look_at_all()

    def look(self, subject: Subject) -> None:
        self._worklist.mark(subject[1])

    def look_at_all(self) -> None:
        self._worklist.mark(*self._observed.all(self._planner.subject))

    def awaited(self, subject: Subject) -> bool:
        return False

    def tick(self) -> None:
        """Time alone changes nothing but what `Plan.recheck_after` says."""

    def take(self) -> Collection[Subject]:
        return [(self._planner.subject.kind, key) for key in sorted(self._worklist.take())]

    def plan(self, subjects: Collection[Subject]) -> Sequence[Plan]:
        keys: list[ObjectKey] = [key for _, key in subjects]
        return ask(self._planner, keys, self._observed)
