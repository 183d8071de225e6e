"""Whatever a stranger sends is answered with a Status, and never with a 500."""

import contextlib
import logging
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.fuzz.requests import Maker
from tests.profiles import tries

from starlink.apiserver.handler import Api
from starlink.http.message import Parts, Request, Response, Stream, User
from starlink.manifest import load_all

WORLD = Path(__file__).with_name("world.yaml")
ADMIN = User("admin", ("system:masters",))
REQUESTS = tries(4_000)
PARTS = 4


async def get(api: Api, path: str, **query: str) -> Any:
    answer = await api.handle(Request("GET", path, query, {}, b"", ADMIN))
    assert isinstance(answer, Response)
    return msgspec.json.decode(answer.body)


async def documents(api: Api) -> list[Any]:
    """All OpenAPI documents that the server publishes."""
    index = (await get(api, "/openapi/v3"))["paths"]
    return [await get(api, f"/openapi/v3/{name}") for name in sorted(index)]


async def populate(api: Api) -> None:
    """Makes the objects of world.yaml."""
    for obj in load_all(WORLD.read_text(), WORLD.name):
        resource = api.registry.find_kind(obj["apiVersion"], obj["kind"])
        assert resource is not None, obj
        base = f"/apis/{resource.api_version}" if resource.group else "/api/v1"
        within = "/namespaces/default" if resource.namespaced else ""
        body = msgspec.json.encode(obj)
        answer = await api.handle(Request("POST", f"{base}{within}/{resource.plural}", {}, {}, body, ADMIN))
        assert isinstance(answer, Response) and answer.status == 201, answer


@pytest.mark.parametrize("part", range(PARTS))
async def test_bad_requests_are_refused_with_a_status(api: Api, part: int, caplog: pytest.LogCaptureFixture) -> None:
    await populate(api)
    maker = Maker(await documents(api))
    seed = int(os.environ.get("STARLINK_FUZZ_SEED", "7")) * PARTS + part
    print(f"STARLINK_FUZZ_SEED makes seed {seed}")
    refused = 0
    with caplog.at_level(logging.ERROR):
        for number in range(REQUESTS // PARTS):
            request = maker.request(random.Random(f"{seed}/{number}"))
            refused += await is_refused(api, request, f"seed {seed}, request {number}")
            assert not caplog.records, f"seed {seed}, request {number}: {request}: {caplog.text}"
    assert refused > REQUESTS // PARTS // 2  # the rest was well-formed by chance


async def is_refused(api: Api, request: Request, told: str) -> bool:
    answer = await api.handle(request)
    if isinstance(answer, Stream):
        with contextlib.suppress(AttributeError):
            await answer.chunks.aclose()  # type: ignore[attr-defined]
        return False
    if isinstance(answer, Parts):
        return False
    assert answer.status < 500 or answer.status in (503, 504), f"{told}: {answer.status} for {request}: {answer.body!r}"
    if answer.status < 400:
        return False
    if answer.headers["content-type"].startswith("text/plain"):  # of a path that there is not, as the real server
        assert (answer.status, answer.body) == (404, b"404 page not found\n"), told
        return True
    status = msgspec.json.decode(answer.body)
    assert (status["kind"], status["code"], status["status"]) == ("Status", answer.status, "Failure"), told
    assert status["message"] and "Traceback" not in status["message"], told
    return True
