"""CRDs of many projects: read at a restart, compiled when they are used, and bounded in what they take."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests import crd_modules
from tests.integration.conftest import Core
from tests.tools import CRDS as OF_PROJECTS

from starlink.apiserver.definitions import stored
from starlink.apiserver.definitions.lifecycle import Definitions
from starlink.apiserver.memo import Recent
from starlink.apiserver.requests.discovery import openapi
from starlink.apiserver.validation.compiled import StructuralSchema

Obj = dict[str, Any]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TEXT: Obj = {"type": "string", "description": "A text. " * 20}


def definition(plural: str, **properties: Obj) -> Obj:
    schema: Obj = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    served = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "kind": plural.capitalize()}
    spec = {"group": "many.example.com", "scope": "Cluster", "names": names, "versions": [served]}
    meta = {"name": f"{plural}.many.example.com"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}


def obj(plural: str, spec: Any, name: str = "a") -> Obj:
    meta = {"name": name}
    return {"apiVersion": "many.example.com/v1", "kind": plural.capitalize(), "metadata": meta, "spec": spec}


def path(plural: str) -> str:
    return f"/apis/many.example.com/v1/{plural}"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often a schema was compiled, by the fields of its spec; nothing is compiled at the beginning."""
    counts: Counter[str] = Counter()
    compile_ = StructuralSchema.compile

    def counted(schema: StructuralSchema) -> None:
        spec = schema.openapi["properties"].get("spec", {})
        counts[",".join(spec.get("properties", {}))] += 1
        compile_(schema)

    monkeypatch.setattr(StructuralSchema, "compile", counted)
    monkeypatch.setattr(stored, "_shelf", Recent(stored.ROOM))
    yield counts


async def restarted(core: Core) -> None:
    """Reads the CRDs as a start does, with nothing compiled."""
    stored._shelf = Recent(stored.ROOM)
    for resource in core.api.registry.all():
        if resource.custom:
            core.api.registry.remove(resource.group, resource.plural)
    await Definitions(core.api.objects, core.api.registry).load()


async def test_each_is_compiled_once_and_none_at_a_restart(core: Core, compiled: Counter[str]) -> None:
    for plural in ("ones", "twos"):
        assert (await core("POST", CRDS, definition(plural, **{plural: TEXT}))).status == 201
        assert (await core("POST", path(plural), obj(plural, {plural: "x"}))).status == 201
    assert compiled == {"ones": 1, "twos": 1}
    compiled.clear()
    await restarted(core)
    assert (await core("GET", path("ones"))).body["items"] and (await core("GET", "/openapi/v3")).status == 200
    assert (await core("GET", "/apis")).status == 200 and compiled == {}
    for name in ("b", "c"):
        assert (await core("POST", path("ones"), obj("ones", {"ones": "x"}, name))).status == 201
    refused = await core("POST", path("ones"), obj("ones", {"ones": 1}, "d"))
    assert refused.body["details"]["causes"][0]["field"] == "spec.ones"
    assert compiled == {"ones": 1}


async def test_what_an_older_schema_let_in_is_read_by_todays(core: Core, compiled: Counter[str]) -> None:
    assert (await core("POST", CRDS, definition("ones", a=TEXT))).status == 201
    assert (await core("POST", path("ones"), obj("ones", {"a": "x"}))).status == 201
    newer = definition("ones", b={"type": "string", "default": "y"})["spec"]
    assert (await core.merge(f"{CRDS}/ones.many.example.com", {"spec": newer})).status == 200
    await restarted(core)
    assert (await core("GET", f"{path('ones')}/a")).body["spec"] == {"b": "y"}
    assert (await core("GET", path("ones"))).body["items"][0]["spec"] == {"b": "y"}


async def test_what_was_used_longest_ago_gives_way(
    core: Core, compiled: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_shelf", Recent(400))
    plurals = [f"kind{letter}s" for letter in "abcdefgh"]
    for plural in plurals:
        assert (await core("POST", CRDS, definition(plural, **{plural: TEXT}))).status == 201
    assert stored._shelf.size <= 400 and 0 < len(stored._shelf) < len(plurals)
    compiled.clear()
    for plural in plurals:
        assert (await core("POST", path(plural), obj(plural, {plural: "x"}))).status == 201
    assert set(compiled) == set(plurals) and stored._shelf.size <= 400


async def test_documents_are_made_when_they_are_read_and_not_all_kept(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    document = openapi.document

    def noted(resources: Any) -> Any:
        made.append(len(resources))
        return document(resources)

    monkeypatch.setattr(openapi, "document", noted)
    index = msgspec.json.decode((await core("GET", "/openapi/v3")).body)["paths"]
    assert made == []
    told = index["apis/starlink.dev/v1alpha1"]["serverRelativeURL"].partition("?hash=")
    for _ in range(2):
        assert (await core("GET", told[0], hash=told[2])).status == 200
    assert len(made) == 1
    monkeypatch.setattr(core.api._pages._openapi, "_bodies", Recent(10))
    assert (await core("GET", "/openapi/v3/apis/apps/v1")).status == 200
    assert (await core("GET", told[0])).status == 200 and len(made) == 3
    assert (await core("POST", CRDS, definition("ones", a=TEXT))).status == 201
    changed = msgspec.json.decode((await core("GET", "/openapi/v3")).body)["paths"]
    assert {name for name in changed if changed[name] != index.get(name)} == {"apis/many.example.com/v1"}


async def test_those_of_well_known_projects(core: Core, compiled: Counter[str], tmp_path: Path) -> None:
    """All are served and used, and what they take stays within its bounds."""
    assert Path(OF_PROJECTS.path()).is_dir()
    definitions = crd_modules.definitions()
    assert len(definitions) > 50
    for one in definitions:
        answer = await core("POST", CRDS, one)
        assert answer.status == 201, answer.body
        conditions = {cond["type"]: cond["status"] for cond in answer.body["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert stored._shelf.size <= stored.ROOM
    compiled.clear()
    await restarted(core)
    assert not compiled
    for one in definitions:
        spec = one["spec"]
        where = "/namespaces/default" if spec["scope"] == "Namespaced" else ""
        for version in (found["name"] for found in spec["versions"] if found["served"]):
            api_version = f"{spec['group']}/{version}"
            body = {"apiVersion": api_version, "kind": spec["names"]["kind"], "metadata": {"name": "a"}, "spec": 1}
            answer = await core(
                "POST", f"/apis/{api_version}{where}/{spec['names']['plural']}", json.dumps(body).encode()
            )
            assert answer.status in (201, 422), answer.body
    assert stored._shelf.size <= stored.ROOM and max(compiled.values()) < len(definitions)
