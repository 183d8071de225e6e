"""What an agent's read of a Secret costs does not grow with the assignments of others."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.attack.runs import counted
from tests.integration.conftest import Core, agent

from starlink.apiserver.resources import encoding
from starlink.apiserver.security.authorization.agent_writes import ASSIGNMENTS
from starlink.apiserver.security.authorization.assignments import Assignments
from starlink.store.base import Key, Record
from starlink.store.memory import MemoryStore

SECRETS = "/api/v1/namespaces/default/secrets"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
MANY = 3_000
FEW = 3_000
"""Calls that nobody notices."""


def assignment(name: str, server: str, *secrets: str, maps: tuple[str, ...] = ()) -> bytes:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}} for secret in secrets]
    env += [{"name": "B", "valueFrom": {"configMapKeyRef": {"name": one, "key": "k"}}} for one in maps]
    spec = {"server": server, "task": "t", "attempt": 1, "slot": "1", "template": {"command": ["a"], "env": env}}
    meta = {"name": name, "namespace": "default", "uid": name}
    obj = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Assignment", "metadata": meta, "spec": spec}
    return msgspec.json.encode(obj)


@pytest.fixture
async def decoded(core: Core, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The assignments that are decoded, in their order; many of them are there."""
    await put(core.api.store, assignment, MANY)
    names, raw = list[str](), encoding.raw

    def noted(record: Record) -> Any:
        if record.key.resource == ASSIGNMENTS:
            names.append(record.key.name)
        return raw(record)

    monkeypatch.setattr(encoding, "raw", noted)
    return names


async def put(store: Any, make: Callable[..., bytes], count: int) -> None:
    for number in range(count):
        body = make(f"a{number}", f"s{number % 100}", f"secret{number}")
        await store.put(Key(ASSIGNMENTS, "default", f"a{number}"), body, expect=0)


async def test_only_its_own_servers_are_looked_into_and_once(core: Core, decoded: list[str]) -> None:
    await core("GET", f"{SECRETS}/none", user=agent("s7"))
    async with counted() as runs:
        assert (await core("GET", f"{SECRETS}/none", user=agent("s7"))).status == 403
    assert runs.longest < FEW
    assert (await core("GET", f"{SECRETS}/secret107", user=agent("s7"))).status == 404, "referred, and not there"
    attributes = {"verb": "get", "resource": "secrets", "namespace": "default", "name": "secret8"}
    review = await core("POST", REVIEWS, {"spec": {"resourceAttributes": attributes}}, user=agent("s7"))
    assert review.body["status"]["allowed"] is False
    assert sorted(decoded) == sorted(f"a{number}" for number in range(MANY) if number % 100 == 7)


async def test_a_change_of_one_has_one_read_again(core: Core, decoded: list[str]) -> None:
    await core("GET", f"{SECRETS}/none", user=agent("s7"))
    decoded.clear()
    store = core.api.store
    record = store.get(Key(ASSIGNMENTS, "default", "a7"))
    assert record is not None
    await store.put(record.key, assignment("a7", "s7", "other", maps=("m",)), expect=record.revision)
    async with counted() as runs:
        assert (await core("GET", f"{SECRETS}/other", user=agent("s7"))).status == 404
    assert runs.longest < FEW and decoded == ["a7"]
    assert (await core("GET", f"{SECRETS}/secret7", user=agent("s7"))).status == 403
    assert (await core("GET", f"{SECRETS.replace('secrets', 'configmaps')}/m", user=agent("s7"))).status == 404
    assert (await core("GET", f"{SECRETS}/m", user=agent("s7"))).status == 403


async def test_what_is_gone_or_moved_gives_nothing() -> None:
    store = MemoryStore()
    await store.open()
    await put(store, assignment, 3)
    known = Assignments(store)
    asked = ("s1", "secrets", "default", "secret1")
    assert known.refer(*asked) and not known.refer("s1", "secrets", "other", "secret1")
    moved = store.get(Key(ASSIGNMENTS, "default", "a1"))
    assert moved is not None
    await store.put(moved.key, assignment("a1", "s2", "secret1"), expect=moved.revision)
    assert not known.refer(*asked) and known.refer("s2", *asked[1:])
    last = store.get(moved.key)
    assert last is not None
    await store.delete(last.key, expect=last.revision)
    assert not known.refer("s2", *asked[1:])


async def test_one_that_is_no_object_is_its_own_trouble() -> None:
    store = MemoryStore()
    await store.open()
    bodies = (b"not JSON", b"[]", b"{}", b'{"spec":{}}', b'{"spec":{"server":"s0"}}', b'{"spec":{"server":7}}')
    for number, body in enumerate(bodies):
        await store.put(Key(ASSIGNMENTS, "default", f"bad{number}"), body, expect=0)
    await put(store, assignment, 1)
    assert Assignments(store).refer("s0", "secrets", "default", "secret0")


async def test_a_long_absence_is_caught_up_with() -> None:
    """More has happened than the store keeps events of."""
    store = MemoryStore(kept=10)
    await store.open()
    await put(store, assignment, 2)
    known = Assignments(store)
    assert known.refer("s1", "secrets", "default", "secret1")
    kept = known._all[Key(ASSIGNMENTS, "default", "a1")]
    for number in range(50):
        await store.put(Key(ASSIGNMENTS, "default", f"b{number}"), assignment("b", "s1", f"late{number}"), expect=0)
    record = store.get(Key(ASSIGNMENTS, "default", "a0"))
    assert record is not None
    await store.delete(record.key, expect=record.revision)
    assert known.refer("s1", "secrets", "default", "late49")
    assert not known.refer("s0", "secrets", "default", "secret0")
    assert known._all[Key(ASSIGNMENTS, "default", "a1")] is kept, "what is still the same is not read again"
