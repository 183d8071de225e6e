"""An API that a test plays: it holds each request until it is told what to answer."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tests.conftest import soon

from starlink.api.kinds import ASSIGNMENT, BULK_WRITE
from starlink.client.batch import Write
from starlink.client.bulk import Bulk
from starlink.client.config import Config
from starlink.client.connection import Answer
from starlink.client.errors import ApiError
from starlink.client.kube import Client

Obj = dict[str, Any]
OFFERED = {"kind": "APIResourceList", "resources": [{"name": BULK_WRITE.plural, "verbs": ["create"]}]}
NOT_FOUND = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}


@dataclass(eq=False)
class Asked:
    """A request that waits for its answer."""

    method: str
    path: str
    body: Any
    answered: "asyncio.Future[Answer]"

    @property
    def is_discovery(self) -> bool:
        return self.method == "GET" and self.path == BULK_WRITE.path

    @property
    def is_bulk(self) -> bool:
        return self.method == "POST" and self.path == f"{BULK_WRITE.path}/{BULK_WRITE.plural}"

    @property
    def names(self) -> list[str]:
        """Of what is written."""
        if self.is_bulk:
            return [item.get("name") or item["object"]["metadata"]["name"] for item in self.body["items"]]
        return [self.path.split("/")[-2] if self.method == "PATCH" else self.body["metadata"]["name"]]

    def answer(self, status: int, body: Any = None) -> None:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self.answered.set_result(Answer(status, content))

    def fail(self, error: Exception) -> None:
        self.answered.set_exception(error)

    def take(self) -> None:
        """Answers that all of it was done."""
        if self.is_bulk:
            self.answer(200, answered(*[outcome(name) for name in self.names]))
        else:
            self.answer(201, written(*self.names))


def written(name: str, **parts: Any) -> Obj:
    meta = {"namespace": "default", "name": name, "uid": f"uid-{name}"}
    return {"apiVersion": ASSIGNMENT.api_version, "kind": ASSIGNMENT.kind, "metadata": meta, **parts}


def outcome(name: str, code: int = 201) -> Obj:
    return {"code": code, "object": written(name)}


def refusal(code: int, reason: str, message: str = "refused") -> Obj:
    return {"code": code, "object": {"kind": "Status", "code": code, "reason": reason, "message": message}}


def answered(*items: Obj) -> Obj:
    return {"apiVersion": BULK_WRITE.api_version, "kind": BULK_WRITE.kind, "items": list(items)}


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Played(Client):
    """`asked` are all requests so far; `told` the refusals that the hook was told."""

    def __init__(self) -> None:
        self.told: list[ApiError] = []
        super().__init__(Config("http://127.0.0.1:1"), refused=self.told.append)
        self.asked: list[Asked] = []

    async def ask(self, method: str, path: str, *, body: Any = None, **_: Any) -> Answer:
        said = msgspec.json.decode(body) if isinstance(body, bytes) else body
        request = Asked(method, path, said, asyncio.Future())
        self.asked.append(request)
        return await request.answered

    @property
    def out(self) -> list[Asked]:
        """Those that wait."""
        return [one for one in self.asked if not one.answered.done()]


@dataclass
class Site:
    """A Bulk that writes to a played API, and the callers that wait for their writes."""

    api: Played = field(default_factory=Played)
    clock: Clock = field(default_factory=Clock)
    held: list[Exception] = field(default_factory=list)
    singles: int = 6

    def __post_init__(self) -> None:
        held = self.held
        self.bulk = Bulk(
            self.api, ASSIGNMENT, singles=self.singles, now=self.clock, held=lambda: held[0] if held else None
        )

    def create(self, *names: str) -> "list[asyncio.Task[bytes]]":
        metas = [{"namespace": "default", "name": name} for name in names]
        return [asyncio.create_task(self.bulk.create({"metadata": meta}, "default")) for meta in metas]

    def patch(self, name: str, **status: Any) -> "asyncio.Task[bytes]":
        return asyncio.create_task(self.bulk.patch_status(name, {"status": status}, "default"))

    async def requests(self, number: int) -> list[Asked]:
        """The requests that are out, once there are so many, and no more come."""
        await soon(lambda: len(self.api.out) == number, f"{number} requests are out")
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(self.api.out) == number
        return self.api.out

    async def learn(self, *, offered: bool = True) -> None:
        """Has the Bulk ask, of two writes, whether the server takes many in one."""
        writes = self.create("first", "second")
        for request in await self.requests(3):
            if not request.is_discovery:
                request.take()
            elif offered:
                request.answer(200, OFFERED)
            else:
                request.answer(404, NOT_FOUND)
        await asyncio.gather(*writes)
        self.api.asked.clear()


def names(count: int, first: int = 0) -> list[str]:
    return [f"web-{number}" for number in range(first, first + count)]


def write(name: str, content: bytes = b"{}") -> Write:
    return Write("create", "default", name, content)


async def outcomes(writes: "list[asyncio.Task[bytes]]") -> list[Any]:
    """Names of what was written, and types of errors."""
    found = await asyncio.gather(*writes, return_exceptions=True)
    return [
        type(one) if isinstance(one, BaseException) else msgspec.json.decode(one)["metadata"]["name"] for one in found
    ]
