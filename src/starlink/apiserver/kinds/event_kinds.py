"""What holds of Events beyond their schema: of those with an eventTime, and of all that events.k8s.io/v1 writes. Pure.

https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/events.go
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from starlink.api.errors import Cause
from starlink.apiserver.resources import conversion
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.schema.formats import qualified_faults

Obj = dict[str, Any]

_WITHOUT_NAMESPACE = ("default", "kube-system")
_FIELDS = {"reportingComponent": "reportingController"}  # what the real server calls it inside
_REQUIRED = ("reportingComponent", "reportingInstance", "action", "reason")
_MOST = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
_DEPRECATED = ("firstTimestamp", "lastTimestamp", "count", "source")
_LASTING = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime",
    "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip


def check(resource: Resource, obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """Why an Event is refused, whichever of the two groups it is written through."""
    event = conversion.to_stored(resource, obj)
    yield from _check_namespace(event)
    if event.get("eventTime"):
        yield from _check_report(event)
    if conversion.converts(resource):
        yield from _check_new(event) if old is None else _check_change(event, conversion.to_stored(resource, old))


def _check_namespace(event: Obj) -> Iterator[Cause]:
    """An Event lies beside the object it is about, or in `default` when that lies in no namespace."""
    namespace = event["metadata"].get("namespace", "")
    about = (event.get("involvedObject") or {}).get("namespace", "")
    if event.get("eventTime"):
        fits = bool(about) or namespace in _WITHOUT_NAMESPACE
    else:
        fits = about == namespace if about else namespace == "default"
    if not fits:
        yield _invalid("involvedObject.namespace", about, "does not match event.namespace")


def _check_report(event: Obj) -> Iterator[Cause]:
    for field in _REQUIRED:
        if not event.get(field):
            yield Cause("FieldValueRequired", "Required value", _FIELDS.get(field, field))
    controller = event.get("reportingComponent") or ""
    yield from (_invalid("reportingController", controller, why) for why in qualified_faults(controller))
    for field, most in _MOST.items():
        if len((event.get(field) or "").encode(errors="surrogatepass")) > most:
            yield _invalid(field, "", f"can have at most {most} characters")


def _check_new(event: Obj) -> Iterator[Cause]:
    yield from _check_series(event)
    if not event.get("eventTime"):
        yield Cause("FieldValueRequired", "Required value", "eventTime")
    if event.get("type") not in ("Normal", "Warning"):
        yield _invalid("type", "", f"has invalid value: {event.get('type') or ''}")
    yield from (_invalid(field, "", "needs to be unset") for field in _DEPRECATED if event.get(field))


def _check_change(event: Obj, old: Obj) -> Iterator[Cause]:
    if (event.get("series") or None) != (old.get("series") or None):
        yield from _check_series(event)
    for field in _LASTING:
        if (event.get(field) or None) != (old.get(field) or None):
            shown = event.get(field)
            yield _invalid(_FIELDS.get(field, field), "" if shown is None else shown, "field is immutable")


def _check_series(event: Obj) -> Iterator[Cause]:
    series = event.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        yield _invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield Cause("FieldValueRequired", "Required value", "series.lastObservedTime")


def _invalid(field: str, value: Any, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {msgspec.json.encode(value).decode()}: {why}", field)
