"""Lists and watches: selectors, pages, versions, and the forms that an object is shown in."""

import itertools
from typing import Any

import pytest
from tests.conformance.conftest import (
    PARTIAL,
    PARTIAL_LIST,
    TABLE,
    Crds,
    Http,
    Watching,
    causes,
    configmap,
    configmaps,
    obj_of,
)

Obj = dict[str, Any]
FUTURE = str((1 << 62) - 1)


@pytest.fixture
def base(http: Http, namespace: str) -> str:
    """The ConfigMaps of a namespace: a and b of x, c of y, d of nobody."""
    for name, labels in (("a", {"app": "x"}), ("b", {"app": "x", "n": "5"}), ("c", {"app": "y"}), ("d", {})):
        http.post(configmaps(namespace), configmap(name, {"k": name}, labels=labels)).expect(201)
    return configmaps(namespace)


def names(listed: Obj) -> list[str]:
    """The names of a list, but for the ConfigMap that a cluster puts into every namespace."""
    return [name for item in listed["items"] if (name := item["metadata"]["name"]) != "kube-root-ca.crt"]


def test_list(http: Http, base: str) -> None:
    listed = http.get(base).expect(200)
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert listed["metadata"]["resourceVersion"].isdigit()
    assert names(listed) == ["a", "b", "c", "d"]
    everywhere = http.get("/api/v1/configmaps").expect(200)
    assert {"a", "b", "c", "d"} <= set(names(everywhere))


def test_items_of_custom_kinds_say_what_they_are(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    made = http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    listed = http.get(widgets.path(namespace)).expect(200)
    assert (listed["kind"], listed["apiVersion"]) == (f"{widgets.kind}List", widgets.api_version)
    assert listed["items"] == [made]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=x", "ab"), ("app==x", "ab"), ("app!=x", "cd"), ("app", "abc"), ("!app", "d"), ("app in (x, y)", "abc"),
        ("app notin (x)", "cd"), ("app=x,n=5", "b"), ("n>4", "b"), ("n<5", ""), ("app=", ""),
        ("app in (x),app notin (y)", "ab"),
    ],
)  # fmt: skip
def test_label_selectors(http: Http, base: str, selector: str, found: str) -> None:
    assert "".join(names(http.get(base, labelSelector=selector).expect(200))) == found


@pytest.mark.parametrize("selector", ["app in x", "app=x,,n", "app in (x", "=x", "app x", "app=-x", "a/b/c=d"])
def test_label_selectors_that_are_none(http: Http, base: str, selector: str) -> None:
    http.get(base, labelSelector=selector).fails(400, "BadRequest")


def test_what_is_wrong_with_a_label_selector(http: Http, base: str) -> None:
    refused = http.get(base, labelSelector="app in x").fails(400, "BadRequest")
    assert "unable to parse requirement: found 'x' expected: '('" in refused["message"]


def test_field_selectors(http: Http, namespace: str, base: str) -> None:
    assert names(http.get(base, fieldSelector="metadata.name=b").expect(200)) == ["b"]
    assert names(http.get(base, fieldSelector="metadata.name!=b").expect(200)) == ["a", "c", "d"]
    assert names(http.get(base, fieldSelector="metadata.name=b,metadata.namespace=default").expect(200)) == []
    everywhere = http.get("/api/v1/configmaps", fieldSelector=f"metadata.namespace={namespace}").expect(200)
    assert names(everywhere) == ["a", "b", "c", "d"]


def test_field_selectors_that_are_none(http: Http, namespace: str, base: str, crd: Crds) -> None:
    refused = http.get(base, fieldSelector="metadata").fails(400, "BadRequest")
    assert refused["message"] == "invalid selector: 'metadata'; can't understand 'metadata'"
    refused = http.get(base, fieldSelector="data.k=a").fails(400, "BadRequest")
    words = '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert refused["message"] == words
    widgets = crd()
    refused = http.get(widgets.path(namespace), fieldSelector="spec.size=1").fails(400, "BadRequest")
    assert refused["message"] == "field label not supported: spec.size"


def test_no_namespace_is_selected_of_what_has_none(http: Http, crd: Crds) -> None:
    racks = crd(scope="Cluster")
    for path in (racks.path(), "/api/v1/namespaces", "/apis/certificates.k8s.io/v1/certificatesigningrequests"):
        for query in ({}, {"watch": "true"}):
            refused = http.get(path, fieldSelector="metadata.namespace=a", **query).fails(400, "BadRequest")
            assert refused["message"] == "field label not supported: metadata.namespace"
    listed = http.get("/apis/rbac.authorization.k8s.io/v1/clusterroles", fieldSelector="metadata.namespace=a")
    assert listed.expect(200)["items"] == []


def test_pages(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    path = widgets.path(namespace)
    for name in "abcde":
        http.post(path, widgets.obj(name)).expect(201)
    first = http.get(path, limit=2).expect(200)
    assert (names(first), first["metadata"]["remainingItemCount"]) == (["a", "b"], 3)
    second = http.get(path, limit=2, **{"continue": first["metadata"]["continue"]}).expect(200)
    assert (names(second), second["metadata"]["remainingItemCount"]) == (["c", "d"], 1)
    last = http.get(path, limit=2, **{"continue": second["metadata"]["continue"]}).expect(200)
    assert names(last) == ["e"]
    assert "remainingItemCount" not in last["metadata"]
    assert len({page["metadata"]["resourceVersion"] for page in (first, second, last)}) == 1
    assert [page["metadata"]["continue"] for page in (last, http.get(path, limit=5).expect(200))] == ["", ""]
    for form in (TABLE, PARTIAL_LIST):
        assert "continue" not in http.get(path, accept=form).expect(200)["metadata"]
    assert "continue" not in http.get(configmaps(namespace)).expect(200)["metadata"]


@pytest.mark.parametrize("limit", ["-1", "0", "-0", "+9", "-99"])
def test_limits_below_one_are_none(http: Http, base: str, limit: str) -> None:
    listed = http.get(base, limit=limit, timeoutSeconds=-1).expect(200)
    assert names(listed) == ["a", "b", "c", "d"] and "continue" not in listed["metadata"]


def test_pages_of_a_selection_do_not_count_the_rest(http: Http, base: str) -> None:
    first = http.get(base, limit=1, labelSelector="app").expect(200)
    assert names(first) == ["a"]
    assert "remainingItemCount" not in first["metadata"]
    rest = http.get(base, labelSelector="app", **{"continue": first["metadata"]["continue"]}).expect(200)
    assert names(rest) == ["b", "c"]


def test_pages_are_of_one_moment(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    path = widgets.path(namespace)
    for name in ("a", "b", "d"):
        http.post(path, widgets.obj(name)).expect(201)
    first = http.get(path, limit=1).expect(200)
    http.post(path, widgets.obj("c")).expect(201)
    http.delete(widgets.path(namespace, "d")).expect(200)
    rest = http.get(path, **{"continue": first["metadata"]["continue"]}).expect(200)
    assert names(rest) == ["b", "d"]


def test_continue_tokens_that_are_none(http: Http, base: str) -> None:
    assert "continue" in http.get(base, limit=1, **{"continue": "nonsense"}).fails(400, "BadRequest")["message"]
    first = http.get(base, limit=1).expect(200)["metadata"]
    query = {"continue": first["continue"], "resourceVersion": first["resourceVersion"]}
    refused = http.get(base, limit=1, **query).fails(400, "BadRequest")
    assert refused["message"] == "specifying resource version is not allowed when using continue"


def test_list_at_a_version(http: Http, base: str) -> None:
    version = http.get(base).expect(200)["metadata"]["resourceVersion"]
    for query in (
        {"resourceVersion": "0"},
        {"resourceVersion": version},
        {"resourceVersion": version, "resourceVersionMatch": "NotOlderThan"},
    ):
        listed = http.get(base, **query).expect(200)
        assert int(listed["metadata"]["resourceVersion"]) >= int(query["resourceVersion"])
        if query["resourceVersion"] != "0":
            assert names(listed) == ["a", "b", "c", "d"]


def test_list_at_exactly_a_version(http: Http, base: str) -> None:
    version = http.get(base).expect(200)["metadata"]["resourceVersion"]
    http.delete(f"{base}/a").expect(200)
    exact = http.get(base, resourceVersion=version, resourceVersionMatch="Exact")
    if exact.status == 410:
        exact.fails(410, "Expired")
        return
    listed = exact.expect(200)
    assert listed["metadata"]["resourceVersion"] == version
    assert names(listed) == ["a", "b", "c", "d"]


def test_pages_of_a_version_are_of_exactly_that(http: Http, base: str) -> None:
    version = http.get(base).expect(200)["metadata"]["resourceVersion"]
    http.delete(f"{base}/d").expect(200)
    first = http.get(base, resourceVersion=version, limit=2, labelSelector="app").expect(200)["metadata"]
    assert first["resourceVersion"] == version
    rest = http.get(base, labelSelector="app", **{"continue": first["continue"]}).expect(200)
    assert (names(rest), rest["metadata"]["resourceVersion"]) == (["c"], version)


def test_list_of_the_future(http: Http, base: str) -> None:
    refused = http.get(base, resourceVersion=FUTURE).fails(504, "Timeout")
    assert "Too large resource version" in refused["message"]
    assert refused["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert refused["details"]["retryAfterSeconds"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"resourceVersionMatch": "Exact"}, "resourceVersionMatch"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, "resourceVersionMatch"),
        ({"resourceVersionMatch": "Roughly", "resourceVersion": "1"}, "resourceVersionMatch"),
        ({"sendInitialEvents": "true"}, "sendInitialEvents"),
        ({"watch": "true", "sendInitialEvents": "true"}, "resourceVersionMatch"),
        ({"watch": "true", "resourceVersionMatch": "NotOlderThan"}, "resourceVersionMatch"),
    ],
)
def test_list_options_that_do_not_go_together(http: Http, base: str, query: dict[str, str], field: str) -> None:
    refused = http.get(base, **query).fails(422, "Invalid")
    assert (refused["details"]["group"], refused["details"]["kind"]) == ("meta.k8s.io", "ListOptions")
    assert field in causes(refused)


@pytest.mark.parametrize(
    "query", [{"limit": "many"}, {"limit": "1.5"}, {"limit": "9" * 20}, {"limit": "--1"}, {"timeoutSeconds": "soon"}]
)
def test_numbers_that_are_none(http: Http, base: str, query: dict[str, str]) -> None:
    http.get(base, **query).fails(400, "BadRequest")


def test_watch_from_a_version(http: Http, namespace: str, base: str, watch: Watching) -> None:
    version = http.get(base).expect(200)["metadata"]["resourceVersion"]
    http.post(base, configmap("e")).expect(201)
    events = watch(base, resourceVersion=version)
    assert events.headers["content-type"] == "application/json"
    http.patch(f"{base}/e", {"data": {"k": "v"}}).expect(200)
    http.delete(f"{base}/e").expect(200)
    made, changed, gone = next(events), next(events), next(events)
    assert [one["type"] for one in (made, changed, gone)] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in (made, changed, gone)]
    assert int(version) < versions[0] < versions[1] < versions[2]
    assert (gone["object"]["kind"], gone["object"]["apiVersion"]) == ("ConfigMap", "v1")
    assert gone["object"]["data"] == {"k": "v"}


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
def test_watch_from_now_begins_with_what_is_there(base: str, watch: Watching, query: dict[str, str]) -> None:
    events = watch(base, labelSelector="app", **query)
    assert sorted(events.take(3)) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


def test_watch_of_all_namespaces(http: Http, namespace: str, base: str, watch: Watching) -> None:
    version = http.get(base).expect(200)["metadata"]["resourceVersion"]
    selector = f"metadata.namespace={namespace},metadata.name=e"  # a controller may make others of its own
    events = watch("/api/v1/configmaps", resourceVersion=version, fieldSelector=selector)
    http.post(base, configmap("e")).expect(201)
    assert events.take(1) == [("ADDED", "e")]


def test_watch_by_name(http: Http, base: str, watch: Watching) -> None:
    version = http.get(base).expect(200)["metadata"]["resourceVersion"]
    events = watch(base, resourceVersion=version, fieldSelector="metadata.name=b")
    http.patch(f"{base}/a", {"data": {"k": "x"}}).expect(200)
    http.patch(f"{base}/b", {"data": {"k": "x"}}).expect(200)
    assert events.take(1) == [("MODIFIED", "b")]


def test_objects_come_and_go_as_their_labels_do(http: Http, base: str, watch: Watching) -> None:
    version = http.get(base).expect(200)["metadata"]["resourceVersion"]
    events = watch(base, resourceVersion=version, labelSelector="app=x")
    http.patch(f"{base}/c", {"metadata": {"labels": {"app": "x"}}}).expect(200)
    left = http.patch(f"{base}/a", {"metadata": {"labels": {"app": "y"}}}).expect(200)
    http.patch(f"{base}/b", {"data": {"k": "w"}}).expect(200)
    assert events.take(1) == [("ADDED", "c")]
    gone = next(events)
    assert (gone["type"], gone["object"]["metadata"]["name"]) == ("DELETED", "a")
    assert gone["object"]["metadata"]["labels"] == {"app": "x"}, "as it was when it was last selected"
    assert gone["object"]["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
    assert events.take(1) == [("MODIFIED", "b")]


def test_watch_ends_in_time(base: str, watch: Watching) -> None:
    events = watch(base, labelSelector="app=x", timeoutSeconds=1)
    assert [event["type"] for event in events] == ["ADDED", "ADDED"]


def test_bookmarks(base: str, watch: Watching) -> None:
    events = list(watch(base, labelSelector="app=x", allowWatchBookmarks=True, timeoutSeconds=4))
    last = events[-1]
    assert last["type"] == "BOOKMARK"
    assert (last["object"]["kind"], last["object"]["apiVersion"]) == ("ConfigMap", "v1")
    assert "name" not in last["object"]["metadata"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions[-1] >= max(versions)


def test_initial_events(base: str, watch: Watching, http: Http) -> None:
    query = {"sendInitialEvents": True, "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": True}
    events = watch(base, labelSelector="app=x", **query)
    if events.refusal is not None:
        refused = events.refusal.fails(422, "Invalid")
        assert "WatchList feature gate" in causes(refused)["sendInitialEvents"]
        pytest.skip("this server's WatchList feature gate is off")
    assert sorted(events.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
    end = next(events)
    assert end["type"] == "BOOKMARK"
    assert end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
    assert end["object"]["metadata"]["resourceVersion"].isdigit()
    http.post(base, configmap("e", labels={"app": "x"})).expect(201)
    assert events.until("ADDED", "e")


def test_watch_from_an_ancient_version(http: Http, namespace: str, crd: Crds, watch: Watching) -> None:
    """A server that forgot says so with a 410; one that remembers tells all."""
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    first = next(watch(widgets.path(namespace), resourceVersion=1))
    if first["type"] == "ERROR":
        status = first["object"]
        assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
        assert status["message"].startswith("too old resource version: 1")
    else:
        assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")


def test_watch_of_custom_kinds(http: Http, namespace: str, crd: Crds, watch: Watching) -> None:
    widgets = crd(subresources={"status": {}})
    version = http.get(widgets.path(namespace)).expect(200)["metadata"]["resourceVersion"]
    events = watch(widgets.path(namespace), resourceVersion=version)
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    http.patch(widgets.path(namespace, "a", "status"), {"status": {"ready": True}}).expect(200)
    assert events.until("MODIFIED", "a")["status"] == {"ready": True}
    http.delete(widgets.path(namespace, "a")).expect(200)
    assert events.until("DELETED", "a")["kind"] == widgets.kind


def test_table_of_a_list(http: Http, base: str) -> None:
    answer = http.get(base, accept=TABLE, labelSelector="app")
    table = answer.expect(200)
    assert answer.headers["content-type"] == "application/json"
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert table["metadata"]["resourceVersion"].isdigit()
    columns = [(column["name"], column["type"], column["priority"]) for column in table["columnDefinitions"]]
    assert columns == [("Name", "string", 0), ("Data", "string", 0), ("Age", "string", 0)]
    assert table["columnDefinitions"][0]["format"] == "name"
    assert [row["cells"][:2] for row in table["rows"]] == [["a", 1], ["b", 1], ["c", 1]]
    assert table["rows"][0]["cells"][2].endswith("s")
    shown = table["rows"][0]["object"]
    assert (shown["kind"], shown["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert shown["metadata"]["name"] == "a"
    assert "data" not in shown


def test_table_with_more_or_less_of_the_objects(http: Http, base: str) -> None:
    whole = http.get(base, accept=TABLE, labelSelector="app", includeObject="Object").expect(200)
    assert (whole["rows"][0]["object"]["kind"], whole["rows"][0]["object"]["data"]) == ("ConfigMap", {"k": "a"})
    bare = http.get(base, accept=TABLE, labelSelector="app", includeObject="None").expect(200)
    assert bare["rows"][0].get("object") is None
    http.get(base, accept=TABLE, includeObject="Half").fails(400, "BadRequest")


def test_table_of_one_and_of_pages(http: Http, base: str) -> None:
    one = http.get(f"{base}/a", accept=TABLE).expect(200)
    assert [row["cells"][0] for row in one["rows"]] == ["a"]
    paged = http.get(base, accept=TABLE, limit=1).expect(200)
    assert len(paged["rows"]) == 1
    assert paged["metadata"]["continue"]


def test_table_of_a_watch(http: Http, base: str, watch: Watching) -> None:
    events = watch(base, accept=TABLE, labelSelector="app=x")
    first, second = next(events), next(events)
    assert (first["type"], first["object"]["kind"]) == ("ADDED", "Table")
    assert [column["name"] for column in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert sorted(event["object"]["rows"][0]["cells"][0] for event in (first, second)) == ["a", "b"]
    assert first["object"]["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_metadata_alone(http: Http, base: str, watch: Watching) -> None:
    whole = http.get(f"{base}/a").expect(200)
    part = http.get(f"{base}/a", accept=PARTIAL).expect(200)
    assert part == {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": whole["metadata"]}
    listed = http.get(base, accept=PARTIAL_LIST, labelSelector="app").expect(200)
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert names(listed) == ["a", "b", "c"]
    assert all("data" not in item for item in listed["items"])
    event = next(watch(base, accept=PARTIAL, labelSelector="app"))
    assert (event["type"], event["object"]["kind"]) == ("ADDED", "PartialObjectMetadata")


def test_many_watchers_see_the_same(http: Http, base: str, watch: Watching) -> None:
    version = http.get(base).expect(200)["metadata"]["resourceVersion"]
    watchers = [watch(base, resourceVersion=version) for _ in range(5)]
    for number in range(10):
        http.patch(f"{base}/a", {"data": {"k": str(number)}}).expect(200)
    seen = [[event["object"]["data"]["k"] for event in itertools.islice(one, 10)] for one in watchers]
    assert seen == [[str(number) for number in range(10)]] * 5


def test_selectable_fields(http: Http, namespace: str, crd: Crds, watch: Watching) -> None:
    widgets = crd(
        obj_of(spec=obj_of(color={"type": "string"}, size={"type": "integer"}, on={"type": "boolean"})),
        selectableFields=[{"jsonPath": f".spec.{name}"} for name in ("color", "size", "on")],
    )
    if "selectableFields" not in http.get(widgets.definition).expect(200)["spec"]["versions"][0]:
        pytest.skip("this server has no selectable fields of custom resources yet")
    path = widgets.path(namespace)
    http.post(path, widgets.obj("a", spec={"color": "red", "size": 1, "on": True})).expect(201)
    http.post(path, widgets.obj("b", spec={"color": "blue"})).expect(201)
    for selector, found in (
        ("spec.color=red", ["a"]), ("spec.color!=red", ["b"]), ("spec.size=1", ["a"]), ("spec.on=true", ["a"]),
        ("spec.size=", ["b"]), ("spec.color=red,metadata.name=b", []),
    ):  # fmt: skip
        assert names(http.get(path, fieldSelector=selector).expect(200)) == found, selector
    events = watch(path, fieldSelector="spec.color=red")
    assert events.take(1) == [("ADDED", "a")]
    http.patch(widgets.path(namespace, "b"), {"spec": {"color": "red"}}).expect(200)
    http.patch(widgets.path(namespace, "a"), {"spec": {"color": "green"}}).expect(200)
    assert events.take(2) == [("ADDED", "b"), ("DELETED", "a")]
