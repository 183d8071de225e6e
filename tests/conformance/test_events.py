"""Events: core/v1 and events.k8s.io/v1 are two views of the same objects."""

from typing import Any

import pytest
from tests.conformance.conftest import TABLE, Http, Watching, causes

Obj = dict[str, Any]
WHEN = "2030-01-02T03:04:05Z"
EXACTLY = "2030-01-02T03:04:05.678901Z"


def core(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/events" + (f"/{name}" if name else "")


def new(namespace: str, name: str = "") -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{namespace}/events" + (f"/{name}" if name else "")


def about(namespace: str, name: str = "a") -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace, "name": name}


@pytest.fixture
def old_style(http: Http, namespace: str) -> Obj:
    """An Event of core/v1."""
    body = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "old"}, "involvedObject": about(namespace),
        "reason": "Tested", "message": "It was tested.", "type": "Normal", "count": 3,
        "source": {"component": "tester", "host": "here"}, "firstTimestamp": WHEN, "lastTimestamp": WHEN,
    }  # fmt: skip
    made: Obj = http.post(core(namespace), body).expect(201)
    return made


@pytest.fixture
def new_style(http: Http, namespace: str) -> Obj:
    """An Event of events.k8s.io/v1."""
    body = {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "new"},
        "regarding": about(namespace, "b"), "reason": "Tried", "note": "It was tried.", "type": "Warning",
        "action": "Trying", "eventTime": EXACTLY, "reportingController": "example.com/tester",
        "reportingInstance": "tester-1",
    }  # fmt: skip
    made: Obj = http.post(new(namespace), body).expect(201)
    return made


def test_old_events_by_the_new_view(http: Http, namespace: str, old_style: Obj) -> None:
    found = http.get(new(namespace, "old")).expect(200)
    assert (found["apiVersion"], found["kind"]) == ("events.k8s.io/v1", "Event")
    assert found["metadata"]["uid"] == old_style["metadata"]["uid"]
    assert (found["regarding"], found["note"]) == (about(namespace), "It was tested.")
    assert (found["reason"], found["type"]) == ("Tested", "Normal")
    assert found["deprecatedSource"] == {"component": "tester", "host": "here"}
    assert (found["deprecatedFirstTimestamp"], found["deprecatedCount"]) == (WHEN, 3)
    assert not {"involvedObject", "message", "source", "count"} & set(found)


def test_new_events_by_the_old_view(http: Http, namespace: str, new_style: Obj) -> None:
    found = http.get(core(namespace, "new")).expect(200)
    assert (found["apiVersion"], found["kind"]) == ("v1", "Event")
    assert found["metadata"]["uid"] == new_style["metadata"]["uid"]
    assert (found["involvedObject"], found["message"]) == (about(namespace, "b"), "It was tried.")
    assert (found["reportingComponent"], found["reportingInstance"]) == ("example.com/tester", "tester-1")
    assert (found["eventTime"], found["action"]) == (EXACTLY, "Trying")
    assert not {"regarding", "note", "reportingController"} & set(found)


def test_both_views_list_the_same(http: Http, namespace: str, old_style: Obj, new_style: Obj) -> None:
    listed = [http.get(path).expect(200) for path in (core(namespace), new(namespace))]
    assert [one["apiVersion"] for one in listed] == ["v1", "events.k8s.io/v1"]
    names = [{item["metadata"]["name"] for item in one["items"]} for one in listed]
    assert names[0] == names[1] >= {"old", "new"}


def test_both_views_write_the_same(http: Http, namespace: str, old_style: Obj) -> None:
    series = {"count": 2, "lastObservedTime": EXACTLY}
    http.patch(new(namespace, "old"), {"series": series}).expect(200)
    assert http.get(core(namespace, "old")).expect(200)["series"] == series
    http.patch(core(namespace, "old"), {"count": 4}).expect(200)
    assert http.get(new(namespace, "old")).expect(200)["deprecatedCount"] == 4
    http.delete(new(namespace, "old")).expect(200)
    http.get(core(namespace, "old")).fails(404, "NotFound")


def test_both_views_watch_the_same(http: Http, namespace: str, watch: Watching) -> None:
    version = http.get(core(namespace)).expect(200)["metadata"]["resourceVersion"]
    watches = [watch(path, resourceVersion=version) for path in (core(namespace), new(namespace))]
    body = {"metadata": {"name": "seen"}, "involvedObject": about(namespace), "message": "Look."}
    http.post(core(namespace), body).expect(201)
    assert watches[0].until("ADDED", "seen")["message"] == "Look."
    assert watches[1].until("ADDED", "seen")["note"] == "Look."


def test_field_selectors(http: Http, namespace: str, old_style: Obj, new_style: Obj) -> None:
    def names(path: str, selector: str) -> set[str]:
        found = http.get(path, fieldSelector=selector).expect(200)["items"]
        return {item["metadata"]["name"] for item in found} & {"old", "new"}

    assert names(core(namespace), "involvedObject.name=a") == {"old"}
    assert names(core(namespace), "involvedObject.kind=ConfigMap,reason=Tried") == {"new"}
    assert names(core(namespace), "involvedObject.uid=,type!=Warning") == {"old"}
    assert names(core(namespace), f"involvedObject.namespace={namespace}") == {"old", "new"}
    assert names(new(namespace), "regarding.name=b") == {"new"}
    assert names(new(namespace), "type=Normal") == {"old"}


def test_events_lie_beside_what_they_are_about(http: Http, namespace: str) -> None:
    body = {"metadata": {"name": "x"}, "involvedObject": about("default"), "message": "x"}
    told = causes(http.post(core(namespace), body).fails(422, "Invalid"))
    assert told["involvedObject.namespace"].endswith(": does not match event.namespace")


def test_what_new_events_must_say(http: Http, namespace: str) -> None:
    """What else they must say is asked of those that have an eventTime."""
    bare = {"metadata": {"name": "x"}, "regarding": about(namespace)}
    told = causes(http.post(new(namespace), bare).fails(422, "Invalid"))
    assert {"eventTime", "type"} <= set(told)
    assert told["eventTime"] == "Required value"
    timed = {**bare, "eventTime": EXACTLY}
    told = causes(http.post(new(namespace), timed).fails(422, "Invalid"))
    assert {"reportingController", "reportingInstance", "action", "reason", "type"} <= set(told)
    assert told["reason"] == "Required value"


def test_what_was_reported_stays_as_it_is(http: Http, namespace: str, new_style: Obj) -> None:
    told = causes(http.patch(new(namespace, "new"), {"note": "Never mind.", "type": "Normal"}).fails(422, "Invalid"))
    assert told["message"] == 'Invalid value: "Never mind.": field is immutable'
    assert told["type"] == 'Invalid value: "Normal": field is immutable'
    told = causes(http.patch(new(namespace, "new"), {"series": {"count": 1}}).fails(422, "Invalid"))
    assert {"series.count", "series.lastObservedTime"} <= set(told)


def test_table(http: Http, namespace: str, old_style: Obj) -> None:
    table = http.get(core(namespace), accept=TABLE, fieldSelector="metadata.name=old").expect(200)
    columns = [column["name"] for column in table["columnDefinitions"]]
    shown = dict(zip(columns, table["rows"][0]["cells"], strict=True))
    assert {"Last Seen", "Type", "Reason", "Object", "Message"} <= set(columns)
    assert (shown["Type"], shown["Reason"], shown["Object"]) == ("Normal", "Tested", "configmap/a")
    assert shown["Message"] == "It was tested."
