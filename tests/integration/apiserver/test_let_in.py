"""Objects of built-in kinds that other rules let in, as those of an older StarLink: they can be labelled, and go."""

import json
from typing import Any

import pytest
from tests.integration.conftest import Core

from starlink.store.base import Key

Obj = dict[str, Any]
HOLD = "example.com/hold"
META: Obj = {
    "uid": "6b0e3a3e-0000-4000-8000-000000000000", "creationTimestamp": "2026-01-01T00:00:00Z",
    "finalizers": [HOLD, "not qualified"], "labels": {"a b": "c d"}, "annotations": {"a b": "c"},
    "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}],
}  # fmt: skip
KINDS: dict[str, tuple[str, str, str, str, Obj]] = {
    "Secret without its keys": ("", "v1", "secrets", "Secret", {"type": "kubernetes.io/tls", "data": {"a b": "Zg=="}}),
    "Secret of no base64": ("", "v1", "secrets", "Secret", {"type": "Opaque", "data": {"a": "?"}}),
    "token of nobody": ("", "v1", "secrets", "Secret", {"type": "kubernetes.io/service-account-token"}),
    "ConfigMap": ("", "v1", "configmaps", "ConfigMap", {"data": {"a b": "c"}, "binaryData": {"x": "?"}}),
    "ConfigMap of another type": ("", "v1", "configmaps", "ConfigMap", {"data": {"a": 1}, "immutable": "yes"}),
    "Event": ("", "v1", "events", "Event", {"involvedObject": {"namespace": "other"}, "count": "x"}),
    "Role": ("rbac.authorization.k8s.io", "v1", "roles", "Role", {"rules": [{"verbs": []}]}),
    "Lease": ("coordination.k8s.io", "v1", "leases", "Lease", {"spec": {"leaseDurationSeconds": -1, "renewTime": 3}}),
}


@pytest.mark.parametrize("case", KINDS)
async def test_it_is_labelled_and_goes(core: Core, case: str) -> None:
    group, version, plural, kind, fields = KINDS[case]
    api_version = f"{group}/{version}" if group else version
    meta = {"name": "x", "namespace": "default", **META}
    body = json.dumps({"apiVersion": api_version, "kind": kind, "metadata": meta, **fields}).encode()
    await core.api.store.put(Key(f"{group}/{plural}", "default", "x"), body, expect=0)
    path = f"/{'apis' if group else 'api'}/{api_version}/namespaces/default/{plural}/x"
    labelled = await core.merge(path, {"metadata": {"labels": {"good": "yes"}}})
    assert labelled.status == 200, labelled.body
    assert labelled.body["metadata"]["labels"] == {"a b": "c d", "good": "yes"}
    refused = await core.merge(path, {"metadata": {"labels": {"bad key": "yes"}}})
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == ["metadata.labels"]
    assert (await core("DELETE", path)).status == 200
    freed = await core.merge(path, {"metadata": {"finalizers": None}})
    assert freed.status == 200, freed.body
    assert (await core("GET", path)).status == 404


async def test_what_an_object_had_right_may_not_go_wrong(core: Core) -> None:
    path = "/api/v1/namespaces/default/secrets"
    meta: Obj = {"name": "x", "annotations": {"kubernetes.io/service-account.name": "default"}}
    made: Obj = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/service-account-token"}
    assert (await core("POST", path, made)).status == 201
    refused = await core.merge(f"{path}/x", {"metadata": {"annotations": None}})
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == [
        "metadata.annotations[kubernetes.io/service-account.name]"
    ]
