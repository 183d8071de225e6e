"""Writes of one kind, of which those that are asked for at the same time go in one request.

No write waits for company: what is asked for in one turn of the loop goes out at its end. Only while enough requests
are out does a write wait, and then those that waited go together. Where the server takes no such requests, as
Kubernetes does not, each write is a request of its own.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Sequence

import msgspec

from starlink.api.kinds import BULK_WRITE, Kind
from starlink.client import batch
from starlink.client.batch import Nonsense, Write
from starlink.client.errors import ClientError, ServerTrouble, Unauthorized, Unreachable, from_status
from starlink.client.kube import MERGE, Client, Obj, typed, url
from starlink.client.lines import Item, Lines
from starlink.client.offer import Offer

REQUESTS = 4
"""Out at once where the server takes many writes in one."""
_NOT_OFFERED = (403, 404, 405)
"""The server takes no such requests, or none of ours. Nothing was done."""
_TOO_LARGE = 413
_NOT_TOGETHER = (400, _TOO_LARGE, 422)
"""The server does not take these writes in one request. Nothing was done."""


class Bulk:
    """Writes objects of a kind; gives and raises what a Client does.

    Two writes of one object are done in the order in which they were asked for. One that is given up is not sent, if it
    has not gone yet. Of one whose connection is lost the fate is unknown: it raises Unreachable.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        *,
        singles: int,
        now: Callable[[], float] = time.monotonic,
        held: Callable[[], Exception | None] = lambda: None,
    ) -> None:
        """`singles` requests are out at once where each is one write. A write that would go out fails with what `held`
        says then. `now` is monotonic."""
        self._client = client
        self._kind = kind
        self._singles = singles
        self._held = held
        self._now = now
        self._offer = Offer(now)
        self._size = batch.Size()
        self._asking: asyncio.Task[None] | None = None
        self._lines = Lines()
        self._out: set[asyncio.Task[None]] = set()
        self._is_stirred = False

    async def create(self, obj: Obj, namespace: str) -> bytes:
        """The JSON of what was created, of an object that need not say what kind it is of."""
        content = msgspec.json.encode(typed(self._kind, obj))
        return await self._written(Write("create", namespace, obj["metadata"]["name"], content))

    async def patch_status(self, name: str, patch: Obj, namespace: str) -> bytes:
        """The JSON of the object after a merge patch of its status."""
        return await self._written(Write("patch", namespace, name, msgspec.json.encode(patch)))

    async def _written(self, write: Write) -> bytes:
        item = Item(write, asyncio.get_running_loop().create_future())
        self._lines.join(item)
        self._stir()
        try:
            return await item.written
        except asyncio.CancelledError:
            await self._give_up(item)
            raise

    async def _give_up(self, item: Item) -> None:
        """A request for which nobody waits any more is over when this returns, as far as that is in our hands."""
        if item.carrier is not None and not any(one.is_wanted for one in item.company):
            item.carrier.cancel()
            await asyncio.wait((item.carrier,))

    # What goes out, and when

    def _stir(self) -> None:
        if not self._is_stirred:
            self._is_stirred = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        """Sends what waits, as far as requests may be out."""
        self._is_stirred = False
        if len(self._lines) > 1 and self._asking is None and self._offer.is_open:
            self._asking = asyncio.create_task(self._ask())
        while len(self._out) < (REQUESTS if self._offer.stands else self._singles):
            items = self._lines.next(self._size.most if self._offer.stands else 1)
            if not items:
                return
            carrier = asyncio.create_task(self._carry(items))
            carrier.add_done_callback(functools.partial(self._returned, items))
            self._out.add(carrier)
            for item in items:
                item.carrier, item.company = carrier, items

    async def _ask(self) -> None:
        """Learns whether the server takes many writes in one request. A refusal is told nobody: it means no."""
        try:
            answer = await self._client.ask("GET", BULK_WRITE.path)
        except Unreachable:
            self._offer.unsaid()
        else:
            if isinstance(from_status(answer.status, None), ServerTrouble | Unauthorized):
                self._offer.unsaid()
            else:
                self._offer.found(there=answer.status == 200 and batch.is_offered(answer.body))
        finally:
            self._asking = None
            self._stir()

    async def _carry(self, items: Sequence[Item]) -> None:
        """Brings the items out, in one request if the server takes them so. Each is told, or waits again."""
        try:
            await self._bring(items)
        except Exception as error:
            for item in items:
                item.fail(error)

    def _returned(self, items: Sequence[Item], carrier: "asyncio.Task[None]") -> None:
        """What a carrier had is over, but for what waits again; also of one that was given up before it began."""
        for item in items:
            if item.carrier is carrier:
                self._lines.over(item)
        self._out.discard(carrier)
        self._stir()

    # What becomes of it

    async def _bring(self, items: Sequence[Item]) -> None:
        wanted = [item for item in items if item.is_wanted]
        if (trouble := self._held()) is not None:
            for item in wanted:
                item.fail(trouble)
        elif len(wanted) == 1:
            await self._bring_one(wanted[0])
        elif wanted:
            await self._bring_many(wanted)

    async def _bring_one(self, item: Item) -> None:
        write = item.write
        try:
            if write.verb == "create":
                path = url(self._kind, write.namespace)
                item.done(await self._client.raw("POST", path, body=write.content))
            else:
                path = url(self._kind, write.namespace, write.name, "status")
                item.done(await self._client.raw("PATCH", path, headers=MERGE, body=write.content))
        except ClientError as error:
            if isinstance(error, Unreachable):
                self._offer.lost()
            item.fail(error)

    async def _bring_many(self, items: Sequence[Item]) -> None:
        body = batch.request(item.write for item in items)
        begun = self._now()
        try:
            answer = await self._client.ask("POST", url(BULK_WRITE), body=body)
        except Unreachable as error:
            self._offer.lost()
            self._size.lost(len(items))
            for item in items:
                item.fail(type(error)(str(error)))
            return
        self._size.answered(len(items), self._now() - begun)
        if answer.status == 200:
            await self._tell(items, answer.body)
        elif answer.status in _NOT_OFFERED:
            self._offer.found(there=False)
            self._return(items)
        elif answer.status in _NOT_TOGETHER:
            half = len(items) // 2
            await self._bring(items[:half])
            await self._bring(items[half:])
        elif answer.status >= 400:
            for item in items:
                item.fail(self._client.refusal(answer.status, answer.body))
        else:
            _mistrust(items, f"the server answers {len(items)} writes with status {answer.status}")

    async def _tell(self, items: Sequence[Item], body: bytes) -> None:
        """Each item what is answered of it; one for which the answer had no room goes by itself."""
        try:
            outcomes = batch.outcomes(body, self._kind, [item.write for item in items])
        except Nonsense as error:
            _mistrust(items, str(error))
            return
        for item, outcome in zip(items, outcomes, strict=True):
            if outcome.code == _TOO_LARGE:
                continue
            if outcome.refused:
                item.fail(self._client.refusal(outcome.code, bytes(outcome.object)))
            else:
                item.done(bytes(outcome.object))
        for item, outcome in zip(items, outcomes, strict=True):
            if outcome.code == _TOO_LARGE:
                await self._bring([item])

    def _return(self, items: Sequence[Item]) -> None:
        """Nothing was done: each goes by itself."""
        for item in items:
            item.carrier, item.company = None, ()
        self._lines.again(items)


def _mistrust(items: Sequence[Item], why: str) -> None:
    """What became of the items is not known."""
    for item in items:
        item.fail(Unreachable(why))
