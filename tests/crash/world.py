"""Writers and watchers over real HTTPS: they go on through every crash, and note what they were told."""

import asyncio
import base64
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tests.crash.ledger import Ack, Ledger, Seen, State

from starlink.api.kinds import Kind
from starlink.client.config import Config
from starlink.client.errors import AlreadyExists, ApiError, ClientError, Conflict, Gone, NotFound, Unreachable
from starlink.client.kube import Client, url

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
SECRET = Kind("", "v1", "Secret", "secrets", True)
KINDS = (CONFIG_MAP, SECRET)
NAMESPACE = "default"
NAMES = 6
PAUSE = 0.08
PAUSE_AFTER_FAILURE = 0.3
_EXPECTED = (429, 503, 504)
"""What a server may answer when it can't."""

Obj = dict[str, Any]


@dataclass
class Shared:
    """What all writers and watchers of a test have in common. `failures` are what no crash excuses."""

    configs: Sequence[Config]
    ledgers: dict[Kind, Ledger] = field(default_factory=lambda: {kind: Ledger() for kind in KINDS})
    acknowledged: int = 0
    highest: int = 0
    doubtful: int = 0
    failures: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def judge(self, error: ClientError) -> None:
        """Notes what is no consequence of a crash."""
        accepted = isinstance(error, Unreachable | AlreadyExists | Conflict | NotFound)
        if not accepted and not (isinstance(error, ApiError) and error.code in _EXPECTED):
            self.failures.append(f"{type(error).__name__}: {error}")


class Writer:
    """Writes objects of its own, one after another, in every way that there is."""

    def __init__(self, shared: Shared, number: int, kind: Kind, rng: random.Random) -> None:
        self._shared = shared
        self._number = number
        self.kind = kind
        self._rng = rng
        self._clients = [Client(config, timeout=8) for config in shared.configs]
        self._client = self._clients[number % len(self._clients)]
        self._values = itertools.count()
        self._held: State = {}
        self._doubtful: set[str] = set()
        self._newest = 0
        self.idle = asyncio.Event()
        self.times: list[float] = []

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self.idle.set()
                await self._shared.open.wait()
                self.idle.clear()
                done = await self.step(f"w{self._number}-{self._rng.randrange(NAMES)}")
                await asyncio.sleep(self._rng.uniform(0, PAUSE if done else PAUSE_AFTER_FAILURE))
        finally:
            for client in self._clients:
                client.close()

    async def step(self, name: str) -> bool:
        """One write, or a look at what became of the last one; whether it was acknowledged."""
        try:
            if name in self._doubtful:
                await self._look(name)
            await self._write(name)
        except ClientError as error:
            self._shared.judge(error)
            self._shared.doubtful += 1
            self._doubtful.add(name)
            self._client = self._rng.choice(self._clients)
            return False
        self._shared.acknowledged += 1
        self.times.append(time.monotonic())
        return True

    async def mark(self) -> int:
        """Writes until a revision is told."""
        acks = self._shared.ledgers[self.kind].acks
        while not await self.step("mark") or acks[-1].value is None:
            await asyncio.sleep(0.05)
        return acks[-1].revision

    async def _look(self, name: str) -> None:
        """What there is, as of all that this writer knows: another server may be behind."""
        query = {"fieldSelector": f"metadata.name={name}", "resourceVersion": str(self._newest)}
        listed = msgspec.json.decode(await self._client.raw("GET", url(self.kind, NAMESPACE), query=query))
        version = int(listed["metadata"]["resourceVersion"])
        if version < self._newest:
            self._shared.failures.append(f"a list at {version} after {self._newest} was acknowledged")
        self._held.pop(name, None)
        for obj in listed["items"]:
            self._held[name] = (int(obj["metadata"]["resourceVersion"]), obj["data"]["v"])
        self._doubtful.discard(name)

    async def _write(self, name: str) -> None:
        after, ledger = self._shared.highest, self._shared.ledgers[self.kind]
        if name in self._held and self._rng.random() < 0.15:
            await self._client.delete(self.kind, name, NAMESPACE)
            floor = max(after, self._held.pop(name)[0])
            ledger.acks.append(Ack(name, None, floor, floor))
            return
        value = base64.b64encode(f"{name} {next(self._values)}".encode()).decode()
        ledger.attempts[name].add(value)
        obj = await self._choose(name)(name, value)
        revision = int(obj["metadata"]["resourceVersion"])
        self._held[name] = (revision, obj["data"]["v"])
        ledger.acks.append(Ack(name, value, after, revision))
        self._newest = max(self._newest, revision)
        self._shared.highest = max(self._shared.highest, revision)

    def _choose(self, name: str) -> Callable[[str, str], Awaitable[Obj]]:
        if name not in self._held:
            return self._create
        return self._rng.choice((self._update, self._update_this, self._patch, self._patch_this))

    async def _create(self, name: str, value: str) -> Obj:
        return await self._client.create(self.kind, _body(name, value), NAMESPACE)

    async def _update(self, name: str, value: str) -> Obj:
        return await self._client.replace(self.kind, _body(name, value))

    async def _update_this(self, name: str, value: str) -> Obj:
        return await self._client.replace(self.kind, _body(name, value, resourceVersion=str(self._held[name][0])))

    async def _patch(self, name: str, value: str) -> Obj:
        return await self._client.patch(self.kind, name, {"data": {"v": value}}, NAMESPACE)

    async def _patch_this(self, name: str, value: str) -> Obj:
        meta = {"resourceVersion": str(self._held[name][0])}
        return await self._client.patch(self.kind, name, {"metadata": meta, "data": {"v": value}}, NAMESPACE)

    def back_after(self, moment: float) -> float:
        """How long after `moment` writes were acknowledged again: the end of the longest gap."""
        before = [at for at in self.times if moment - 1 < at <= moment][-1:] or [moment]
        times = [*before, *(at for at in self.times if at > moment)]
        gaps = [(later - earlier, later) for earlier, later in itertools.pairwise(times)]
        return max(gaps)[1] - moment if gaps else float("inf")


def _body(name: str, value: str, **meta: str) -> Obj:
    return {"metadata": {"name": name, "namespace": NAMESPACE, **meta}, "data": {"v": value}}


class Watcher:
    """Follows one kind from a revision on, and resumes from the last one after every break."""

    def __init__(self, shared: Shared, kind: Kind, since: int, seconds: int, rng: random.Random) -> None:
        self._shared = shared
        self.kind = kind
        self._seconds = seconds
        self._rng = rng
        self._clients = [Client(config, timeout=8) for config in shared.configs]
        self.revision = since
        self.events: list[Seen] = []
        self.resumed = -1

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.resumed += 1
            try:
                await self._follow(self._rng.choice(self._clients))
            except Gone as error:
                self._shared.failures.append(f"a watch from {self.revision} can't be resumed: {error}")
                return
            except ClientError as error:
                self._shared.judge(error)
            await asyncio.sleep(self._rng.uniform(0, 0.1))

    async def _follow(self, client: Client) -> None:
        watch = client.watch(self.kind, NAMESPACE, resource_version=str(self.revision), seconds=self._seconds)
        async for event in watch:
            obj = msgspec.json.decode(event.object)
            revision = int(obj["metadata"]["resourceVersion"])
            if event.type == "BOOKMARK":
                if revision < self.revision:
                    self._shared.failures.append(f"a bookmark at {revision} after {self.revision}")
            else:
                self.events.append(Seen(event.type, obj["metadata"]["name"], revision, obj["data"]["v"]))
            self.revision = revision


async def listed(config: Config, kind: Kind, not_older: int) -> tuple[State, int]:
    """What a server lists, and as of when. Raises ClientError."""
    async with Client(config) as client:
        query = {"resourceVersion": str(not_older)}
        found = msgspec.json.decode(await client.raw("GET", url(kind, NAMESPACE), query=query))
    held = {
        obj["metadata"]["name"]: (int(obj["metadata"]["resourceVersion"]), obj["data"]["v"])
        for obj in found["items"]
        if "v" in obj.get("data", {})
    }
    return held, int(found["metadata"]["resourceVersion"])
