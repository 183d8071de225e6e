"""Pages of a list, which are of one moment for as long as that is remembered."""

import pytest

from starlink.api.errors import StatusError
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.requests.reading import listing
from starlink.apiserver.resources import selectors
from starlink.store.base import Key
from starlink.store.memory import MemoryStore

CONFIG_MAPS = next(resource for resource in builtin_resources() if resource.kind == "ConfigMap")
EVERYTHING = selectors.parse(CONFIG_MAPS, "", "")


async def put(store: MemoryStore, *names: str) -> None:
    for name in names:
        await store.put(Key("/configmaps", "ns", name), b"{}", expect=0)


def page(store: MemoryStore, limit: int, token: str = "") -> listing.Page:
    return listing.page(listing.take(store, CONFIG_MAPS, "ns", token), CONFIG_MAPS, EVERYTHING, limit)


def page_at(store: MemoryStore, limit: int, revision: int) -> listing.Page:
    return listing.page(listing.take_at(store, CONFIG_MAPS, "ns", revision), CONFIG_MAPS, EVERYTHING, limit)


def names(part: listing.Page) -> list[str]:
    return [record.key.name for record in part.records]


async def test_pages_are_of_the_first_ones_moment() -> None:
    store = MemoryStore()
    await put(store, "a", "b", "d", "e")
    first = page(store, 1)
    await put(store, "c")
    second = page(store, 2, first.continue_)
    assert (names(second), second.remaining, second.resource_version) == (["b", "d"], 1, first.resource_version)
    assert names(page(store, 2, second.continue_)) == ["e"]


async def test_what_is_forgotten_goes_on_with_what_is_there() -> None:
    store = MemoryStore(kept=2)
    await put(store, "a", "b", "d")
    first = page(store, 1)
    await put(store, "c", "e", "f")
    with pytest.raises(StatusError) as refused:
        page(store, 1, first.continue_)
    status = refused.value.status()
    assert (status["code"], status["reason"]) == (410, "Expired")
    assert status["message"].startswith(
        "The provided continue parameter is too old to display a consistent list result."
    )
    rest = page(store, 0, status["metadata"]["continue"])
    assert (names(rest), rest.resource_version) == (["b", "c", "d", "e", "f"], store.revision)


async def test_exactly_a_version() -> None:
    store = MemoryStore(kept=2)
    await put(store, "a", "b", "c")
    found = page_at(store, 1, 2)
    assert (names(found), found.resource_version, found.remaining) == (["a"], 2, 1)
    await put(store, "d", "e", "f")
    with pytest.raises(StatusError, match="The resourceVersion for the provided list is too old"):
        page_at(store, 0, 2)


@pytest.mark.parametrize("token", ["nonsense", "WzFd", "e30="])
def test_tokens_that_are_none(token: str) -> None:
    with pytest.raises(StatusError, match="continue key is not valid"):
        page(MemoryStore(), 1, token)
