"""Many writes at once, over the wire: each has its own verdict, whether they go in one request or not."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from tests.integration.client.cutting import BEFORE_THE_ANSWER, IN_THE_ANSWER, IN_THE_REQUEST, Cut, cutting
from tests.integration.conftest import Wire
from tests.kube.control_plane import ControlPlane

from starlink.api.kinds import ASSIGNMENT, BULK_WRITE
from starlink.client.bulk import Bulk
from starlink.client.config import Config
from starlink.client.connection import Answer
from starlink.client.errors import ApiError, Unreachable
from starlink.client.kube import Client

MANY = 120
NAMES = [f"web-{number}" for number in range(MANY)]
NO_BULK = {
    "kind": "Status",
    "code": 404,
    "reason": "NotFound",
    "message": "the server could not find the requested resource",
}

Obj = dict[str, Any]


class Counting(Client):
    """Counts requests: those of one write, of many, and those that ask whether many are taken. Without `bulk` it is as
    if the server took none."""

    def __init__(self, config: Config, *, bulk: bool = True) -> None:
        self.told: list[ApiError] = []
        super().__init__(config, refused=self.told.append)
        self.bulk = bulk
        self.sent: Counter[str] = Counter()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = {},
        body: Any = None,
    ) -> Answer:
        of_bulk = path.startswith(BULK_WRITE.path)
        self.sent["asked" if of_bulk and method == "GET" else "many" if of_bulk else "one"] += 1
        if of_bulk and not self.bulk:
            return Answer(404, msgspec.json.encode(NO_BULK))
        return await super().ask(method, path, query=query, headers=headers, body=body)


@pytest.fixture
async def counting(wire: Wire) -> AsyncIterator[Counting]:
    async with Counting(wire.config()) as made:
        yield made


def assignment(name: str, **spec: Any) -> Obj:
    body = {"server": "s1", "slot": "0", "attempt": 1, "desired": "Running", "template": {"command": ["run"]}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": body | spec}


def bulk(client: Client) -> Bulk:
    return Bulk(client, ASSIGNMENT, singles=8)


async def created(client: Client, names: Sequence[str] = NAMES, **spec: Any) -> list[Any]:
    """What each creation gives: an object, or an error."""
    writes = bulk(client)
    results = await asyncio.gather(
        *(writes.create(assignment(name, **spec), "default") for name in names), return_exceptions=True
    )
    return [msgspec.json.decode(one) if isinstance(one, bytes) else one for one in results]


async def stored(client: Client) -> dict[str, Obj]:
    listing = await client.list(ASSIGNMENT, "default")
    return {found["metadata"]["name"]: found for found in map(msgspec.json.decode, listing.items)}


def errors(results: Sequence[Any]) -> dict[int, str]:
    return {number: type(one).__name__ for number, one in enumerate(results) if isinstance(one, BaseException)}


@pytest.mark.on_both
async def test_what_is_created_is_what_is_answered(counting: Counting, elsewhere: ControlPlane | None) -> None:
    results = await created(counting)
    assert {one["metadata"]["name"]: one for one in results} == await stored(counting)
    assert counting.sent["asked"] == 1 and counting.told == []
    if elsewhere is None:
        assert counting.sent["many"] >= 1 and counting.sent["one"] < MANY / 2
    else:
        assert counting.sent["many"] == 0, "Kubernetes takes no such request, and none is tried"


@pytest.mark.on_both
async def test_each_has_its_own_verdict(counting: Counting) -> None:
    writes = bulk(counting)
    await writes.create(assignment("web-3"), "default")
    odd = [assignment(name) for name in NAMES]
    odd[7]["spec"]["attempt"] = "many"
    odd[9]["spec"]["server"] = ""
    odd[11]["metadata"]["namespace"] = "elsewhere"
    told = len(counting.told)
    results = await asyncio.gather(
        *(writes.create(one, one["metadata"]["namespace"]) for one in odd), return_exceptions=True
    )
    assert errors(results) == {3: "AlreadyExists", 7: "Invalid", 9: "Invalid", 11: "NotFound"}
    assert (
        "spec.attempt" in str(results[7])
        and "spec.server" in str(results[9])
        and 'namespaces "elsewhere"' in str(results[11])
    )
    assert sorted(type(one).__name__ for one in counting.told[told:]) == [
        "AlreadyExists",
        "Invalid",
        "Invalid",
        "NotFound",
    ]
    assert len(await stored(counting)) == MANY - 3


@pytest.mark.on_both
async def test_statuses_are_patched_at_their_version(counting: Counting) -> None:
    before = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in await created(counting)}
    before["web-5"] = str(int(before["web-5"]) - 1)
    await counting.delete(ASSIGNMENT, "web-6", "default")
    writes = bulk(counting)

    async def patched(name: str) -> bytes:
        patch = {"metadata": {"resourceVersion": before[name]}, "status": {"phase": "Running", "ready": True}}
        return await writes.patch_status(name, patch, "default")

    results = await asyncio.gather(*map(patched, NAMES), return_exceptions=True)
    assert errors(results) == {5: "Conflict", 6: "NotFound"}
    found = await stored(counting)
    assert {name for name, one in found.items() if one.get("status", {}).get("ready")} == {*NAMES} - {"web-5", "web-6"}
    assert isinstance(results[8], bytes) and msgspec.json.decode(results[8]) == found["web-8"]


@pytest.mark.parametrize("cut", [IN_THE_REQUEST, BEFORE_THE_ANSWER, IN_THE_ANSWER])
async def test_of_a_lost_connection_each_hears_and_the_next_try_finds_what_was_done(
    wire: Wire, client: Client, cut: Cut
) -> None:
    async with cutting(wire.port) as way, Counting(Wire(way.port, wire.pki).config()) as mine:
        writes = bulk(mine)
        await asyncio.gather(*(writes.create(assignment(f"first-{number}"), "default") for number in range(3)))
        way.cuts = [cut]
        names = [*NAMES]
        for _ in range(3):
            results = await asyncio.gather(
                *(writes.create(assignment(name), "default") for name in names), return_exceptions=True
            )
            assert set(errors(results).values()) <= {"Unreachable", "AlreadyExists"}
            names = [name for name, result in zip(names, results, strict=True) if isinstance(result, Unreachable)]
    assert names == [] and way.lost == 1
    assert {*NAMES} < {*await stored(client)}
