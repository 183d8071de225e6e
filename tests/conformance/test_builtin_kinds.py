"""What built-in kinds take and refuse beyond what their schemas say, as Go reads and checks them."""

import base64
from typing import Any

import pytest
from tests.conformance.conftest import CRDS, JSON_PATCH, STRATEGIC, Crds, Http, causes, configmap, configmaps

Obj = dict[str, Any]

DRY = {"dryRun": "All"}
NAMESPACES = "/api/v1/namespaces"
RBAC = "rbac.authorization.k8s.io"
SUBJECT = {"kind": "User", "name": "u", "apiGroup": RBAC}
ROLE_REF = {"apiGroup": RBAC, "kind": "Role", "name": "x"}


def slices(namespace: str) -> str:
    return f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


def leases(namespace: str, name: str = "") -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases" + (f"/{name}" if name else "")


def revisions(namespace: str, name: str = "") -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/controllerrevisions" + (f"/{name}" if name else "")


def named(name: str, **fields: Any) -> Obj:
    return {"metadata": {"name": name}, **fields}


# Types


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (NAMESPACES, {"spec": 0}),
        (NAMESPACES, {"spec": {"finalizers": 0}}),
        (NAMESPACES, {"status": "x"}),
        (NAMESPACES, {"metadata": {"name": "n", "namespace": 1}}),
        (f"/apis/{RBAC}/v1/namespaces/default/rolebindings", {"roleRef": ROLE_REF, "subjects": [{**SUBJECT, "apiGroup": {}}]}),
        (f"/apis/{RBAC}/v1/clusterrolebindings", {"roleRef": ROLE_REF, "subjects": [{**SUBJECT, "apiGroup": False}]}),
        (leases("default"), {"spec": {"leaseTransitions": 1.0}}),
        (configmaps("default"), {"metadata": {"name": "n", "generation": 1.0}}),
    ],
    ids=lambda given: str(given)[-40:],
)  # fmt: skip
def test_another_type_is_refused(http: Http, path: str, fields: Obj) -> None:
    http.post(path, {**named("n"), **fields}, **DRY).fails(400, "BadRequest")


def test_a_patch_makes_no_whole_number_of_one_with_a_fraction(http: Http, namespace: str) -> None:
    http.post(leases(namespace), named("a", spec={"leaseTransitions": 1})).expect(201)
    http.patch(leases(namespace, "a"), {"spec": {"leaseTransitions": 1.0}}).fails(422, "Invalid")
    http.patch(leases(namespace, "a"), {"metadata": {"generation": 1.0}}).fails(422, "Invalid")
    http.patch(leases(namespace, "a"), {"spec": {"leaseTransitions": 2}}).expect(200)


def test_an_empty_kind_is_none_at_all(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), {**configmap("a"), "kind": None}, **DRY).expect(201)
    http.post(configmaps(namespace), configmap("a")).expect(201)
    http.patch(configmaps(namespace, "a"), {"kind": ""}, **DRY).expect(200)
    http.put(configmaps(namespace, "a"), {**configmap("a"), "kind": False}, **DRY).fails(400, "BadRequest")


# Owners


def test_the_data_of_a_revision_is_one_field(http: Http, namespace: str) -> None:
    http.post(revisions(namespace), named("a", data={"a": 1, "b": 2}, revision=1)).expect(201)
    other = {"apiVersion": "apps/v1", "kind": "ControllerRevision", **named("a", data={"a": 1}, revision=1)}
    refused = http.apply(revisions(namespace, "a"), other).fails(409, "Conflict")
    assert list(causes(refused)) == [".data"]


def test_conflicts_are_told_before_another_version(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a", {"k": "v"})).expect(201)
    for meta in ({"resourceVersion": "1"}, {"uid": "00000000-0000-0000-0000-000000000000"}):
        refused = http.apply(configmaps(namespace, "a"), configmap("a", {"k": "w"}, **meta)).fails(409, "Conflict")
        assert list(causes(refused)) == [".data.k"]


def test_what_was_a_map_leaves_no_owners_of_its_keys(http: Http, namespace: str, crd: Crds) -> None:
    loose = {"type": "object", "properties": {"any": {"x-kubernetes-preserve-unknown-fields": True}}}
    made = crd({"type": "object", "properties": {"spec": loose}})
    http.post(made.path(namespace), made.obj("a", spec={"any": {"x": 1}}), fieldManager="first").expect(201)
    after = http.apply(made.path(namespace, "a"), made.obj("a", spec={"any": "text"}), force=True).expect(200)
    owned = {entry["manager"]: entry["fieldsV1"].get("f:spec", {}) for entry in after["metadata"]["managedFields"]}
    assert "f:any" not in owned["first"]
    assert owned["conformance"]["f:any"] == {}


# Deletion


def test_an_empty_propagation_policy_is_refused(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a")).expect(201)
    refused = http.delete(configmaps(namespace, "a"), propagationPolicy="").fails(422, "Invalid")
    assert list(causes(refused)) == ["propagationPolicy"]
    http.get(configmaps(namespace, "a")).expect(200)


@pytest.mark.parametrize("group", ["/api/v1", "/apis/events.k8s.io/v1"])
def test_nothing_holds_an_event(http: Http, namespace: str, group: str) -> None:
    event = named("a", involvedObject={"kind": "X", "name": "x", "namespace": namespace}, reason="R")
    http.post(f"/api/v1/namespaces/{namespace}/events", event).expect(201)
    path = f"{group}/namespaces/{namespace}/events/a"
    gone = http.delete(path, propagationPolicy="Foreground").expect(200)
    assert (gone["kind"], gone["status"]) == ("Status", "Success")
    assert http.get(path).status == 404


# Namespaces


def test_a_namespace_is_held_by_names_with_a_domain(http: Http) -> None:
    refused = http.post(NAMESPACES, named("n", spec={"finalizers": ["a b"]}), **DRY).fails(422, "Invalid")
    assert list(causes(refused)) == ["spec.finalizers"]
    made = http.post(NAMESPACES, named("n", spec={"finalizers": ["example.com/x"]}), **DRY).expect(201)
    assert made["spec"]["finalizers"] == ["example.com/x", "kubernetes"]


def test_the_phase_of_a_namespace_is_that_of_its_life(http: Http, namespace: str) -> None:
    now = http.get(f"{NAMESPACES}/{namespace}").expect(200)
    path = f"{NAMESPACES}/{namespace}/status"
    refused = http.put(path, {**now, "status": {"phase": "Terminating"}}).fails(422, "Invalid")
    assert list(causes(refused)) == ["status.Phase"]
    http.put(path, now).expect(200)


def test_a_status_of_a_namespace_brings_metadata(http: Http, namespace: str) -> None:
    now = http.get(f"{NAMESPACES}/{namespace}").expect(200)
    now["metadata"]["labels"] = {"a": "b"}
    after = http.put(f"{NAMESPACES}/{namespace}/status", now).expect(200)
    assert after["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": namespace}
    assert after["metadata"]["uid"] == now["metadata"]["uid"]


def test_who_made_a_namespace_owns_its_name_label(http: Http, namespace: str) -> None:
    name = f"{namespace}-named"
    http.post(NAMESPACES, named(name)).expect(201)
    label = {"kubernetes.io/metadata.name": "other"}
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": label}}
    refused = http.apply(f"{NAMESPACES}/{name}", other)
    http.delete(f"{NAMESPACES}/{name}").expect(200)
    assert list(causes(refused.fails(409, "Conflict"))) == [".metadata.labels.kubernetes.io/metadata.name"]


def test_namespaces_are_selected_by_their_phase(http: Http, namespace: str) -> None:
    active = http.get(NAMESPACES, fieldSelector="status.phase=Active").expect(200)
    assert namespace in [one["metadata"]["name"] for one in active["items"]]
    assert http.get(NAMESPACES, fieldSelector="status.phase=Other").expect(200)["items"] == []


# Other kinds


@pytest.mark.parametrize(
    ("kind", "address", "wrong"),
    [
        ("IPv4", "10.0.0.1", 0), ("IPv4", "010.0.0.1", 0), ("IPv4", "::ffff:10.0.0.1", 0), ("IPv4", "x", 2), ("IPv4", "fd00::1", 1),
        ("IPv4", "127.0.0.1", 1), ("IPv4", "0.0.0.0", 1), ("IPv4", "169.254.1.1", 1), ("IPv4", "224.0.0.1", 1), ("IPv4", "224.1.0.1", 0),
        ("IPv6", "fd00::1", 0), ("IPv6", "::1", 1), ("IPv6", "ff02::1", 1), ("IPv6", "fe80::1%eth0", 2),
        ("FQDN", "a.b", 0), ("FQDN", "a.b.", 0), ("FQDN", "a", 1), ("FQDN", "", 1), ("FQDN", "A.b", 1), ("FQDN", f"{'x' * 64}.a", 1),
    ],
)  # fmt: skip
def test_addresses_of_an_endpoint(http: Http, namespace: str, kind: str, address: str, wrong: int) -> None:
    made = http.post(slices(namespace), named("a", addressType=kind, endpoints=[{"addresses": [address]}]), **DRY)
    told = [] if made.status == 201 else made.fails(422, "Invalid")["details"]["causes"]
    assert [one["field"] for one in told] == ["endpoints[0].addresses[0]"] * wrong


def test_an_address_may_be_said_twice(http: Http, namespace: str) -> None:
    twice = named("a", addressType="IPv4", endpoints=[{"addresses": ["10.0.0.1", "10.0.0.1"]}])
    made = http.post(slices(namespace), twice, **DRY).expect(201)
    assert made["endpoints"][0]["addresses"] == ["10.0.0.1", "10.0.0.1"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [({"leaseDurationSeconds": 0}, "spec.leaseDurationSeconds"), ({"leaseTransitions": -1}, "spec.leaseTransitions")],
)
def test_numbers_of_a_lease(http: Http, namespace: str, spec: Obj, field: str) -> None:
    assert list(causes(http.post(leases(namespace), named("a", spec=spec)).fails(422, "Invalid"))) == [field]


def test_a_revision_has_data_and_may_have_no_number(http: Http, namespace: str) -> None:
    assert list(causes(http.post(revisions(namespace), named("a", revision=1), **DRY).fails(422, "Invalid"))) == [
        "data"
    ]
    wrong = http.post(revisions(namespace), named("a", data={}, revision=-1), **DRY).fails(422, "Invalid")
    assert list(causes(wrong)) == ["revision"]
    assert http.post(revisions(namespace), named("a", data={}), **DRY).expect(201)["revision"] == 0


def test_times_are_written_in_utc(http: Http, namespace: str) -> None:
    renewed = {"renewTime": "2026-01-02T03:04:05.000006+02:00"}
    made = http.post(leases(namespace), named("a", spec=renewed)).expect(201)
    assert made["spec"]["renewTime"] == "2026-01-02T01:04:05.000006Z"
    event = named("a", involvedObject={"namespace": namespace}, firstTimestamp="2026-01-02T03:04:05.5+02:00")
    made = http.post(f"/api/v1/namespaces/{namespace}/events", event, **DRY).expect(201)
    assert made["firstTimestamp"] == "2026-01-02T01:04:05Z"


def test_base64_is_written_in_one_line(http: Http, namespace: str) -> None:
    secret = named("a", data={"k": base64.encodebytes(b"x" * 60).decode()})
    made = http.post(f"/api/v1/namespaces/{namespace}/secrets", secret, **DRY).expect(201)
    assert made["data"]["k"] == base64.b64encode(b"x" * 60).decode()


@pytest.mark.parametrize("content", ["no json", "[]", '{"auths":', "null", '{"auths": {}}'])
@pytest.mark.parametrize("key", [".dockercfg", ".dockerconfigjson"])
def test_credentials_of_registries_are_json_objects(http: Http, namespace: str, key: str, content: str) -> None:
    secret = {
        "metadata": {"generateName": "registry-"},
        "type": f"kubernetes.io/{key[1:]}",
        "stringData": {key: content},
    }
    answer = http.post(f"/api/v1/namespaces/{namespace}/secrets", secret, **DRY)
    if content in ("null", '{"auths": {}}'):
        answer.expect(201)
        return
    refused = answer.fails(422, "Invalid")
    assert set(causes(refused)) == {f"data[{key}]"}
    assert "<secret contents redacted>" in refused["message"] and content not in refused["message"]


def test_secrets_are_selected_by_type(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    http.post(path, named("a", type="example.com/x")).expect(201)
    http.post(path, named("b")).expect(201)
    found = http.get(path, fieldSelector="type=example.com/x").expect(200)
    assert [one["metadata"]["name"] for one in found["items"]] == ["a"]


def test_an_account_may_name_a_secret_twice(http: Http, namespace: str) -> None:
    account = named("a", secrets=[{"name": "s"}, {"name": "s"}])
    made = http.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", account, **DRY).expect(201)
    assert made["secrets"] == [{"name": "s"}, {"name": "s"}]


def test_events_have_names_of_one_segment(http: Http, namespace: str) -> None:
    path, about = f"/api/v1/namespaces/{namespace}/events", {"namespace": namespace}
    http.post(path, named("A_b", involvedObject=about), **DRY).expect(201)
    http.post(path, named("a%b", involvedObject=about), **DRY).fails(422, "Invalid")


# Patches


def test_a_strategic_merge_keeps_twins_where_nothing_was(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a")).expect(201)
    twice = {"metadata": {"finalizers": ["example.com/x", "example.com/x"]}}
    made = http.patch(configmaps(namespace, "a"), twice, STRATEGIC, **DRY).expect(200)
    assert made["metadata"]["finalizers"] == ["example.com/x", "example.com/x"]


def test_null_in_a_list_of_a_merge_patch_is_nothing(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    http.post(path, named("a", secrets=[{"name": "r"}])).expect(201)
    patch = {"secrets": [{"name": "s", "unknown": None}]}
    made = http.patch(f"{path}/a", patch, fieldValidation="Strict").expect(200)
    assert made["secrets"] == [{"name": "s"}]


# Definitions of kinds


def test_a_column_lies_below_the_root(http: Http, crd: Crds) -> None:
    column = {"name": "C", "type": "string", "jsonPath": "x"}
    refused = http.post(CRDS, crd.draft(additionalPrinterColumns=[column]), **DRY).fails(422, "Invalid")
    assert list(causes(refused)) == ["spec.additionalPrinterColumns[0].JSONPath"]


def test_a_definition_without_its_status_is_given_a_blank_one(http: Http, crd: Crds) -> None:
    made = crd()
    now = http.get(made.definition).expect(200)
    del now["status"]
    after = http.put(f"{made.definition}/status", now, **DRY).expect(200)
    assert after["status"] == {
        "conditions": None,
        "acceptedNames": {"kind": "", "plural": ""},
        "storedVersions": ["v1"],
    }


# Warnings, and numbers


OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}


@pytest.fixture
def open_kind(crd: Crds) -> Any:
    fields = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "any": {"x-kubernetes-preserve-unknown-fields": True}},
    }
    schema = {"type": "object", "properties": {"spec": fields, "status": {"type": "object"}}}
    return crd(schema, subresources={"status": {}})


def test_unknown_fields_of_a_new_status_are_told(http: Http, namespace: str, open_kind: Any) -> None:
    made = http.post(open_kind.path(namespace), open_kind.obj("a", status={"x": 1}))
    assert "status" not in made.expect(201)
    assert made.warnings == ['unknown field "status.x"']


def test_who_is_refused_is_told_unknown_fields_of_a_patch(http: Http, namespace: str, open_kind: Any) -> None:
    http.post(open_kind.path(namespace), open_kind.obj("a", spec={"n": 1})).expect(201)
    refused = http.patch(open_kind.path(namespace, "a"), {"spec": {"n": {"a": "b"}}})
    refused.fails(422, "Invalid")
    assert refused.warnings == ['unknown field "spec.n.a"']


def test_who_applies_is_told_of_names_without_a_domain(http: Http, namespace: str, open_kind: Any) -> None:
    http.post(open_kind.path(namespace), open_kind.obj("a")).expect(201)
    held = open_kind.obj("a", metadata={"finalizers": ["x"]})
    told = http.apply(open_kind.path(namespace, "a"), held, **DRY).warnings
    assert [text.partition(":")[0] for text in told] == ["metadata.finalizers"]


def test_owners_that_a_patch_names_twice(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a")).expect(201)
    made = http.patch(configmaps(namespace, "a"), {"metadata": {"ownerReferences": [OWNER, OWNER]}}, **DRY)
    assert made.expect(200)["metadata"]["ownerReferences"] == [OWNER]
    assert [" after mutating admission happens" in text for text in made.warnings] == [True]


def test_numbers_that_go_can_not_hold_are_rounded(http: Http, namespace: str, open_kind: Any) -> None:
    made = http.post(open_kind.path(namespace), open_kind.obj("a", spec={"any": [2**63, 2**63 - 1]}), **DRY).expect(201)
    assert made["spec"]["any"] == [9223372036854776000, 2**63 - 1]
    refused = http.post(open_kind.path(namespace), open_kind.obj("a", spec={"n": 2**63}), **DRY).fails(422, "Invalid")
    assert list(causes(refused)) == ["spec.n"]


def test_true_in_place_of_one_is_another_generation(http: Http, namespace: str, open_kind: Any) -> None:
    http.post(open_kind.path(namespace), open_kind.obj("a", spec={"any": [1]})).expect(201)
    replaced = [{"op": "replace", "path": "/spec/any/0", "value": True}]
    after = http.patch(open_kind.path(namespace, "a"), replaced, JSON_PATCH).expect(200)
    assert after["metadata"]["generation"] == 2
