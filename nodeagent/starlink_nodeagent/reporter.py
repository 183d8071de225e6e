"""Reports: the latest status of each Assignment, sent until it is heard. News of what is gone is dropped."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine

from starlink.api.kinds import ASSIGNMENT, EVENT, Kind
from starlink.api.meta import ObjectKey
from starlink.api.names import event_name
from starlink.api.timestamp import format_time
from starlink.client.errors import ApiError, ClientError, Conflict, NotFound
from starlink.client.kube import Client
from starlink_nodeagent.report import Status, keep_transitions, same

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
AT_ONCE = 4
MOST_MESSAGE = 1024
"""Characters of an Event's message, as events.k8s.io has it; the status says it whole."""


class Reporter:
    """`tell` never waits; `run` sends. `now` is epoch seconds."""

    def __init__(self, client: Client, server: str, now: Callable[[], float]) -> None:
        self._client = client
        self._server = server
        self._now = now
        self._wanted: dict[str, tuple[ObjectKey, Status]] = {}
        self._told: dict[str, Status] = {}
        self._sending: set[str] = set()
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, uid: str, key: ObjectKey, status: Status) -> None:
        """The Assignment's status as it is now."""
        told = self._told.get(uid)
        if not same(told, status):
            self._told[uid] = keep_transitions(told, status)
            self._wanted[uid] = (key, self._told[uid])
            self._wake.set()

    def again(self, uid: str, key: ObjectKey) -> bool:
        """Says once more what was said last of the Assignment, for another has written over it; False if nothing
        was."""
        if uid not in self._told:
            return False
        self._wanted[uid] = (key, self._told[uid])
        self._wake.set()
        return True

    def forget(self, uid: str) -> None:
        """The Assignment is gone."""
        self._wanted.pop(uid, None)
        self._told.pop(uid, None)

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
        pause = FIRST_PAUSE
        try:
            while (wanted := self._wanted.get(uid)) is not None:
                key, status = wanted
                try:
                    async with self._slots:
                        await self._patch(uid, key, status)
                except (NotFound, Conflict):  # deleted, or made anew under the same name: nobody asks any more
                    self.forget(uid)
                    return
                except ClientError as error:
                    if isinstance(error, ApiError) and not error.retryable:
                        log.error("a report was refused: %s", error, extra={"assignment": str(key)})
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                    continue
                if self._wanted.get(uid) is wanted:
                    del self._wanted[uid]
        finally:
            self._sending.discard(uid)
            if uid in self._wanted:
                self._wake.set()

    async def _patch(self, uid: str, key: ObjectKey, status: Status) -> None:
        patch = {"metadata": {"uid": uid}, "status": status}
        await self._client.patch_raw(ASSIGNMENT, key.name, patch, key.namespace, subresource="status")

    async def _send_event(self, kind: Kind, key: ObjectKey, uid: str, type_: str, reason: str, message: str) -> None:
        now = format_time(self._now())
        namespace = key.namespace or "default"
        event = {
            "metadata": {"name": event_name(key.name, uid, reason, f"{message}{now}"), "namespace": namespace},
            "involvedObject": {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "name": key.name,
                "namespace": key.namespace,
                "uid": uid,
            },
            "type": type_,
            "reason": reason,
            "message": message if len(message) <= MOST_MESSAGE else f"{message[: MOST_MESSAGE - 1]}…",
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "starlink-agent", "host": self._server},
            "reportingComponent": "starlink-agent",
            "reportingInstance": self._server,
        }
        with contextlib.suppress(ClientError):
            await self._client.create_raw(EVENT, event, namespace)
