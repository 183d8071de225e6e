"""Whether an object fits the URL it was sent to. Pure."""

from starlink.api import errors
from starlink.api.errors import Cause
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource


def check_envelope(resource: Resource, namespace: str, name: str, obj: Obj) -> None:
    """Fills in absent metadata, and of a built-in kind an absent apiVersion and kind; refuses what does not fit the URL
    with a 400, a custom object of another kind with a 422."""
    if resource.custom:
        check_typed(resource, obj)
    for field, said in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if obj.get(field, "") in (None, ""):
            obj[field] = said
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    if obj["apiVersion"] != resource.api_version or obj["kind"] != resource.kind:
        raise _another_kind(resource, obj)
    meta = obj["metadata"]
    if not isinstance(meta, dict):
        raise errors.bad_request(
            f"metadata of the {resource.kind} must be an object, not {type(meta).__name__}", "metadata"
        )
    check_place(resource, namespace, name, meta)


def check_place(resource: Resource, namespace: str, name: str, meta: Obj) -> None:
    """Refuses metadata that names another place than the URL with a 400, and drops a namespace of what lies in none."""
    if name and (meta.get("name") or name) != name:
        why = f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        raise errors.bad_request(why, "metadata.name")
    if name and not meta.get("name"):
        why = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise errors.bad_request(why, "metadata.name")
    if not resource.namespaced and isinstance(meta.get("namespace"), str | None):
        meta.pop("namespace", None)
    elif meta.get("namespace") and meta["namespace"] != namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
            "metadata.namespace",
        )


def check_typed(resource: Resource, obj: Obj) -> None:
    """Refuses an object that does not say what it is with a 400: custom ones, and what is applied."""
    for field, word in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        if not obj.get(field):
            why = f"the object provided is unrecognized (must be of type {resource.kind}): Object '{word}' is missing"
            raise errors.bad_request(f"{why}; write {field}: {getattr(resource, _SAID[field])}", field)


_SAID = {"kind": "kind", "apiVersion": "api_version"}


def _another_kind(resource: Resource, obj: Obj) -> errors.StatusError:
    version, kind = obj["apiVersion"], obj["kind"]
    if not resource.custom:
        short = str(version).rpartition("/")[2]
        return errors.bad_request(
            f'{kind} in version "{short}" cannot be handled as a {resource.kind}: '
            f"{version} {kind} is not the {resource.api_version} {resource.kind} of this URL",
            "apiVersion",
            "kind",
        )
    if version != resource.api_version:
        return errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})",
            "apiVersion",
        )
    meta = obj["metadata"]
    name = str(meta.get("name", "")) if isinstance(meta, dict) else ""
    cause = Cause("FieldValueInvalid", f'Invalid value: "{kind}": must be {resource.kind}', "kind")
    return errors.invalid(resource.group, str(kind), name, (cause,))
