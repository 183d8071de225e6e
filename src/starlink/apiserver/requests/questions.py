"""The body of a request that is answered and not kept, such as a review or a TokenRequest."""

from starlink.api import errors
from starlink.apiserver.objects.envelope import check_envelope
from starlink.apiserver.requests import bodies
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.apiserver.validation import metadata_types
from starlink.http.message import Request


def read(request: Request, registry: Registry, resource: Resource, namespace: str, name: str = "") -> Obj:
    """The body, which fits its URL and the schema of `resource`. Raises StatusError 400, 415 or 422."""
    obj = bodies.read(request, registry)
    given = obj.get("metadata")
    if name and isinstance(given, dict | None):
        obj["metadata"] = {"name": name, **(given or {})}
    check_envelope(resource, namespace, name, obj)
    causes = (*metadata_types.check(obj["metadata"]), *resource.schema.validate(obj, None))
    if causes:
        raise errors.invalid(resource.group, resource.kind, name, causes)
    return obj
