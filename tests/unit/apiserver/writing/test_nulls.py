"""null in a map of text is read as empty text, as Go reads it, and a merge takes it for a deletion."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.core import core
from bench.growing.case import APPLY, CONFIG_MAPS, JSON, JSON_PATCH, MERGE, SECRETS, STRATEGIC, YAML, named, send

from starlink.http.message import Response

MAPS = {"labels": {"tier": None, "app": "x"}, "annotations": {"note": None}}


async def sent(folder: Path, *requests: Any) -> Any:
    """The last answer's object."""
    body = b""
    async with core(folder) as api:
        for request in requests:
            answer = await api.handle(request)
            assert isinstance(answer, Response) and answer.status < 300, answer
            body = answer.body
    return msgspec.json.decode(body)


@pytest.mark.parametrize(("method", "media"), [("POST", JSON), ("POST", YAML), ("PATCH", APPLY)])
async def test_null_is_empty_text(tmp_path: Path, method: str, media: str) -> None:
    obj = named("ConfigMap", data={"a": None, "b": "c"}, metadata=MAPS)
    path = CONFIG_MAPS if method == "POST" else f"{CONFIG_MAPS}/x"
    found = await sent(tmp_path, send(method, path, obj, media, fieldManager="m"))
    assert found["data"] == {"a": "", "b": "c"}
    assert (found["metadata"]["labels"], found["metadata"]["annotations"]) == ({"tier": "", "app": "x"}, {"note": ""})


async def test_null_in_a_secret_is_nothing(tmp_path: Path) -> None:
    found = await sent(tmp_path, send("POST", SECRETS, named("Secret", data={"a": None}, stringData={"b": None})))
    assert found["data"] == {"a": "", "b": ""}


@pytest.mark.parametrize("media", [MERGE, STRATEGIC])
async def test_a_merge_deletes_by_null(tmp_path: Path, media: str) -> None:
    first = send("POST", CONFIG_MAPS, named("ConfigMap", data={"a": "b", "c": "d"}))
    patch = send("PATCH", f"{CONFIG_MAPS}/x", {"data": {"a": None, "z": None}}, media)
    assert (await sent(tmp_path, first, patch))["data"] == {"c": "d"}


async def test_a_json_patch_adds_null_as_empty_text(tmp_path: Path) -> None:
    first = send("POST", CONFIG_MAPS, named("ConfigMap", data={"c": "d"}))
    patch = [{"op": "add", "path": "/data/a", "value": None}]
    assert (await sent(tmp_path, first, send("PATCH", f"{CONFIG_MAPS}/x", patch, JSON_PATCH)))["data"]["a"] == ""
