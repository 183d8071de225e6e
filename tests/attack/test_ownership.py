"""Owners are what a reference names, at its place: nobody's reference holds, frees or deletes what is not its owner's."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.core import ADMIN, core
from tests.conftest import soon

from starlink.apiserver.handler import Api
from starlink.http.message import Request, Response, User

EVE = User("eve", ("system:authenticated",))
POOLS = "/apis/starlink.dev/v1alpha1/pools"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MERGE = "application/merge-patch+json"
Obj = dict[str, Any]
POOL: Obj = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Pool", "spec": {}}


def maps(namespace: str = "team") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with core(tmp_path) as made:
        for name in ("team", "other"):
            await ask(made, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        binding = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}
        body = {"metadata": {"name": "eve"}, "roleRef": binding, "subjects": [subject]}
        assert (await ask(made, "POST", f"{RBAC}/namespaces/team/rolebindings", body))[0] == 201
        yield made


async def ask(
    api: Api, method: str, path: str, body: Any = None, user: User = ADMIN, media: str = "application/json"
) -> tuple[int, Obj]:
    raw = b"" if body is None else msgspec.json.encode(body)
    answer = await api.handle(Request(method, path, {}, {"content-type": media}, raw, user))
    assert isinstance(answer, Response)
    return answer.status, msgspec.json.decode(answer.body)


async def made(api: Api, path: str, name: str, *owners: Obj, user: User = ADMIN, **more: Any) -> Obj:
    body = {"metadata": {"name": name, "ownerReferences": list(owners)}, **more}
    status, obj = await ask(api, "POST", path, body, user)
    assert status == 201, obj
    return obj


def refers(obj: Obj, **other: Any) -> Obj:
    meta = obj["metadata"]
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": meta["name"], "uid": meta["uid"], **other}


async def there(api: Api, path: str) -> bool:
    return (await ask(api, "GET", path))[0] == 200


async def collected(api: Api) -> None:
    """What was due before has been looked at: an object that is collected for sure is gone."""
    owner = await made(api, maps("other"), "marker-owner")
    await made(api, maps("other"), "marker", refers(owner))
    await ask(api, "DELETE", f"{maps('other')}/marker-owner")
    marker = api.registry.get("", "v1", "configmaps")
    assert marker is not None
    await soon(lambda: not api.objects.exists(marker, "other", "marker"), "the garbage collector")


async def events(api: Api, namespace: str, name: str) -> list[str]:
    found = (await ask(api, "GET", f"/api/v1/namespaces/{namespace}/events"))[1]["items"]
    return [event["message"] for event in found if event["involvedObject"]["name"] == name]


async def test_an_owner_is_what_is_at_its_place(api: Api) -> None:
    owner = await made(api, maps(), "owner")
    for number, other in enumerate(({}, {"name": "none"}, {"kind": "Secret"}, {"uid": "another"})):
        await made(api, maps(), f"m{number}", refers(owner, **other))
    await collected(api)
    assert [await there(api, f"{maps()}/m{number}") for number in range(4)] == [True, False, False, False]


async def test_an_owner_that_cannot_be_resolved_is_kept_and_all_with_it(api: Api) -> None:
    unknown = {"apiVersion": "example.com/v1", "kind": "Gadget", "name": "g", "uid": "u"}
    gone = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "v"}
    await made(api, maps(), "alone", unknown)
    await made(api, maps(), "both", unknown, gone)
    await collected(api)
    for name, owners in (("alone", [unknown]), ("both", [unknown, gone])):
        assert (await ask(api, "GET", f"{maps()}/{name}"))[1]["metadata"]["ownerReferences"] == owners
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}},
    }  # fmt: skip
    names = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    assert (await ask(api, "POST", CRDS, {"metadata": {"name": "gadgets.example.com"}, "spec": spec}))[0] == 201
    await collected(api)
    assert not await there(api, f"{maps()}/alone") and not await there(api, f"{maps()}/both")


async def test_an_owner_elsewhere_is_none_and_is_told(api: Api) -> None:
    foreign = await made(api, maps("other"), "owner")
    good = await made(api, maps(), "good")
    await made(api, maps(), "one", refers(foreign))
    await made(api, maps(), "two", refers(foreign), refers(good))
    await made(api, POOLS, "pool", refers(good), **POOL)
    await collected(api)
    assert not await there(api, f"{maps()}/one")
    assert (await ask(api, "GET", f"{maps()}/two"))[1]["metadata"]["ownerReferences"] == [refers(good)]
    assert (await ask(api, "GET", f"{POOLS}/pool"))[1]["metadata"]["ownerReferences"] == [refers(good)]
    uid = foreign["metadata"]["uid"]
    words = f'ownerRef [v1/ConfigMap, namespace: team, name: owner, uid: {uid}] does not exist in namespace "team"'
    assert await events(api, "team", "one") == [words] and await events(api, "team", "two") == [words]
    assert [message.endswith('in namespace ""') for message in await events(api, "default", "pool")] == [True]
    await ask(api, "DELETE", f"{maps()}/good")
    await collected(api)
    assert await there(api, f"{POOLS}/pool") and not await there(api, f"{maps()}/two")


@pytest.mark.parametrize("propagation", ["Foreground", "Orphan"])
async def test_a_stranger_neither_holds_an_object_nor_goes_with_it(api: Api, propagation: str) -> None:
    pool = await made(api, POOLS, "pool", **POOL)
    secret = await made(api, "/api/v1/namespaces/other/secrets", "s")
    for number, owner in enumerate(
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": pool["metadata"]["uid"]},
            {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": secret["metadata"]["uid"]},
        )
    ):
        meta = {"name": f"m{number}", "finalizers": ["a/b"], "ownerReferences": [{**owner, "blockOwnerDeletion": True}]}
        assert (await ask(api, "POST", maps(), {"metadata": meta}, EVE))[0] == 201
    for path in (f"{POOLS}/pool", "/api/v1/namespaces/other/secrets/s"):
        await ask(api, "DELETE", path, {"propagationPolicy": propagation})
    await collected(api)
    assert not await there(api, f"{POOLS}/pool") and not await there(api, "/api/v1/namespaces/other/secrets/s")


async def test_who_may_not_hold_an_owner_may_not_say_that_it_is_held(api: Api) -> None:
    pool = await made(api, POOLS, "pool", **POOL)
    blocking = refers(pool, blockOwnerDeletion=True)
    status, told = await ask(api, "POST", maps(), {"metadata": {"name": "m", "ownerReferences": [blocking]}}, EVE)
    assert status == 403 and "cannot set blockOwnerDeletion" in told["message"]
    await made(api, maps(), "m", refers(pool), user=EVE)
    patch = {"metadata": {"ownerReferences": [blocking]}}
    assert (await ask(api, "PATCH", f"{maps()}/m", patch, EVE, MERGE))[0] == 403
    assert (await ask(api, "PATCH", f"{maps()}/m", patch, ADMIN, MERGE))[0] == 200
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert (await ask(api, "PATCH", f"{maps()}/m", labels, EVE, MERGE))[0] == 200  # what is there stays
    own = await made(api, maps(), "own", user=EVE)
    await made(api, maps(), "child", refers(own, blockOwnerDeletion=True), user=EVE)
