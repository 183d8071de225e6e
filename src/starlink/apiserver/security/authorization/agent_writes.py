"""What the bodies of an agent's writes may hold. Pure.

`agent_access` decides by verb and name, and sees no body. An agent is trusted with one server, and its token may be in
a task's hands by a flaw of that server: so it writes what it observes and nothing that people or the operator say.

- Of its Server it writes the facts: three labels, once each, and its own part of the status. Pool, taints and further
  labels decide what comes to a server, so people set them (`starlink server add`).
- Metadata reaches further than the object that bears it: a finalizer keeps a namespace from ending, an owner reference
  with `blockOwnerDeletion` keeps another's object. An agent's objects bear none but what its Server needs.
- managedFields decide what a later server-side apply takes away: an agent brings them as they are, or none, and the API
  server notes its write in them. It writes under a manager's name of its own, and under no other part's.
- An Event is its own when it is about its Server, or an Assignment of its server, and bears its server's name as the
  reporter. The name of an Event begins with that of its object, so that it takes no name of another's Event.

As Kubernetes has its NodeRestriction beside its node authorizer:
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from starlink.api import labels
from starlink.apiserver.names import EVENTS
from starlink.apiserver.resources import conversion
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.security.certificates import signing_requests
from starlink.http import subject
from starlink.store.base import Key

Find = Callable[[Key], Obj | None]
"""A stored object, None when there is none."""
Faults = Iterator[tuple[str, str]]
"""The field that may not be written so, and why."""

COMPONENT = "starlink-agent"
UNNAMED = "unknown"
"""The manager of a write whose client names neither a manager nor itself, as the agent does."""
ASSIGNMENTS = "starlink.dev/assignments"
SERVERS = "starlink.dev/servers"
MOST_BYTES = 8 * 1024
"""What an Event may have beside its metadata; a message of 1,024 bytes and what belongs to it have half of that."""

_FACTS = (labels.ARCHITECTURE, labels.OPERATING_SYSTEM, labels.HOSTNAME)
_OBSERVED = (
    "machineID", "architecture", "operatingSystem", "kernelVersion", "agentVersion", "tokenExpires", "addresses",
    "capacity", "allocatable", "runtimes", "features", "orphans",
)  # fmt: skip
_STAMPED = (
    "name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
)  # fmt: skip
"""Metadata that names the object, or that the API server itself writes."""
_GROUP = labels.TASK.partition("/")[0]


def faults(server: str, resource: Resource, obj: Obj, old: Obj | None, find: Find) -> Faults:
    """What the agent of `server` may not write in `obj`, which takes the place of `old`. `find` sees writes that are
    still on their way to the disk."""
    check = _CHECKS.get(resource.storage)
    if check is None:
        yield "kind", "an agent writes no objects of this kind"
        return
    yield from check(server, resource, obj, old, find)


def manager_fault(manager: str) -> str:
    """Why an agent may not write under a manager's name; "" where it may."""
    if manager == UNNAMED or manager.startswith(COMPONENT):
        return ""
    return f"{manager!r} is not the agent's; leave it out, or give a name that begins with {COMPONENT}"


def is_own_event(event: Obj, server: str) -> bool:
    """Whether the agent of `server` has reported an Event, as it is stored."""
    return not any(_not_reporter(event, server))


# Servers


def _server(server: str, _resource: Resource, obj: Obj, old: Obj | None, _find: Find) -> Faults:
    way = f"people set it, and not the agent: starlink server add {server} --pool POOL --label KEY=VALUE"
    before: Obj = old or {"metadata": {}, "spec": {}, "status": {}}
    yield from _metadata(obj, old, way, kept=("labels", "finalizers"))
    added = [name for name in _names(obj, "finalizers") if name not in _names(before, "finalizers")]
    yield from (("metadata.finalizers", f"{name}: {way}") for name in added if name != labels.DRAINED_FINALIZER)
    if old is not None and set(_names(old, "finalizers")) - set(_names(obj, "finalizers")):
        yield "metadata.finalizers", "an agent takes none away"
    was, now = (one["metadata"].get("labels") or {} for one in (before, obj))
    for key in sorted(was.keys() | now.keys()):
        if was.get(key) != now.get(key) and (key not in _FACTS or key in was):
            yield f"metadata.labels[{key}]", way
    yield from ((f"spec.{field}", way) for field in _changed(before.get("spec"), obj.get("spec")))
    changed = _changed(before.get("status"), obj.get("status"))
    yield from ((f"status.{field}", "the operator writes it") for field in changed if field not in _OBSERVED)


def _changed(was: Any, now: Any) -> list[str]:
    """The fields that differ; one that says nothing, as a default does, is as good as none."""
    before, after = was or {}, now or {}
    return [field for field in sorted(before.keys() | after.keys()) if _said(before, field) != _said(after, field)]


def _said(part: Obj, field: str) -> Any:
    return part.get(field) or None


# What else an agent writes


def _assignment(_server: str, _resource: Resource, obj: Obj, old: Obj | None, _find: Find) -> Faults:
    """Only its status is in an agent's reach; see `agent_access`."""
    yield from _metadata(obj, old, "an agent writes the status alone")


def _lease(server: str, _resource: Resource, obj: Obj, old: Obj | None, _find: Find) -> Faults:
    yield from _metadata(obj, old, "an agent's Lease bears none")
    holder = (obj.get("spec") or {}).get("holderIdentity")
    if holder not in (None, "", server):
        yield "spec.holderIdentity", f"it must be {server}, the agent's own server"


def _request(server: str, _resource: Resource, obj: Obj, old: Obj | None, _find: Find) -> Faults:
    """A certificate is asked for by an agent in its own name only, so that nobody approves another by mistake."""
    yield from _metadata(obj, old, "an agent's request bears none")
    spec = obj["spec"]
    if spec["signerName"] != signing_requests.AGENT_SIGNER:
        yield "spec.signerName", f"an agent may only ask signer {signing_requests.AGENT_SIGNER} for a certificate"
    named = subject.account(signing_requests.parse(spec["request"]).subject)
    if named is None or (named.namespace, named.name) != (labels.SERVER_NAMESPACE, server):
        whose = f"{subject.ACCOUNT_PREFIX}{labels.SERVER_NAMESPACE}:{server}"
        yield "spec.request", f"the subject's common name must be {whose}, the agent's own"


# Events


def _event(server: str, resource: Resource, obj: Obj, old: Obj | None, find: Find) -> Faults:
    event = conversion.to_stored(resource, obj)
    yield from _metadata(event, old, "an agent's Events bear none")
    if old is not None and event.get("involvedObject") != conversion.to_stored(resource, old).get("involvedObject"):
        yield conversion.field_name(resource, "involvedObject"), "an agent may not make it another object's"
    told = (*_not_reporter(event, server), *_not_about(event, server, find if old is None else None))
    yield from ((conversion.field_name(resource, field), why) for field, why in told)
    if event.get("related"):
        yield "related", "an agent's Events are about one object"
    size = len(msgspec.json.encode({field: value for field, value in event.items() if field != "metadata"}))
    if size > MOST_BYTES:
        yield "", f"it has {size} bytes beside its metadata; an agent's Event may have {MOST_BYTES}"


def _not_reporter(event: Obj, server: str) -> Faults:
    source = event.get("source") or {}
    reporters = {"reportingInstance": event.get("reportingInstance"), "source.host": source.get("host")}
    if not any(reporters.values()):
        yield "reportingInstance", f"it must be {server}, the agent's own server"
    for field, instance in reporters.items():
        if instance and instance != server:
            yield field, f"it must be {server}, the agent's own server"
    components = {"reportingComponent": event.get("reportingComponent"), "source.component": source.get("component")}
    for field, component in components.items():
        if component and component != COMPONENT:
            yield field, f"it must be {COMPONENT}"


def _not_about(event: Obj, server: str, find: Find | None) -> Faults:
    """`find` None for an Event that is there: its object may be gone meanwhile."""
    about, meta = event.get("involvedObject") or {}, event["metadata"]
    name, namespace = about.get("name") or "", about.get("namespace") or ""
    kind = about.get("kind") if (about.get("apiVersion") or "").partition("/")[0] == _GROUP else None
    if not meta["name"].startswith(f"{name}."):
        yield "metadata.name", f"it must begin with {name}., the name of the object"
    if kind == "Server":
        if (name, namespace, meta.get("namespace")) != (server, "", "default"):
            yield "involvedObject", f"it must be Server {server}, the agent's own, and the Event in namespace default"
    elif kind != "Assignment" or namespace != meta.get("namespace"):
        yield "involvedObject", f"it must be Server {server}, or an Assignment there in the Event's own namespace"
    if find is None:
        return
    found = find(Key(SERVERS, "", name) if kind == "Server" else Key(ASSIGNMENTS, namespace, name))
    if kind == "Assignment" and (found is None or found["spec"].get("server") != server):
        yield "involvedObject", f"it must be an Assignment of server {server}"
    elif found is not None and about.get("uid") not in (None, "", found["metadata"]["uid"]):
        yield "involvedObject.uid", f"it must be {found['metadata']['uid']}, or empty"


# Metadata


def _metadata(obj: Obj, old: Obj | None, why: str, kept: tuple[str, ...] = ()) -> Faults:
    """What differs of the metadata, but for what the API server stamps and what is looked at by itself."""
    before = old["metadata"] if old is not None else {}
    for field in _changed(before, obj["metadata"]):
        if field == "managedFields" and old is not None:
            yield f"metadata.{field}", "an agent leaves it as it is: leave it out, and the API server keeps it"
        elif field not in _STAMPED and field not in kept:
            yield f"metadata.{field}", why


def _names(obj: Obj, field: str) -> list[str]:
    return list(obj["metadata"].get(field) or ())


_CHECKS: dict[str, Callable[[str, Resource, Obj, Obj | None, Find], Faults]] = {
    SERVERS: _server,
    ASSIGNMENTS: _assignment,
    "coordination.k8s.io/leases": _lease,
    signing_requests.STORAGE: _request,
    EVENTS: _event,
}
