"""A body of more values than one call may read is refused before it is read, and no text is taken for values."""

from typing import Any

import pytest
from bench.growing import kind, messages
from bench.growing.case import (
    APPLY,
    CONFIG_MAPS,
    JSON,
    JSON_PATCH,
    MERGE,
    PROTOBUF,
    REVISIONS,
    WIDGETS,
    YAML,
    named,
    send,
)
from tests.attack.prepared import api as api
from tests.attack.prepared import ask

from starlink.apiserver.handler import Api
from starlink.apiserver.requests import bodies
from starlink.apiserver.validation.values import MAX_VALUES
from starlink.store.base import Key

LIMIT = f"is too large: limit is {MAX_VALUES} names and values"
BODY = 3 * 1024 * 1024


def config_map(data: bytes) -> bytes:
    return b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{' + data + b"}}"


KEYS = config_map(b",".join(b'"k%d":"v"' % i for i in range(MAX_VALUES // 2)))
LISTS = b'{"a":[' + b",".join([b"[]"] * (BODY // 3 - 10)) + b"]}"
OPERATIONS = b'[{"op":"add","path":"/a","value":[' + b",".join([b"1"] * MAX_VALUES) + b"]}]"
MANY_FIELDS = messages.envelope("ConfigMap", messages.field(1, messages.field(12, b"") * (MAX_VALUES + 1)))
RAW = b"[" + b",".join([b"1"] * (MAX_VALUES // 2)) + b"]"
MANY_RAWS = messages.envelope(
    "ConfigMap", messages.field(1, messages.field(17, messages.field(7, messages.field(1, RAW))) * 3)
)


@pytest.mark.parametrize(
    ("method", "body", "media"),
    [
        ("POST", KEYS, JSON),
        ("POST", KEYS, YAML),
        ("POST", LISTS, JSON),
        ("PUT", KEYS, JSON),
        ("PATCH", KEYS, APPLY),
        ("PATCH", KEYS, MERGE),
        ("PATCH", OPERATIONS, JSON_PATCH),
        ("DELETE", KEYS, JSON),
        ("POST", MANY_FIELDS, PROTOBUF),
        ("POST", MANY_RAWS, PROTOBUF),
    ],
    ids=[
        "keys", "keys as YAML", "lists", "update", "apply", "merge", "operations", "delete", "fields", "raw JSON",
    ],
)  # fmt: skip
async def test_a_body_of_too_many_values_is_not_read(
    api: Api, method: str, body: bytes, media: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_decoder", None)
    monkeypatch.setattr(bodies, "_any_decoder", None)
    path = CONFIG_MAPS if method == "POST" else f"{CONFIG_MAPS}/x"
    status, told = await ask(api, send(method, path, body, media, fieldManager="m"))
    assert (status, told["reason"]) == (413, "RequestEntityTooLarge") and told["message"].endswith(LIMIT)


@pytest.mark.parametrize(
    "text",
    ['{"a": [1, {"b": 2}], "c": "\\\\"}\n' * 30_000, "," * 900_000, "[" * 900_000, '\\"' * 250_000, "7," * 400_000],
    ids=["JSON", "commas", "brackets", "quotes", "digits"],
)
async def test_a_long_text_is_no_values(api: Api, text: str) -> None:
    text = text[: 1024 * 1024]
    for media in (JSON, YAML):
        status, told = await ask(api, send("POST", CONFIG_MAPS, named("ConfigMap", data={"k": text}), media))
        assert status == 201 and told["data"]["k"] == text
        await ask(api, send("DELETE", f"{CONFIG_MAPS}/x"))


async def test_as_many_values_as_are_allowed_are_read(api: Api) -> None:
    free = {"list": list(range(MAX_VALUES - 100))}
    status, told = await ask(api, send("POST", WIDGETS, kind.widget(free=free)))
    assert status == 201 and told["spec"]["free"] == free


async def test_no_patch_after_patch_makes_an_object_of_too_many_values(api: Api) -> None:
    part = [1] * (MAX_VALUES // 3)
    assert (await ask(api, send("POST", WIDGETS, kind.widget(free={}))))[0] == 201
    told: list[tuple[int, Any]] = []
    for name in "abc":
        told.append(await ask(api, send("PATCH", f"{WIDGETS}/x", {"spec": {"free": {name: part}}}, MERGE)))
    assert [status for status, _ in told] == [200, 200, 413]
    assert LIMIT in told[-1][1]["message"]
    _, kept = await ask(api, send("GET", f"{WIDGETS}/x"))
    assert set(kept["spec"]["free"]) == {"a", "b"}


async def test_what_has_too_many_values_since_an_earlier_version_is_not_locked(api: Api) -> None:
    """Its finalizers go, and so does it."""
    data = ",".join(["1"] * (2 * MAX_VALUES))
    meta = '{"name":"old","namespace":"default","uid":"u","finalizers":["a/b"]}'
    body = f'{{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{meta},"data":{{"list":[{data}]}},"revision":1}}'
    await api.objects.store.put(Key("apps/controllerrevisions", "default", "old"), body.encode(), expect=0)
    assert (await ask(api, send("DELETE", f"{REVISIONS}/old")))[0] == 200
    status, told = await ask(api, send("PATCH", f"{REVISIONS}/old", {"metadata": {"finalizers": None}}, MERGE))
    assert status == 200, told
    assert (await ask(api, send("GET", f"{REVISIONS}/old")))[0] == 404
