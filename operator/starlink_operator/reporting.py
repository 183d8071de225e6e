"""What is told and holds up nothing: statuses and Events, behind what is done."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from starlink.api.kinds import Kind
from starlink.api.meta import ObjectKey
from starlink.client.errors import ClientError
from starlink.client.rights import denial
from starlink.planning.plan import Action, Plan, RecordEvent, UpdateStatus
from starlink_operator.writer import NotLeading

log = logging.getLogger(__name__)

AT_ONCE = 16
"""One while something is being done, so that a burst of placements is not held up by telling of it."""
MOST_EVENTS = 20
PAUSE = 0.5

Subject = tuple[Kind, ObjectKey]


class Writes(Protocol):
    """What carries an action out; raises ClientError and NotLeading."""

    async def write(self, action: Action) -> None: ...


@dataclass(frozen=True, slots=True)
class _News:
    """The latest status of one object, if it is to be written, and Events that were not sent yet."""

    status: UpdateStatus | None
    events: tuple[RecordEvent, ...]


class Teller:
    """`tell` never waits; `run` sends: one object's news at a time, the oldest first, and of statuses the latest only.
    When one can't be written, `failed` is called with the object, which is to be looked at again, and the reason.
    """

    def __init__(
        self,
        writer: Writes,
        failed: Callable[[Subject, Exception], None],
        awaited: Callable[[Subject], bool] = lambda _: False,
    ) -> None:
        """`awaited` says of which objects newer news is about to be told, be it that there is none."""
        self._writer = writer
        self._failed = failed
        self._awaited = awaited
        self._waiting: dict[Subject, _News] = {}
        self._kept: dict[Subject, _News] = {}  # until newer news comes
        self._sending: dict[Subject, _News] = {}
        self._some = asyncio.Event()
        self._ahead = 0  # how much is being done
        self._quiet = asyncio.Event()
        self._quiet.set()

    @contextlib.contextmanager
    def behind(self) -> Iterator[None]:
        """While something is done that goes before what is told."""
        self._ahead += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._ahead -= 1
            if not self._ahead:
                self._quiet.set()

    def tell(self, plan: Plan) -> None:
        """Takes what a plan tells, its status in place of one that has not been sent. What is about to be overtaken is
        kept for once, so that of an object that is told of again and again something is sent; not what failed, for the
        next look at that may be far."""
        subject = (plan.kind, plan.subject)
        kept = self._kept.pop(subject, None)
        waiting = self._waiting.get(subject)
        news = _merged(waiting or kept, self._sending.get(subject), plan)
        if not (news.status or news.events):
            self._waiting.pop(subject, None)
        elif not (waiting or kept or plan.error) and self._awaited(subject):
            self._kept[subject] = news
        else:
            self._waiting[subject] = news
            self._some.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(self._work(gives_way=number > 0))

    async def _work(self, *, gives_way: bool) -> None:
        while True:
            await self._some.wait()
            if gives_way and self._ahead:
                await self._quiet.wait()
                continue
            subject = next((one for one in self._waiting if one not in self._sending), None)
            if subject is None:
                self._some.clear()
                continue
            self._sending[subject] = self._waiting.pop(subject)
            try:
                await self._send(subject, self._sending[subject])
            finally:
                del self._sending[subject]
                self._some.set()

    async def _send(self, subject: Subject, news: _News) -> None:
        try:
            if news.status is not None:
                await self._writer.write(news.status)
            for event in news.events:
                await self._writer.write(event)
        except NotLeading as error:
            self._failed(subject, error)
            await asyncio.sleep(PAUSE)  # or all that waits would fail in one turn of the loop
        except ClientError as error:
            level = logging.DEBUG if denial(error) else logging.INFO
            log.log(level, "not told: %s", error, extra={"subject": str(subject[1])})
            self._failed(subject, error)
        except Exception as error:
            log.exception("could not be told", extra={"subject": str(subject[1])})
            self._failed(subject, error)


def _merged(waiting: _News | None, sending: _News | None, plan: Plan) -> _News:
    """The Events of a status that waits to be written are planned again and again; each is sent once."""
    statuses = [action for action in plan.tells if isinstance(action, UpdateStatus)]
    under_way = {event.gist for event in sending.events} if sending else set()
    events = {event.gist: event for event in (waiting.events if waiting else ())}
    events |= {one.gist: one for one in plan.tells if isinstance(one, RecordEvent) and one.gist not in under_way}
    return _News(statuses[-1] if statuses else None, tuple(events.values())[-MOST_EVENTS:])
