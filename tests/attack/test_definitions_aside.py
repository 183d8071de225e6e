"""A CRD of thousands of properties is checked, compiled and told beside the event loop."""

import asyncio
import threading
from typing import Any

import pytest
from bench.growing import kind
from bench.growing.case import CRDS
from tests.attack.runs import counted
from tests.integration.conftest import Core

from starlink.apiserver import aside
from starlink.apiserver.definitions import crd
from starlink.apiserver.requests.discovery import openapi

NAME = kind.DEFINITION["metadata"]["name"]
DOCUMENT = "/openapi/v3/apis/growth.example.com/v1"


def definition(count: int) -> Any:
    return kind.definition(kind.schema(**{f"k{number}": {"type": "string"} for number in range(count)}))


async def test_a_large_schema_is_compiled_and_told_beside_the_loop(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, set[int]] = {"resources": set(), "document": set()}

    def note(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def noted(argument: Any) -> Any:
            if owner is openapi or len(argument) > aside.LARGE:
                threads[name].add(threading.get_ident())
            return original(argument)

        monkeypatch.setattr(owner, name, noted)

    assert (await core("POST", CRDS, definition(10))).status == 201
    assert (await core("GET", DOCUMENT)).status == 200
    note(crd, "resources")
    note(openapi, "document")
    async with counted() as runs:
        changed = await core.merge(f"{CRDS}/{NAME}", {"spec": definition(2_000)["spec"]})
        document = await core("GET", DOCUMENT)
    established = {one["type"]: one["status"] for one in changed.body["status"]["conditions"]}
    assert changed.status == 200 and established == {"NamesAccepted": "True", "Established": "True"}
    assert "k1999" in str(document.body)
    assert all(found and threading.get_ident() not in found for found in threads.values()), threads
    assert runs.longest < 8_000


async def test_the_newest_of_two_schemas_is_served(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that took long to compile does not replace what came after it."""
    assert (await core("POST", CRDS, definition(1))).status == 201
    await asyncio.gather(
        *(core.merge(f"{CRDS}/{NAME}", {"spec": definition(count)["spec"]}) for count in (1_500, 2, 3))
    )
    stored = (await core("GET", f"{CRDS}/{NAME}")).body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for _ in range(500):
        served = core.api.registry.get("growth.example.com", "v1", "widgets")
        if served is not None and served.schema.openapi == stored:
            break
        await asyncio.sleep(0.01)
    assert served is not None and served.schema.openapi == stored
