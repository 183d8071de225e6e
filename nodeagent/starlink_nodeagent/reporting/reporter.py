"""Reports: the latest status of each Assignment, sent until it is heard. News of what is gone is dropped.

An Assignment that is made anew bears the name of the old one. The API does not look at a UID in a patch of a status, so
each report says of which version of the object it is, and a version is of one UID alone.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import msgspec

from starlink.api.event import About, Source, event
from starlink.api.kinds import ASSIGNMENT, EVENT, Kind
from starlink.api.meta import Metadata, ObjectKey
from starlink.api.names import event_name
from starlink.api.timestamp import format_time
from starlink.backoff import Pauses
from starlink.client.bulk import Bulk
from starlink.client.errors import ApiError, ClientError, Conflict, NotFound
from starlink.client.kube import Client
from starlink_nodeagent.reporting.report import Status, keep_transitions, replacing, same

log = logging.getLogger(__name__)

PAUSES = Pauses(0.2, 5.0)
SINGLES = 4
"""Reports on their way at once, where each is a request."""
LOOKS = 2
"""At Assignments of which no version is known, at once."""
MOST_MESSAGE = 1024
"""Characters of an Event's message, as events.k8s.io has it; the status says it whole."""


class _WrittenStatus(msgspec.Struct):
    result: dict[str, Any] | None = None


class _Written(msgspec.Struct):
    """What is read of the answer to a report."""

    metadata: Metadata
    status: _WrittenStatus = msgspec.field(default_factory=_WrittenStatus)


class _Version(NamedTuple):
    """A version of an Assignment, and the result that it has in its status."""

    number: str
    result: Mapping[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Written)


class _MadeAnew(Exception):
    """Another Assignment bears the name now."""


class Reporter:
    """`tell` never waits; `run` sends. `now` is epoch seconds, `monotonic` only goes on."""

    def __init__(
        self, client: Client, server: str, now: Callable[[], float], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._bulk = Bulk(client, ASSIGNMENT, singles=SINGLES, now=monotonic)
        self._server = server
        self._now = now
        self._wanted: dict[str, tuple[ObjectKey, Status]] = {}
        self._told: dict[str, Status] = {}
        self._versions: dict[str, _Version] = {}
        self._sending: set[str] = set()
        self._wake = asyncio.Event()
        self._looks = asyncio.Semaphore(LOOKS)
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(
        self, uid: str, key: ObjectKey, status: Status, version: str = "", there: Mapping[str, Any] | None = None
    ) -> None:
        """The Assignment's status as it is now; `version` is the resourceVersion at which it was last heard of, and
        `there` the result that it had then."""
        self._heard(uid, _Version(version, there))
        told = self._told.get(uid)
        if not same(told, status):
            self._told[uid] = keep_transitions(told, status)
            self._wanted[uid] = (key, self._told[uid])
            self._wake.set()

    def again(self, uid: str, key: ObjectKey, version: str, there: Mapping[str, Any] | None = None) -> bool:
        """Says once more what was said last of the Assignment, for another has written over it; False if nothing
        was. `version` and `there` as for `tell`."""
        if uid not in self._told:
            return False
        self._heard(uid, _Version(version, there))
        self._wanted[uid] = (key, self._told[uid])
        self._wake.set()
        return True

    def forget(self, uid: str) -> None:
        """The Assignment is gone."""
        self._wanted.pop(uid, None)
        self._told.pop(uid, None)
        self._versions.pop(uid, None)

    def _heard(self, uid: str, version: _Version) -> None:
        """Keeps the newest version that is known. It is what is tried first: an older one costs another request."""
        known, heard = self._versions.get(uid, _Version("")).number, version.number
        if heard and not (known.isdecimal() and heard.isdecimal() and int(known) > int(heard)):
            self._versions[uid] = version

    def event(self, kind: Kind, key: ObjectKey, uid: str, type_: str, reason: str, message: str) -> None:
        """An Event, tried once."""
        self._spawn(self._send_event(kind, key, uid, type_, reason, message))

    async def run(self) -> None:
        """Sends until cancelled; one request an Assignment at a time, the latest news only."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for uid in [uid for uid in self._wanted if uid not in self._sending]:
                self._sending.add(uid)
                self._spawn(self._send(uid))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, uid: str) -> None:
        pauses = iter(PAUSES)
        try:
            while (wanted := self._wanted.get(uid)) is not None:
                surmised = uid in self._versions
                try:
                    await self._patch(uid, *wanted)
                except (NotFound, _MadeAnew):  # nobody asks any more
                    self.forget(uid)
                    return
                except ClientError as error:
                    if isinstance(error, Conflict) and surmised:
                        continue  # it has changed since: now it is looked at
                    if isinstance(error, ApiError) and not error.retryable:
                        log.error("a report was refused: %s", error, extra={"assignment": str(wanted[0])})
                    await asyncio.sleep(next(pauses))
                    continue
                if self._wanted.get(uid) is wanted:
                    del self._wanted[uid]
        finally:
            self._sending.discard(uid)
            if uid in self._wanted:
                self._wake.set()

    async def _patch(self, uid: str, key: ObjectKey, status: Status) -> None:
        """Raises _MadeAnew, and Conflict for an object that has changed since its version was heard."""
        version = self._versions.pop(uid, None) or await self._look(uid, key)
        patch = {"metadata": {"resourceVersion": version.number}, "status": replacing(status, version.result)}
        answer = await self._bulk.patch_status(key.name, patch, key.namespace)
        if uid in self._told:
            written = _decoder.decode(answer)
            self._heard(uid, _Version(written.metadata.resource_version, written.status.result))

    async def _look(self, uid: str, key: ObjectKey) -> _Version:
        """The version at which the Assignment is now. Raises _MadeAnew."""
        async with self._looks:
            found = await self._client.get(ASSIGNMENT, key.name, key.namespace)
        if found["metadata"]["uid"] != uid:
            raise _MadeAnew
        return _Version(str(found["metadata"]["resourceVersion"]), (found.get("status") or {}).get("result"))

    async def _send_event(self, kind: Kind, key: ObjectKey, uid: str, type_: str, reason: str, message: str) -> None:
        now = self._now()
        about = About(kind.api_version, kind.kind, key, uid)
        name = event_name(key.name, uid, reason, f"{message}{format_time(now)}")
        by = Source("starlink-agent", instance=self._server, host=self._server)
        shown = message if len(message) <= MOST_MESSAGE else f"{message[: MOST_MESSAGE - 1]}…"
        body = event(about, by, name, type_, reason, shown, now)
        with contextlib.suppress(ClientError):
            await self._client.create_raw(EVENT, body, about.namespace)
