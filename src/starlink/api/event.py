"""Events, as they are written: one body for every part that records them. Pure."""

from typing import Any, NamedTuple

from starlink.api.meta import ObjectKey
from starlink.api.timestamp import format_time


class About(NamedTuple):
    """The object that an Event is about."""

    api_version: str
    kind: str
    key: ObjectKey
    uid: str

    @property
    def namespace(self) -> str:
        """Where the Event is: with its object, or in `default` where that has no namespace."""
        return self.key.namespace or "default"


class Source(NamedTuple):
    """The program that records an Event, and which one of them it is: `instance`, and `host` where that is a server."""

    component: str
    instance: str = ""
    host: str = ""


def event(about: About, by: Source, name: str, type_: str, reason: str, message: str, now: float) -> dict[str, Any]:
    """The Event, of the API version v1, that is seen for the first time; what is empty is left out."""
    time = format_time(now)
    involved = {
        "apiVersion": about.api_version,
        "kind": about.kind,
        "name": about.key.name,
        "namespace": about.key.namespace,
        "uid": about.uid,
    }
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": about.namespace},
        "involvedObject": _filled(involved),
        "type": type_,
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "source": _filled({"component": by.component, "host": by.host}),
        "reportingComponent": by.component,
        "reportingInstance": by.instance,
    }
    return _filled(body)


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value != ""}
