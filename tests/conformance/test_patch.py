"""The patch formats, but for server-side apply."""

import uuid
from typing import Any

import pytest
from tests.conformance.conftest import JSON_PATCH, MERGE, STRATEGIC, Crds, Http, causes, configmap, configmaps

Obj = dict[str, Any]


@pytest.fixture
def path(http: Http, namespace: str) -> str:
    """The path of a ConfigMap."""
    http.post(configmaps(namespace), configmap("a", {"k": "v", "l": "w"}, labels={"app": "x"})).expect(201)
    return configmaps(namespace, "a")


def json_patch(http: Http, path: str, *operations: Obj, **query: Any) -> Any:
    return http.patch(path, list(operations), JSON_PATCH, **query)


def test_merge(http: Http, path: str) -> None:
    patched = http.patch(path, {"data": {"k": None, "m": "x"}, "metadata": {"labels": {"a": "b"}}}).expect(200)
    assert patched["data"] == {"l": "w", "m": "x"}
    assert patched["metadata"]["labels"] == {"app": "x", "a": "b"}
    assert "data" not in http.patch(path, {"data": None}).expect(200)


def test_merge_replaces_lists(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a", spec={"list": [1, 2], "deep": {"a": 1, "b": 2}})).expect(201)
    patched = http.patch(widgets.path(namespace, "a"), {"spec": {"list": [3], "deep": {"a": None, "c": 3}}}).expect(200)
    assert patched["spec"] == {"list": [3], "deep": {"b": 2, "c": 3}}


def test_a_list_is_no_merge_patch(http: Http, namespace: str, crd: Crds, path: str) -> None:
    operations = [{"op": "replace", "path": "/data/k", "value": "x"}]
    http.patch(path, operations, MERGE).fails(400, "BadRequest")
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    http.patch(widgets.path(namespace, "a"), operations, MERGE).fails(400, "BadRequest")


@pytest.mark.parametrize("media", [MERGE, JSON_PATCH, STRATEGIC])
def test_malformed_patches(http: Http, path: str, media: str) -> None:
    http.patch(path, "{", media).fails(400, "BadRequest")


def test_json_patch(http: Http, path: str) -> None:
    patched = json_patch(
        http, path,
        {"op": "test", "path": "/data/k", "value": "v"},
        {"op": "replace", "path": "/data/k", "value": "x"},
        {"op": "remove", "path": "/data/l"},
        {"op": "add", "path": "/metadata/labels/example.com~1a", "value": "b"},
        {"op": "copy", "from": "/data/k", "path": "/data/c"},
        {"op": "move", "from": "/data/c", "path": "/data/m"},
    ).expect(200)  # fmt: skip
    assert patched["data"] == {"k": "x", "m": "x"}
    assert patched["metadata"]["labels"] == {"app": "x", "example.com/a": "b"}


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ({"op": "test", "path": "/data/nothing", "value": None}, {}),
        ({"op": "replace", "path": "/data/nothing", "value": "x"}, {"nothing": "x"}),
        ({"op": "copy", "from": "/data/nothing", "path": "/data/x"}, {"x": ""}),
        ({"op": "add", "path": "/data/x"}, {"x": ""}),
        ({"op": "replace", "path": "x/data/k", "value": "x"}, {"k": "x"}),
        ({"op": "move", "from": "/data/k", "path": "/data/k"}, {}),
    ],
)
def test_json_patches_of_what_is_not_there(http: Http, path: str, operation: Obj, data: Obj) -> None:
    """Its members are null, and a value that is not given is."""
    assert json_patch(http, path, operation).expect(200)["data"] == {"k": "v", "l": "w", **data}


@pytest.mark.parametrize(
    ("path", "text", "passes"),
    [
        ("/data/lt", '"a\\u003cb"', True),
        ("/data/lt", '"a<b"', False),
        ("/data/uni", '"é"', True),
        ("/data/uni", '"\\u00e9"', False),
        ("/data", '{ "uni":"é",\n"lt" :"a\\u003cb"}', True),
        ("/data", '{"lt":"a\\u003cb"}', False),
        ("/metadata/finalizers", '[ "e.x/a" ]', True),
        ("/metadata/finalizers", '["e.x/\\u0061"]', False),
    ],
)
def test_a_json_patch_tests_what_go_writes(http: Http, namespace: str, path: str, text: str, passes: bool) -> None:
    data = {"lt": "a<b", "uni": "é"}
    http.post(configmaps(namespace), configmap("b", data, finalizers=["e.x/a"])).expect(201)
    patch = f'[{{"op":"test","path":"{path}","value":{text}}}]'
    assert http.patch(configmaps(namespace, "b"), patch, JSON_PATCH).status == (200 if passes else 422)
    http.patch(configmaps(namespace, "b"), {"metadata": {"finalizers": None}}).expect(200)


@pytest.mark.parametrize(
    ("field", "passing", "failing"),
    [
        ("replicas", ["1"], ["1.0", "1e0", '"1"', "true"]),
        ("load", ["1.5"], ["1.50", "15e-1", "1.5e0"]),
        ("many", ["10000000000"], ["1e10", "10000000000.0"]),
        ("small", ["1e-7"], ["0.0000001", "1e-07"]),
        ("on", ["true"], ["1", "false"]),
    ],
)
def test_a_json_patch_tests_numbers_as_they_are_written(
    http: Http, namespace: str, crd: Crds, field: str, passing: list[str], failing: list[str]
) -> None:
    widgets = crd()
    spec = {"replicas": 1, "load": 1.5, "many": 10**10, "small": 1e-7, "on": True}
    http.post(widgets.path(namespace), widgets.obj("a", spec=spec)).expect(201)
    for texts, status in ((passing, 200), (failing, 422)):
        for text in texts:
            patch = f'[{{"op":"test","path":"/spec/{field}","value":{text}}}]'
            assert http.patch(widgets.path(namespace, "a"), patch, JSON_PATCH).status == status, text


def test_null_is_a_json_patch_without_operations(http: Http, path: str) -> None:
    before = http.get(path).expect(200)
    assert http.patch(path, "null", JSON_PATCH).expect(200) == before


@pytest.mark.parametrize(
    ("operation", "finalizers"),
    [
        ({"op": "add", "path": "/metadata/finalizers/-1", "value": "e.x/n"}, ["e.x/a", "e.x/b", "e.x/n"]),
        ({"op": "add", "path": "/metadata/finalizers/-2", "value": "e.x/n"}, ["e.x/a", "e.x/n", "e.x/b"]),
        ({"op": "remove", "path": "/metadata/finalizers/-1"}, ["e.x/a"]),
        ({"op": "replace", "path": "/metadata/finalizers/01", "value": "e.x/n"}, ["e.x/a", "e.x/n"]),
        ({"op": "test", "path": "/metadata/finalizers/-2", "value": "e.x/a"}, ["e.x/a", "e.x/b"]),
    ],
)
def test_json_patches_count_entries_from_either_end(http: Http, path: str, operation: Obj, finalizers: Any) -> None:
    http.patch(path, {"metadata": {"finalizers": ["e.x/a", "e.x/b"]}}).expect(200)
    patched = json_patch(http, path, operation).expect(200)
    http.patch(path, {"metadata": {"finalizers": None}}).expect(200)
    assert patched["metadata"]["finalizers"] == finalizers


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/k", "value": "not so"},
        {"op": "test", "path": "/data/k", "value": None},
        {"op": "test", "path": "/data/k"},
        {"op": "test", "path": "/nothing/here", "value": None},
        {"op": "remove", "path": "/data/nothing"},
        {"op": "remove", "path": ""},
        {"op": "add", "path": "/nothing/here", "value": "x"},
        {"op": "add", "path": "", "value": {}},
        {"op": "add", "value": "x"},
        {"op": "replace", "path": "data", "value": {}},
        {"op": "move", "from": "/data/nothing", "path": "/data/x"},
        {"op": "move", "from": "/data", "path": "/data/x"},
        {"op": "move", "path": "/data/x"},
        {"op": "copy", "from": "/nothing/here", "path": "/data/x"},
        {"op": "guess", "path": "/data/k", "value": "x"},
        {"path": "/data/k", "value": "x"},
    ],
)
def test_json_patches_that_do_not_fit(http: Http, path: str, operation: Obj) -> None:
    before = http.get(path).expect(200)
    message = json_patch(http, path, operation).fails(422, "Invalid")["message"]
    assert message.startswith("the server rejected our request due to an error in our request")
    assert http.get(path).expect(200) == before


@pytest.mark.parametrize(
    "patch",
    [
        "1",
        '"x"',
        "[1]",
        '[{"op": 1}]',
        '[{"op": "remove", "path": ["data"]}]',
        '[{"op": "copy", "path": "/a", "from": 1}]',
    ],
)
def test_what_is_no_json_patch(http: Http, path: str, patch: str) -> None:
    assert http.patch(path, patch, JSON_PATCH).fails(400, "BadRequest")["message"].startswith("error decoding patch: ")


def test_a_json_patch_has_a_most_of_operations(http: Http, path: str) -> None:
    operation = {"op": "test", "path": "/data/k", "value": "v"}
    message = json_patch(http, path, *[operation] * 10_001).fails(413, "RequestEntityTooLarge")["message"]
    why = "The allowed maximum operations in a JSON patch is 10000, got 10001"
    assert message in (f"Request entity is too large: {why}", f"Request entity too large: {why}")


def test_fields_that_no_operation_of_a_json_patch_has(http: Http, path: str) -> None:
    operation = {"op": "add", "path": "/data/x", "vlaue": "y", "value": "x"}
    warning = 'json patch unknown field "[0].vlaue"'
    assert json_patch(http, path, operation, dryRun="All").warnings == [warning]
    assert json_patch(http, path, operation, dryRun="All", fieldValidation="Ignore").warnings == []
    refused = json_patch(http, path, operation, fieldValidation="Strict").fails(422, "Invalid")
    assert f"strict decoding error: {warning}" in refused["message"]


def test_an_object_is_no_json_patch(http: Http, path: str) -> None:
    http.patch(path, {"op": "remove", "path": "/data"}, JSON_PATCH).fails(400, "BadRequest")


def test_json_patch_guards_by_resource_version(http: Http, path: str) -> None:
    """As controllers write finalizers."""
    version = http.get(path).expect(200)["metadata"]["resourceVersion"]
    http.patch(path, {"data": {"k": "x"}}).expect(200)
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    add = {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/hold"]}
    json_patch(http, path, test, add).fails(422, "Invalid")
    now = http.get(path).expect(200)["metadata"]["resourceVersion"]
    json_patch(http, path, {**test, "value": now}, add).expect(200)
    json_patch(http, path, {"op": "remove", "path": "/metadata/finalizers"}).expect(200)


def test_a_json_patch_of_the_metadata_guards_by_its_resource_version(http: Http, path: str) -> None:
    old = http.get(path).expect(200)["metadata"]
    now = http.patch(path, {"data": {"k": "x"}}).expect(200)["metadata"]
    operation = {"op": "replace", "path": "/metadata", "value": {**old, "labels": {"a": "b"}}}
    json_patch(http, path, operation).fails(409, "Conflict")
    operation = {"op": "replace", "path": "/metadata", "value": {**now, "labels": {"a": "b"}}}
    assert json_patch(http, path, operation).expect(200)["metadata"]["labels"] == {"a": "b"}


def test_strategic(http: Http, namespace: str) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    http.post(accounts, {"metadata": {"name": "a"}, "secrets": [{"name": "one"}, {"name": "two"}]}).expect(201)
    patched = http.patch(f"{accounts}/a", {"secrets": [{"name": "three"}]}, STRATEGIC).expect(200)
    assert sorted(secret["name"] for secret in patched["secrets"]) == ["one", "three", "two"]
    removal = {"secrets": [{"name": "two", "$patch": "delete"}]}
    patched = http.patch(f"{accounts}/a", removal, STRATEGIC).expect(200)
    assert sorted(secret["name"] for secret in patched["secrets"]) == ["one", "three"]
    replaced = {"secrets": [{"$patch": "replace"}, {"name": "four"}]}
    assert http.patch(f"{accounts}/a", replaced, STRATEGIC).expect(200)["secrets"] == [{"name": "four"}]


def test_strategic_of_maps_and_finalizers(http: Http, path: str) -> None:
    patched = http.patch(path, {"data": {"k": None, "m": "x"}}, STRATEGIC).expect(200)
    assert patched["data"] == {"l": "w", "m": "x"}
    for name in ("one", "two"):
        patch = {"metadata": {"finalizers": [f"example.com/{name}"]}}
        patched = http.patch(path, patch, STRATEGIC).expect(200)
    assert sorted(patched["metadata"]["finalizers"]) == ["example.com/one", "example.com/two"]
    taken = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/one"]}}
    assert http.patch(path, taken, STRATEGIC).expect(200)["metadata"]["finalizers"] == ["example.com/two"]
    http.patch(path, {"metadata": {"finalizers": None}}).expect(200)


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ({"$patch": "bogus"}, "unknown patch type: "),
        ({"data": {"$patch": "merge", "a": "b"}}, "unknown patch type: "),
        ({"data": {"$patch": None}}, "unknown patch type: "),
        ({"metadata": {"labels": {"$patch": "bogus"}}}, "unknown patch type: "),
        ({"data": {"$retainKeys": "x"}}, "invalid patch format of retainKeys"),
        ({"data": {"$retainKeys": ["b"], "a": "b"}}, "invalid patch format of retainKeys"),
        ({"metadata": {"$setElementOrder/finalizers": "x", "finalizers": ["a.b/c"]}}, ""),
        ({"metadata": {"$setElementOrder/finalizers": ["a.b/d"], "finalizers": ["a.b/c"]}}, "The order in patch list"),
    ],
)
def test_strategic_directives_that_say_nothing(http: Http, path: str, patch: Obj, why: str) -> None:
    before = http.get(path).expect(200)
    refused = http.patch(path, patch, STRATEGIC)
    assert refused.status in (400, 500) and refused.json["message"].startswith(why)
    assert http.get(path).expect(200) == before


def test_custom_kinds_have_no_strategic_merge(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    refused = http.patch(widgets.path(namespace, "a"), {"spec": {}}, STRATEGIC).fails(415, "UnsupportedMediaType")
    told = "the body of the request was in an unknown format - accepted media types include: "
    assert refused["message"].startswith(told)
    assert "application/merge-patch+json" in refused["message"]
    assert "strategic" not in refused["message"]


def test_a_patch_says_its_format(http: Http, path: str) -> None:
    http.patch(path, {}, "application/json").fails(415, "UnsupportedMediaType")
    http.request("PATCH", path, "{}").fails(415, "UnsupportedMediaType")
    refused = http.patch(path, {}, f"{MERGE}; charset=utf-8")
    assert refused.status == 200


def test_a_stale_patch_is_a_conflict(http: Http, path: str) -> None:
    version = http.get(path).expect(200)["metadata"]["resourceVersion"]
    http.patch(path, {"data": {"k": "x"}}).expect(200)
    stale = {"metadata": {"resourceVersion": version}, "data": {"k": "y"}}
    assert "the object has been modified" in http.patch(path, stale).fails(409, "Conflict")["message"]


def test_metadata_that_stays(http: Http, path: str) -> None:
    before = http.get(path).expect(200)
    refused = http.patch(path, {"metadata": {"name": "b"}}).fails(400, "BadRequest")
    assert refused["message"] == "the name of the object (b) does not match the name on the URL (a)"
    http.patch(path, {"metadata": {"namespace": "default"}}).fails(400, "BadRequest")
    other = str(uuid.uuid4())
    refused = http.patch(path, {"metadata": {"uid": other}}).fails(422, "Invalid")
    assert causes(refused)["metadata.uid"] == f'Invalid value: "{other}": field is immutable'
    refused = http.patch(path, {"metadata": {"deletionTimestamp": "2030-01-01T00:00:00Z"}}).fails(422, "Invalid")
    assert causes(refused)["metadata.deletionTimestamp"].endswith(": field is immutable")
    patched = http.patch(path, {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z"}}).expect(200)
    assert patched["metadata"]["creationTimestamp"] == before["metadata"]["creationTimestamp"]


def test_force_is_for_applies(http: Http, path: str) -> None:
    refused = http.patch(path, {}, force=True).fails(422, "Invalid")
    assert causes(refused) == {"force": "Forbidden: may not be specified for non-apply patch"}


def test_a_patch_is_validated(http: Http, path: str) -> None:
    refused = http.patch(path, {"metadata": {"labels": {"a": "not so"}}}).fails(422, "Invalid")
    assert "metadata.labels" in causes(refused)
