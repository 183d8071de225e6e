"""What means many objects writes them together, and others have their turns in between."""

import datetime
import random
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.attack.runs import counted
from tests.integration.apiserver.test_policies import MAP_RULE, MAPS, binding, config, policy, put_in_force
from tests.integration.conftest import Core

from starlink.apiserver.__main__ import version
from starlink.apiserver.handler import Api
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.objects import many
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.store.base import Event
from starlink.store.sqlite import SqliteStore
from starlink.store.sqlite_file import SqliteFile

MANY = 300
NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
async def on_disk(tmp_path: Path) -> AsyncIterator[Core]:
    pki = Pki(tmp_path, datetime.datetime.now(datetime.UTC))
    store, tokens = SqliteStore(tmp_path / "s.db"), TokenIssuer(pki.token_key)
    authenticator = Authenticator(tokens, encoding.finder(store), time.time)
    made = Api(
        store, Registry(builtin_resources()), tokens, authenticate=authenticator.of_token,
        version=version(), now=time.time, clock=time.monotonic, rng=random.Random(1),
    )  # fmt: skip
    await made.start()
    yield Core(made)
    await made.stop()


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many deletions each commit holds."""
    found: list[int] = []
    commit = SqliteFile.commit

    def noted(file: SqliteFile, events: Sequence[Event]) -> None:
        found.append(sum(event.change == "DELETE" for event in events))
        commit(file, events)

    monkeypatch.setattr(SqliteFile, "commit", noted)
    return found


async def fill(core: Core, path: str, count: int = MANY) -> None:
    async def make(number: int) -> None:
        made = await core("POST", path, config(f"k{number:04}"))
        assert made.status == 201, made.body

    await many.for_each(range(count), make)


async def test_a_collection_is_deleted_in_few_commits(on_disk: Core, groups: list[int]) -> None:
    await fill(on_disk, MAPS)
    groups.clear()
    gone = await on_disk("DELETE", MAPS)
    assert gone.status == 200 and len(gone.body["items"]) == MANY
    assert (await on_disk("GET", MAPS)).body["items"] == []
    assert sum(groups) == MANY and len(groups) < MANY / 4
    assert max(groups) <= many.AT_ONCE


async def test_a_namespace_is_emptied_in_few_commits(on_disk: Core, groups: list[int]) -> None:
    assert (await on_disk("POST", NAMESPACES, {"metadata": {"name": "ns"}})).status == 201
    await fill(on_disk, f"{NAMESPACES}/ns/configmaps")
    groups.clear()
    told = await on_disk.watch(NAMESPACES, resourceVersion=str(on_disk.api.store.revision))
    assert (await on_disk("DELETE", f"{NAMESPACES}/ns")).status == 200
    async for event in told:
        if event["type"] == "DELETED":
            break
    assert sum(groups) > MANY and len(groups) < MANY / 4


async def test_others_have_turns_while_a_collection_is_deleted(core: Core) -> None:
    await fill(core, MAPS, 1_500)
    async with counted() as runs:
        assert (await core("DELETE", MAPS)).status == 200
    assert runs.longest < 40 * 1_000, "some forty deletions"


async def test_finalizers_hold_what_they_hold(core: Core) -> None:
    await fill(core, MAPS, 50)
    held = {"metadata": {"finalizers": ["a.b/c"]}}
    assert (await core.merge(f"{MAPS}/k0007", held)).status == 200
    assert (await core("DELETE", MAPS)).status == 200
    (left,) = (await core("GET", MAPS)).body["items"]
    assert left["metadata"]["name"] == "k0007" and left["metadata"]["deletionTimestamp"]


async def test_the_first_refusal_is_the_answer(core: Core) -> None:
    """What was deleted before it stays deleted, and nothing is begun after it."""
    await fill(core, MAPS, 200)
    await put_in_force(core, policy("object != null || oldObject.metadata.name != 'k0050'", rule=MAP_RULE), binding())
    refused = await core("DELETE", MAPS)
    assert refused.status == 422 and refused.body["details"]["name"] == "k0050"
    left = [one["metadata"]["name"] for one in (await core("GET", MAPS)).body["items"]]
    assert left[0] == "k0050" and 200 - 50 - many.AT_ONCE <= len(left) <= 200 - 50


async def test_what_goes_meanwhile_is_passed_over(core: Core) -> None:
    await fill(core, MAPS, 100)

    async def at_once(path: str) -> None:
        assert (await core("DELETE", path)).status in (200, 404)

    await many.for_each([MAPS, *(f"{MAPS}/k{number:04}" for number in range(100)), MAPS], at_once)
    assert (await core("GET", MAPS)).body["items"] == []
