"""An Event has one body, whoever records it."""

from starlink.api.event import About, Source, event
from starlink.api.meta import ObjectKey

NOW = 1_700_000_000.0


def test_an_event_of_an_object_lies_beside_it_and_says_which_program_tells_it() -> None:
    about = About("starlink.dev/v1alpha1", "Assignment", ObjectKey("blue", "web-0"), "u1")
    source = Source("starlink-agent", instance="s1", host="s1")
    assert event(about, source, "web-0.1", "Warning", "Crashed", "exit code 1", NOW) == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web-0.1", "namespace": "blue"},
        "involvedObject": {
            "apiVersion": "starlink.dev/v1alpha1",
            "kind": "Assignment",
            "name": "web-0",
            "namespace": "blue",
            "uid": "u1",
        },
        "type": "Warning",
        "reason": "Crashed",
        "message": "exit code 1",
        "count": 1,
        "firstTimestamp": "2023-11-14T22:13:20Z",
        "lastTimestamp": "2023-11-14T22:13:20Z",
        "source": {"component": "starlink-agent", "host": "s1"},
        "reportingComponent": "starlink-agent",
        "reportingInstance": "s1",
    }


def test_an_event_of_an_object_without_a_namespace_lies_in_default_and_names_none() -> None:
    body = event(About("v1", "Node", ObjectKey("", "s1"), ""), Source("gc"), "s1.1", "Normal", "Seen", "", NOW)
    assert body["metadata"] == {"name": "s1.1", "namespace": "default"}
    assert body["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": "s1"}
    assert body["source"] == {"component": "gc"}
    assert not body.keys() & {"reportingInstance", "message"}
