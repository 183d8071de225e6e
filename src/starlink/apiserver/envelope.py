"""Whether an object fits the URL it was sent to. Pure."""

from starlink.apiserver import errors
from starlink.apiserver.encoding import Obj
from starlink.apiserver.resource import Resource


def check_envelope(resource: Resource, namespace: str, name: str, obj: Obj) -> None:
    """Fills in an absent apiVersion, kind and metadata; refuses what does not fit the URL with a 400."""
    obj.setdefault("apiVersion", resource.api_version)
    obj.setdefault("kind", resource.kind)
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    for field, right in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if obj[field] != right:
            raise errors.bad_request(
                f"{field} in the data ({obj[field]}) does not match the expected {right} of this URL"
            )
    meta = obj["metadata"]
    if not isinstance(meta, dict):
        return
    if name and (meta.get("name") or name) != name:
        raise errors.bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
    if name:
        meta["name"] = name
    if meta.get("namespace") and meta["namespace"] != namespace:
        raise errors.bad_request(
            f"the namespace of the provided object does not match the namespace sent on the request "
            f"({meta['namespace']} is not {namespace or 'cluster-wide'})"
        )


def namespace_of(obj: Obj) -> str:
    """The namespace in the body, for a create that has none in its URL. Raises StatusError 400."""
    meta = obj.get("metadata")
    namespace = meta.get("namespace") if isinstance(meta, dict) else None
    if not isinstance(namespace, str) or not namespace:
        raise errors.bad_request("an empty namespace may not be set during creation")
    return namespace
