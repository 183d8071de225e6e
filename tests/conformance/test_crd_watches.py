"""Watches of custom kinds end with what they watch: when the CRD goes, and when it says otherwise what is served."""

from typing import Any

import pytest
from tests.conformance.conftest import CRDS, PARTIAL, SECONDS, TABLE, Crds, Http, Installed, Watching, gone
from tests.conftest import eventually

Obj = dict[str, Any]
FORMS: list[tuple[str, Obj]] = [
    ("", {}),
    ("", {"allowWatchBookmarks": True}),
    ("", {"labelSelector": "app=x"}),
    ("", {"fieldSelector": "metadata.name=a"}),
    (TABLE, {}),
    (PARTIAL, {}),
]


@pytest.fixture
def widgets(http: Http, namespace: str, crd: Crds) -> Installed:
    """A kind with one object, a, of x."""
    made = crd()
    http.post(made.path(namespace), made.obj("a", metadata={"labels": {"app": "x"}})).expect(201)
    return made


def version_of(http: Http, path: str) -> str:
    """From where a watch of the list begins."""
    found: str = http.get(path).expect(200)["metadata"]["resourceVersion"]
    return found


def test_watches_end_when_their_kind_goes(http: Http, namespace: str, widgets: Installed, watch: Watching) -> None:
    """Each has first told of the objects that went, and none tells an error."""
    path = widgets.path(namespace)
    version = version_of(http, path)
    opened = [watch(path, accept, resourceVersion=version, **query) for accept, query in FORMS]
    opened.append(watch(widgets.path(), resourceVersion=version))
    http.delete(widgets.definition).expect(200)
    for events in opened:
        assert [event["type"] for event in events if event["type"] != "BOOKMARK"] == ["DELETED"]
    assert http.get(path, watch=True, resourceVersion=version).status == 404


def test_a_watch_of_a_kind_without_objects_ends_too(http: Http, namespace: str, crd: Crds, watch: Watching) -> None:
    widgets = crd()
    events = watch(widgets.path(namespace), resourceVersion=version_of(http, widgets.path(namespace)))
    http.delete(widgets.definition).expect(200)
    assert list(events) == []


def test_a_kind_made_again_is_watched_anew(
    http: Http, namespace: str, crd: Crds, widgets: Installed, watch: Watching
) -> None:
    """The old watch tells nothing of the new objects, and one from the new list tells of them alone."""
    path = widgets.path(namespace)
    old = watch(path, resourceVersion=version_of(http, path))
    found = http.get(widgets.definition).expect(200)
    http.delete(widgets.definition).expect(200)
    eventually(lambda: gone(http, widgets.definition), "the CRD gone", SECONDS)
    again = {**found, "metadata": {"name": widgets.name}}
    again.pop("status")
    http.post(CRDS, again).expect(201)
    crd.installed(again)
    assert [event["type"] for event in old] == ["DELETED"]
    listed = http.get(path).expect(200)
    assert listed["items"] == []
    new = watch(path, resourceVersion=listed["metadata"]["resourceVersion"])
    http.post(path, widgets.obj("b")).expect(201)
    assert new.take(1) == [("ADDED", "b")]


def test_watches_end_when_a_crd_is_served_otherwise(
    http: Http, namespace: str, widgets: Installed, watch: Watching
) -> None:
    """The next one is of the kind as it is served now."""
    path = widgets.path(namespace)
    events = watch(path, resourceVersion=version_of(http, path))
    found = http.get(widgets.definition).expect(200)
    found["spec"]["versions"][0]["additionalPrinterColumns"] = [{"name": "A", "type": "string", "jsonPath": ".a"}]
    http.put(widgets.definition, found).expect(200)
    assert list(events) == []
    eventually(lambda: http.get(f"{path}?resourceVersion=0").status == 200, "it is served again", SECONDS)
    following = watch(path, TABLE, resourceVersion=version_of(http, path))
    http.patch(widgets.path(namespace, "a"), {"a": "b"}).expect(200)
    assert [column["name"] for column in following.until("MODIFIED")["columnDefinitions"]] == ["Name", "A"]


def test_watches_go_on_when_a_crd_changes_but_not_what_it_serves(
    http: Http, namespace: str, widgets: Installed, watch: Watching
) -> None:
    path = widgets.path(namespace)
    events = watch(path, resourceVersion=version_of(http, path))
    http.patch(widgets.definition, {"metadata": {"labels": {"a": "b"}}}).expect(200)
    http.post(path, widgets.obj("b")).expect(201)
    assert events.take(1) == [("ADDED", "b")]
