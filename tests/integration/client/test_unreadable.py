"""What a cache can't read is not gone: by list, watch and relist, for every kind, in spec and status."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.crds import shipped

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import ASSIGNMENT, POOL, SERVER, STARLINK_KINDS, TASK, Kind
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.reading import Decoder
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.client.cache import Cache
from starlink.client.kube import Client
from starlink_operator.interning import AssignmentDecoder

Obj = dict[str, Any]
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
VIEWS: dict[Kind, type[Object]] = {TASK: Task, ASSIGNMENT: Assignment, POOL: Pool, SERVER: Server}
SPECS: dict[Kind, Obj] = {
    TASK: {"template": {"command": ["run"]}},
    ASSIGNMENT: {"server": "s1", "slot": "0", "attempt": 1, "template": {}},
    POOL: {"selector": {"zone": "a"}},
    SERVER: {"pool": "p"},
}
CASES = [
    (TASK, "spec", {"servers": 7}), (TASK, "status", {"completedSlots": 7}),
    (ASSIGNMENT, "spec", {"template": {"command": 7}}), (ASSIGNMENT, "status", {"phase": []}),
    (POOL, "spec", {"selector": "all"}), (POOL, "status", {"servers": "many"}),
    (SERVER, "spec", {"taints": 7}), (SERVER, "status", {"allocatable": "much"}),
]  # fmt: skip
READERS = [(*case, None) for case in CASES] + [
    (ASSIGNMENT, "spec", {"template": []}, AssignmentDecoder()),
    (ASSIGNMENT, "status", {"conditions": "well"}, AssignmentDecoder()),
]


class Site:
    """One kind, whose objects the API takes as they are, and a cache of it."""

    def __init__(self, client: Client, kind: Kind, decoder: Decoder[Any] | None) -> None:
        self.client, self.kind = client, kind
        self.key = ObjectKey("default" if kind.namespaced else "", "odd")
        clock = asyncio.get_running_loop().time
        self.cache: Cache[Any] = Cache(client, kind, VIEWS[kind], now=clock, jitter=lambda: 1.0, decoder=decoder)
        self.told: list[Change[Any]] = []
        self.cache.subscribe(self.told.append)

    async def open(self) -> None:
        definition = shipped(self.kind.plural)
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema.pop("x-kubernetes-validations", None)
        parts = schema["properties"]
        server = {"properties": {"server": {"type": "string"}}} if self.kind is ASSIGNMENT else {}
        parts["spec"], parts["status"] = {**ANYTHING, **server}, ANYTHING
        await self.client.patch(
            CRD, definition["metadata"]["name"], {"spec": {"versions": definition["spec"]["versions"]}}
        )

    async def create(self, name: str, *parts: tuple[str, Obj]) -> None:
        spec = copy.deepcopy(SPECS[self.kind])
        for part, broken in parts:
            if part == "spec":
                spec |= broken
        await self.client.create(self.kind, {"metadata": {"name": name}, "spec": spec}, self.key.namespace)
        for part, broken in parts:
            if part == "status":
                await self.patch(name, part, broken)

    async def patch(self, name: str, part: str, changed: Obj) -> None:
        subresource = part if part == "status" else ""
        await self.client.patch(self.kind, name, {part: changed}, self.key.namespace, subresource=subresource)

    @property
    def odd(self) -> Any:
        return self.cache.objects.get(self.key)

    def is_unreadable(self) -> bool:
        found = self.odd is not None and self.odd.unreadable is not None
        assert self.cache.unreadable == ({self.key: self.odd.unreadable.why} if found else {})
        return found


@pytest.fixture
async def site(client: Client, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    kind, _, _, decoder = request.param
    made = Site(client, kind, decoder)
    await made.open()
    yield made


each = pytest.mark.parametrize(
    ("site", "part", "broken"),
    [(one, one[1], one[2]) for one in READERS],
    indirect=["site"],
    ids=[f"{kind.plural}-{part}{'-lean' if decoder else ''}" for kind, part, _, decoder in READERS],
)


def test_every_kind_is_tried_in_spec_and_status() -> None:
    assert {(kind, part) for kind, part, _ in CASES} == {
        (kind, p) for kind in STARLINK_KINDS for p in ("spec", "status")
    }


@each
async def test_a_list_brings_it(site: Site, part: str, broken: Obj) -> None:
    """As after a restart: nobody read it before."""
    await site.create("odd", (part, broken))
    await site.create("well")
    await site.cache.refresh()
    assert {key.name for key in site.cache.objects} == {"odd", "well"}
    assert site.is_unreadable() and site.odd.unreadable.why.startswith(f"{part}.{next(iter(broken))}")
    assert site.odd.uid and int(site.odd.metadata.resource_version) > 0
    assert all(change.new is not None for change in site.told)


@each
async def test_a_relist_does_not_take_it_for_gone(site: Site, part: str, broken: Obj) -> None:
    await site.create("odd")
    await site.cache.refresh()
    before = site.odd
    await site.patch("odd", part, broken)
    await site.cache.refresh()
    assert site.is_unreadable() and site.odd.uid == before.uid
    assert not site.odd.unreadable.missing, "it was read before"
    assert [(change.old is None, change.new is None) for change in site.told] == [(True, False), (False, False)]
    await site.client.delete(site.kind, "odd", site.key.namespace)
    await site.cache.refresh()
    assert site.odd is None, "what the API says is gone is gone"


@each
async def test_a_watch_brings_it_and_goes_on(site: Site, part: str, broken: Obj) -> None:
    running = asyncio.create_task(site.cache.run())
    try:
        await site.cache.synced()
        await site.create("odd")
        await site.patch("odd", part, broken)
        await soon(site.is_unreadable, "the watch tells that it can't be read")
        await site.create("well")
        await soon(lambda: len(site.cache.objects) == 2, "the others are followed")
        await site.patch("odd", part, dict.fromkeys(broken))
        await site.patch("odd", "spec", SPECS[site.kind])
        await soon(lambda: not site.is_unreadable(), "it is read again")
        await site.patch("odd", part, broken)
        await soon(site.is_unreadable, "and can't be read again")
        await site.client.delete(site.kind, "odd", site.key.namespace)
        await soon(lambda: site.odd is None, "it is gone once it is deleted")
        assert site.cache.lists == 1, "nothing had to be listed anew"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_ones_own_write_to_it_is_taken(client: Client) -> None:
    site = Site(client, TASK, None)
    await site.open()
    await site.create("odd", ("status", {"completedSlots": 7}))
    await site.cache.refresh()
    written = await client.patch(TASK, "odd", {"status": {"phase": "x"}}, "default", subresource="status")
    site.cache.overlay(msgspec.json.encode(written))
    assert site.is_unreadable() and site.odd.status.phase == "x"


async def test_what_a_subscriber_raises_troubles_no_other(client: Client) -> None:
    site = Site(client, TASK, None)

    def broken(_: Change[Any]) -> None:
        raise ValueError("a secret")

    later: list[Change[Any]] = []
    site.cache.subscribe(broken)
    site.cache.subscribe(later.append)
    await site.create("odd")
    await site.create("well")
    await site.cache.refresh()
    assert len(later) == 2
