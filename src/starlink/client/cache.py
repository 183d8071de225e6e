"""A list+watch cache of one kind that cannot go silent.

It lists, watches, resumes, lists again when it must and from time to time anyway, and reconnects
when a watch says nothing, not even a bookmark, for too long.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from traceback import format_tb
from typing import Generic, TypeVar

import msgspec

from starlink.api.change import Change
from starlink.api.kinds import Kind
from starlink.api.meta import Object, ObjectKey
from starlink.api.reading import TROUBLE, Decoder, completed, read
from starlink.backoff import Pauses
from starlink.client.errors import ApiError, ClientError, Forbidden, Gone, NotFound
from starlink.client.kube import Client
from starlink.client.rights import denial

log = logging.getLogger(__name__)

SILENCE_SECONDS = 90.0
SILENCE_SLACK = 1.0
RELIST_SECONDS = 900.0
PAUSES = Pauses(0.1, 5.0)
REFUSED_PAUSES = Pauses(0.1, 30.0)
"""Of what a person has to change first: rights, or a kind that is not there."""

T = TypeVar("T", bound=Object)


Subscriber = Callable[[Change[T]], None]


class Cache(Generic[T]):
    """The objects of one kind (a `view` type), as of the last that was heard. What can't be read is there too, marked
    as `unreadable`: only what the API says is gone is gone.

    `now` is a monotonic clock; `jitter` gives factors around 1 for pauses; `decoder` reads objects, else one of `view`.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        view: type[T],
        *,
        now: Callable[[], float],
        jitter: Callable[[], float],
        namespace: str = "",
        field_selector: str = "",
        decoder: Decoder[T] | None = None,
    ) -> None:
        self._client = client
        self._kind = kind
        self._view = view
        self._decoder: Decoder[T] = decoder or msgspec.json.Decoder(view)
        self._now = now
        self._jitter = jitter
        self._namespace = namespace
        self._field_selector = field_selector
        self._objects: dict[ObjectKey, T] = {}
        self._unreadable: dict[ObjectKey, str] = {}
        self._gone: dict[ObjectKey, int] = {}  # resourceVersions of deletions that an overlay must not undo
        self._subscribers: list[Subscriber[T]] = []
        self._synced = asyncio.Event()
        self._watched = asyncio.Event()
        self._resource_version = ""
        self._relist_at = 0.0
        self._following: asyncio.Timeout | None = None  # what `run` is at, which `anew` ends
        self._told = ""  # the refusal that was logged last, while there is one
        self.last_heard = now()
        self.lists = 0

    @property
    def objects(self) -> Mapping[ObjectKey, T]:
        return self._objects

    @property
    def unreadable(self) -> Mapping[ObjectKey, str]:
        """Those of the objects that can't be read, each with why."""
        return self._unreadable

    @property
    def resource_version(self) -> int:
        """Up to where the cluster has been heard; 0 before the first list."""
        return int(self._resource_version or 0)

    async def synced(self) -> None:
        """Waits for the first list."""
        await self._synced.wait()

    def subscribe(self, subscriber: Subscriber[T]) -> None:
        """`subscriber` is told of every change, those found by a list too."""
        self._subscribers.append(subscriber)

    def overlay(self, body: bytes) -> None:
        """Takes the answer to one's own write as seen, unless something newer was."""
        self.hear(None, body)

    def overlay_gone(self, key: ObjectKey) -> None:
        """Takes one's own deletion as seen."""
        known = self._objects.get(key)
        if known is not None:
            self._drop(key, _version(known))

    def hear(self, type_: str | None, body: bytes) -> None:
        """Takes an event that somebody else's watch brought: ADDED, MODIFIED, DELETED, or None for an object listed."""
        obj = self._decode(msgspec.Raw(body))
        if obj is not None and type_ == "DELETED":
            self._drop(obj.key, _version(obj))
        elif obj is not None:
            self._take(obj)

    async def refresh(self) -> None:
        """Lists now. Raises ClientError."""
        await self._list()

    async def anew(self) -> None:
        """Has `run` watch anew, whatever it waits for, and waits until the server has answered: a connection whose
        other end is gone looks like one on which nothing happens."""
        self._watched.clear()
        if self._following is not None and not self._following.expired():
            self._following.reschedule(asyncio.get_running_loop().time())
        await self._watched.wait()

    async def run(self) -> None:
        """Follows the kind until cancelled."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None) as self._following:
                        await self._follow()
        finally:
            self._following = None

    async def _follow(self) -> None:
        failures = 0
        while True:
            pauses = PAUSES
            try:
                if not self._resource_version or self._now() >= self._relist_at:
                    await self._list()
                self._told = ""
                await self._watch(self._relist_at)
                failures = 0
                continue
            except Gone:
                self._resource_version = ""
                continue
            except ApiError as error:
                self._log_refusal(error)
                self._resource_version = ""
                pauses = REFUSED_PAUSES if isinstance(error, Forbidden | NotFound) else PAUSES
            except ClientError as error:
                log.info("the watch of %s broke: %s", self._kind.plural, error)
            except msgspec.MsgspecError as error:
                log.error("the watch of %s said what can't be read: %s", self._kind.plural, error)
                self._resource_version = ""
            failures += 1
            await asyncio.sleep(pauses.after(failures) * self._jitter())

    def _log_refusal(self, error: ApiError) -> None:
        """Once, as long as the words are the same."""
        if str(error) == self._told:
            return
        self._told = str(error)
        kind = self._kind
        way = f"; is the CRD {kind.plural}.{kind.group} there?" if isinstance(error, NotFound) and kind.group else ""
        level = logging.DEBUG if denial(error) else logging.WARNING  # a missing right is told by its name
        log.log(level, "the watch of %s was refused: %s%s", kind.plural, error, way)

    async def _list(self) -> None:
        found: dict[ObjectKey, T] = {}
        resource_version = ""
        async for page in self._client.pages(self._kind, self._namespace, field_selector=self._field_selector):
            found.update((obj.key, obj) for obj in map(self._decode, page.items) if obj is not None)
            resource_version = page.resource_version
        version = int(resource_version or 0)
        for key in [key for key in self._objects if key not in found]:
            if _version(self._objects[key]) <= version:
                self._drop(key, version)
        for obj in found.values():
            self._take(obj)
        self._gone.clear()
        self._resource_version = resource_version
        self._relist_at = self._now() + RELIST_SECONDS * self._jitter()
        self.last_heard = self._now()
        self.lists += 1
        self._synced.set()

    async def _watch(self, until: float) -> None:
        seconds = max(1, min(600, int(until - self._now())))
        events = self._client.watch(
            self._kind,
            self._namespace,
            resource_version=self._resource_version,
            field_selector=self._field_selector,
            seconds=seconds,
            answered=self._watched.set,
        )
        async with contextlib.aclosing(events):
            try:
                # Not wait_for, which before Python 3.12 may swallow a cancellation.
                async with asyncio.timeout(SILENCE_SECONDS) as silence:
                    async for event in events:
                        self.last_heard = self._now()
                        self._hear(event.type, event.object)
                        _put_off(silence)
            except TimeoutError:
                log.warning("the watch of %s went silent; reconnecting", self._kind.plural)

    def _hear(self, type_: str, raw: msgspec.Raw) -> None:
        obj = self._decode(raw) if type_ != "BOOKMARK" else None
        self._resource_version = obj.metadata.resource_version if obj is not None else _raw_version(raw)
        if obj is None:
            return
        if type_ == "DELETED":
            self._drop(obj.key, _version(obj))
        else:
            self._take(obj)

    def _decode(self, raw: msgspec.Raw) -> T | None:
        """What has not even a name is told of and passed over: it must not stall the others."""
        try:
            return read(self._decoder, self._view, raw)
        except TROUBLE as error:
            log.error("an object of %s has no name that can be read: %s", self._kind.plural, error)
            return None

    def _take(self, obj: T) -> None:
        key, version = obj.key, _version(obj)
        old = self._objects.get(key)
        if (old is not None and _version(old) >= version) or self._gone.get(key, 0) >= version:
            return
        self._unreadable.pop(key, None)
        if obj.unreadable is not None:
            obj = completed(obj, old)
            self._log_trouble(obj, old)
        if obj.unreadable is not None:
            self._unreadable[key] = obj.unreadable.why
        self._objects[key] = obj
        self._tell(Change(key, old, obj))

    def _log_trouble(self, obj: T, old: T | None) -> None:
        """Once for each that is wrong with it."""
        why = obj.unreadable.why if obj.unreadable else ""
        if old is None or old.unreadable is None or old.unreadable.why != why:
            log.error("%s %s can't be read and is left alone: %s", self._kind.kind, obj.key, why)

    def _drop(self, key: ObjectKey, version: int) -> None:
        old = self._objects.get(key)
        if old is not None and _version(old) <= version:
            del self._objects[key]
            self._unreadable.pop(key, None)
            self._gone[key] = version
            self._tell(Change(key, old, None))

    def _tell(self, change: Change[T]) -> None:
        """What one subscriber raises troubles neither the others nor the watch."""
        for subscriber in self._subscribers:
            try:
                subscriber(change)
            except Exception as error:
                at = "".join(format_tb(error.__traceback__))  # without its words, which may hold what was stored
                told = self._kind.kind, change.key, type(error).__name__
                log.error("a change of %s %s was not taken: %s", *told, extra={"traceback": at})


def _put_off(silence: asyncio.Timeout) -> None:
    """Counts silence from now on, to a second: a timer for each event costs as much as what it brings."""
    end = asyncio.get_running_loop().time() + SILENCE_SECONDS
    if (silence.when() or end) < end - SILENCE_SLACK:
        silence.reschedule(end)


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Head(msgspec.Struct):
    metadata: _Meta


_meta_decoder = msgspec.json.Decoder(_Head)


def _raw_version(raw: msgspec.Raw) -> str:
    return _meta_decoder.decode(raw).metadata.resource_version


def _version(obj: Object) -> int:
    return int(obj.metadata.resource_version or 0)
