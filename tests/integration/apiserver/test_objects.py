"""Create, read, update, patch and delete, as the real server does them."""

import json
from typing import Any

import pytest
from tests.conftest import soon
from tests.integration.conftest import TASKS, Core, agent, task

from starlink.http.message import ANONYMOUS

STRICT: Any = {"fieldValidation": "Strict"}


def named(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "starlink.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}


async def test_create_fills_in_and_get_gives_it_back(core: Core) -> None:
    made = await core("POST", TASKS, task("web", replicas=2, junk=1))
    assert made.status == 201 and made.headers["warning"] == '299 - "unknown field \\"spec.junk\\""'
    meta = made.body["metadata"]
    assert (meta["generation"], meta["namespace"], len(meta["uid"])) == (1, "default", 36)
    assert made.body["spec"]["type"] == "Service" and "junk" not in made.body["spec"]
    assert (await core("GET", f"{TASKS}/web")).body == made.body
    again = await core("POST", TASKS, task("web"))
    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
    assert again.body["message"] == 'tasks.starlink.dev "web" already exists'


async def test_refusals_say_what_and_where(core: Core) -> None:
    unknown = await core("POST", TASKS, task("web", junk=1), **STRICT)
    assert (unknown.status, 'strict decoding error: unknown field "spec.junk"' in unknown.body["message"]) == (
        400,
        True,
    )
    bad = await core("POST", TASKS, task("Web_1", replicas=-1))
    assert (bad.status, bad.body["reason"]) == (422, "Invalid")
    assert {cause["field"] for cause in bad.body["details"]["causes"]} == {
        "metadata.name", "spec.replicas", ".spec.replicas",
    }  # fmt: skip
    elsewhere = await core("POST", TASKS.replace("default", "nowhere"), task("web"))
    assert elsewhere.body["message"] == 'namespaces "nowhere" not found'
    for body, status in ((b"{", 400), (b"[]", 400), (b"\xff", 400), (task("a") | {"kind": "Pool"}, 422)):
        assert (await core("POST", TASKS, body)).status == status
    assert (await core("POST", TASKS, b"k8s\0", media="application/vnd.kubernetes.protobuf")).status == 415
    assert (await core("GET", f"{TASKS}/none")).body["message"] == 'tasks.starlink.dev "none" not found'
    assert (await core("GET", "/apis/starlink.dev/v1alpha1/nothing")).status == 404
    assert (await core("POST", f"{TASKS}/web")).status == 405
    assert (await core("GET", TASKS)).body["items"] == []


async def test_numbers_are_those_that_a_client_can_read(core: Core) -> None:
    """What Go would not take for an integer is refused, and a whole one is stored without a fraction."""
    asks = {"command": ["run"], "resources": {"requests": {"cpu": 1e99}}}
    for number, refused in (("1e99", True), ("1e18", True), ("99999999999999999999", True), ("2.0", False)):
        body = json.dumps(task("web", replicas=3, template=asks)).replace("1e+99", number)
        answer = await core("POST", TASKS, body.encode())
        assert answer.status == (422 if refused else 201), answer.body
        fields = [cause["field"] for cause in answer.body.get("details", {}).get("causes", ())]
        assert not refused or fields[0].startswith("spec.template.resources.requests")
    stored = await core("GET", f"{TASKS}/web")
    assert repr(stored.body["spec"]["template"]["resources"]["requests"]["cpu"]) == "2"
    for size in (2**31, 99999999999, 1e30):
        refusal = await core.merge(f"{TASKS}/web", {"spec": {"replicas": size}})
        assert (refusal.status, "less than or equal to 1000000000" in refusal.body["message"]) == (422, True)
    assert (await core.merge(f"{TASKS}/web", {"spec": {"replicas": 10**9}})).status == 200


async def test_status_and_spec_have_their_own_ways_in(core: Core) -> None:
    await core("POST", TASKS, task("web") | {"status": {"phase": "Running"}})
    found = (await core("GET", f"{TASKS}/web")).body
    assert "status" not in found
    told = await core.merge(f"{TASKS}/web/status", {"status": {"phase": "Running"}, "spec": {"replicas": 9}})
    assert (told.body["status"]["phase"], "replicas" in told.body["spec"], told.body["metadata"]["generation"]) == (
        "Running",
        False,
        1,
    )
    changed = await core.merge(f"{TASKS}/web", {"spec": {"replicas": 3}, "status": {"phase": "Failed"}})
    assert (changed.body["status"]["phase"], changed.body["metadata"]["generation"]) == ("Running", 2)
    same = await core.merge(f"{TASKS}/web", {"spec": {"replicas": 3}})
    assert same.body["metadata"]["resourceVersion"] == changed.body["metadata"]["resourceVersion"]


async def test_conflicts(core: Core) -> None:
    made = (await core("POST", TASKS, task("web"))).body
    await core.merge(f"{TASKS}/web", {"metadata": {"labels": {"a": "b"}}})
    stale = await core("PUT", f"{TASKS}/web", made)
    assert (stale.status, "the object has been modified" in stale.body["message"]) == (409, True)
    assert (await core.merge(f"{TASKS}/web", {"metadata": {"uid": "other"}})).status == 422
    assert (await core("PUT", f"{TASKS}/web", task("web"))).status == 422
    fresh = (await core("GET", f"{TASKS}/web")).body
    assert (await core("PUT", f"{TASKS}/web", fresh | {"spec": fresh["spec"] | {"replicas": 4}})).status == 200


async def test_json_patches(core: Core) -> None:
    await core("POST", TASKS, task("web", replicas=1))
    media = "application/json-patch+json"
    good = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 2},
    ]
    assert (await core("PATCH", f"{TASKS}/web", good, media=media)).body["spec"]["replicas"] == 2
    assert (await core("PATCH", f"{TASKS}/web", good, media=media)).status == 422
    assert (await core("PATCH", f"{TASKS}/web", [{"op": "no"}], media=media)).status == 422
    assert (await core.merge(f"{TASKS}/web", good)).status == 400
    assert (await core("PATCH", f"{TASKS}/web", {}, media="application/strategic-merge-patch+json")).status == 415


async def test_scale(core: Core) -> None:
    await core("POST", TASKS, task("web", replicas=1))
    await core.merge(f"{TASKS}/web/status", {"status": {"replicas": 1, "selector": "a=b"}})
    scale = (await core("GET", f"{TASKS}/web/scale")).body
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 1},
        {"replicas": 1, "selector": "a=b"},
    )
    assert (await core.merge(f"{TASKS}/web/scale", {"spec": {"replicas": 5}})).body["spec"]["replicas"] == 5
    assert (await core("PUT", f"{TASKS}/web/scale", scale)).status == 409
    assert (await core.merge(f"{TASKS}/web/scale", {"spec": {"replicas": -5}})).status == 422
    assert (await core("GET", f"{TASKS}/web")).body["spec"]["replicas"] == 5


async def test_dry_run_writes_nothing(core: Core) -> None:
    made = await core("POST", TASKS, task("web"), dryRun="All")
    assert made.status == 201 and made.body["spec"]["type"] == "Service"
    assert (await core("GET", f"{TASKS}/web")).status == 404
    assert (await core("POST", TASKS, task("web"), dryRun="Some")).status == 422


async def test_selectors_and_pages(core: Core) -> None:
    for number in range(7):
        body = task(f"t{number}")
        body["metadata"]["labels"] = {"even": str(number % 2 == 0).lower()}
        await core("POST", TASKS, body)

    async def names(**query: Any) -> list[str]:
        return [item["metadata"]["name"] for item in (await core("GET", TASKS, **query)).body["items"]]

    assert await names(labelSelector="even=true") == ["t0", "t2", "t4", "t6"]
    assert await names(labelSelector="even in (false),even") == ["t1", "t3", "t5"]
    assert await names(labelSelector="!even") == []
    assert await names(fieldSelector="metadata.name=t3") == ["t3"]
    assert "supported" in (await core("GET", TASKS, fieldSelector="spec.type=x")).body["message"]
    assert (await core("GET", TASKS, labelSelector="a b c")).status == 400
    first = (await core("GET", TASKS, limit="3")).body
    assert (len(first["items"]), first["metadata"]["remainingItemCount"]) == (3, 4)
    token: Any = {"continue": first["metadata"]["continue"]}
    rest = await core("GET", TASKS, **token)
    assert [i["metadata"]["name"] for i in rest.body["items"]] == ["t3", "t4", "t5", "t6"]
    junk: Any = {"continue": "junk!"}
    assert (await core("GET", TASKS, **junk)).status == 400


async def test_deletion_waits_for_finalizers(core: Core) -> None:
    body = task("web")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    uid = (await core("POST", TASKS, body)).body["metadata"]["uid"]
    assert (await core("DELETE", f"{TASKS}/web", {"preconditions": {"uid": "x"}})).status == 409
    marked = await core("DELETE", f"{TASKS}/web")
    assert marked.body["metadata"]["deletionTimestamp"]
    more = await core.merge(f"{TASKS}/web", {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}})
    assert more.status == 422
    await core.merge(f"{TASKS}/web", {"metadata": {"finalizers": None}})
    assert (await core("GET", f"{TASKS}/web")).status == 404
    await core("POST", TASKS, task("web"))
    gone = await core("DELETE", f"{TASKS}/web")
    assert (gone.body["status"], gone.body["details"]["uid"] != uid) == ("Success", True)


@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
async def test_owners_take_their_dependents_with_them(core: Core, propagation: str) -> None:
    owner = (await core("POST", TASKS, task("owner"))).body["metadata"]
    child = task("child")
    child["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "starlink.dev/v1alpha1",
            "kind": "Task",
            "name": "owner",
            "uid": owner["uid"],
            "blockOwnerDeletion": True,
        }
    ]
    await core("POST", TASKS, child)
    await core("DELETE", f"{TASKS}/owner", {"propagationPolicy": propagation})

    def gone(name: str) -> bool:
        return all(record.key.name != name for record in core.api.store.list("starlink.dev/tasks"))

    await soon(lambda: gone("owner"), "the owner is gone")
    if propagation == "Orphan":
        found = await core("GET", f"{TASKS}/child")
        assert "ownerReferences" not in found.body["metadata"]
    else:
        await soon(lambda: gone("child"), "the child is gone")


async def test_namespaces_empty_before_they_go(core: Core) -> None:
    spaces = "/api/v1/namespaces"
    await core("POST", spaces, {"metadata": {"name": "team"}})
    held = task("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    path = TASKS.replace("default", "team")
    await core("POST", path, held)
    await core("DELETE", f"{spaces}/team")
    assert (await core("GET", f"{spaces}/team")).body["status"]["phase"] == "Terminating"
    refused = await core("POST", path, task("late"))
    assert (refused.status, "being terminated" in refused.body["message"]) == (403, True)
    await core.merge(f"{path}/held", {"metadata": {"finalizers": None}})
    await soon(
        lambda: not [r for r in core.api.store.list("/namespaces") if r.key.name == "team"], "the namespace is gone"
    )
    assert (await core("DELETE", f"{spaces}/default")).status == 403


async def test_a_crd_of_ones_own(core: Core) -> None:
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer", "default": 3}}}},
        "x-kubernetes-validations": [{"rule": "!has(self.spec) || self.spec.size < 10", "message": "too big"}],
    }
    crd = {
        "metadata": {"name": "boxes.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Box", "plural": "boxes"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    made = await core("POST", crds, crd)
    assert {c["type"] for c in made.body["status"]["conditions"]} == {"NamesAccepted", "Established"}
    boxes = "/apis/example.com/v1/namespaces/default/boxes"
    box = {"apiVersion": "example.com/v1", "kind": "Box"}
    assert (await core("POST", boxes, box | {"metadata": {"name": "b"}, "spec": {}})).body["spec"]["size"] == 3
    refused = await core("POST", boxes, box | {"metadata": {"name": "c"}, "spec": {"size": 11}})
    assert "too big" in refused.body["message"]
    schema["x-kubernetes-validations"] = [{"rule": "self.spec.("}]
    broken = await core.merge(f"{crds}/boxes.example.com", {"spec": crd["spec"]})
    assert (broken.status, broken.body["reason"]) == (422, "Invalid")
    await core("DELETE", f"{crds}/boxes.example.com")
    await soon(lambda: core.api.registry.get("example.com", "v1", "boxes") is None, "the kind is gone")
    assert not core.api.store.list("example.com/boxes")


async def test_agents_do_only_what_is_theirs(core: Core) -> None:
    servers, leases = (
        "/apis/starlink.dev/v1alpha1/servers",
        "/apis/coordination.k8s.io/v1/namespaces/starlink-servers/leases",
    )
    assignments = "/apis/starlink.dev/v1alpha1/namespaces/default/assignments"
    me, other = agent("s1"), agent("s2")
    assert (await core("POST", servers, named("Server", "s1"), user=me)).status == 201
    assert (await core("POST", servers, named("Server", "s3"), user=me)).status == 403
    assert (await core.merge(f"{servers}/s1/status", {"status": {"architecture": "amd64"}}, user=me)).status == 200
    for path, patch in ((f"{servers}/s1/status", {"status": {}}), (f"{servers}/s1", {"spec": {"pool": "x"}})):
        assert (await core.merge(path, patch, user=other)).status == 403
    assert (await core.merge(f"{servers}/s1", {"spec": {"pool": "x"}}, user=me)).status == 403
    assert (await core("POST", leases, {"metadata": {"name": "s1"}}, user=me)).status == 201
    assert (await core("POST", leases, {"metadata": {"name": "s2"}}, user=me)).status == 403
    body = {
        **named("Assignment", "a"),
        "spec": {"server": "s1", "slot": "0", "attempt": 1, "template": {"command": ["x"]}},
    }
    assert (await core("POST", assignments, body, user=me)).status == 403
    assert (await core("POST", assignments, body)).status == 201
    assert (await core("GET", assignments, user=me)).status == 403
    assert len((await core("GET", assignments, user=me, fieldSelector="spec.server=s1")).body["items"]) == 1
    assert (await core("GET", assignments, user=other, fieldSelector="spec.server=s1")).status == 403
    report = {"status": {"phase": "Running"}}
    assert (await core.merge(f"{assignments}/a/status", report, user=me)).status == 200
    assert (await core.merge(f"{assignments}/a/status", report, user=other)).status == 403
    assert (await core.merge(f"{assignments}/a", {"spec": {"desired": "Stopped"}}, user=me)).status == 403
    refused = await core("GET", TASKS, user=me)
    assert refused.body["message"].startswith("tasks.starlink.dev is forbidden: User ")
    assert (await core("GET", "/api/v1/namespaces/kube-system", user=me)).status == 200
    assert (await core("GET", "/api/v1/namespaces/default", user=me)).status == 403


async def test_strangers_see_health_version_and_discovery(core: Core) -> None:
    for path in (
        "/healthz",
        "/readyz",
        "/livez",
        "/version",
        "/version/",
        "/api",
        "/apis/",
        "/openapi/v3",
        "/apis/starlink.dev/v1alpha1",
    ):
        assert (await core("GET", path, user=ANONYMOUS)).status == 200, path
    assert (await core("GET", TASKS, user=ANONYMOUS)).status == 403


async def test_an_assignment_never_moves(core: Core) -> None:
    path = "/apis/starlink.dev/v1alpha1/namespaces/default/assignments"
    body = {
        **named("Assignment", "a"),
        "spec": {"server": "s1", "slot": "0", "attempt": 1, "template": {"command": ["x"]}},
    }
    await core("POST", path, body)
    for patch, field in (
        ({"server": "s2"}, "spec.server"),
        ({"attempt": 2}, "spec.slot"),
        ({"template": {"command": ["y"]}}, "spec.template"),
    ):
        refused = await core.merge(f"{path}/a", {"spec": patch})
        assert (refused.status, refused.body["details"]["causes"][0]["field"]) == (422, field)
    assert (await core.merge(f"{path}/a", {"spec": {"desired": "Stopped"}})).status == 200
    assert (await core.merge(f"{path}/a", {"spec": {"desired": "Running"}})).status == 422
