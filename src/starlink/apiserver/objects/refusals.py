"""How a write is refused, in the words of the real server. Pure."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from starlink.api import errors
from starlink.api.errors import Cause, StatusError
from starlink.apiserver.objects.contract import Write
from starlink.apiserver.resources.encoding import Obj, dump
from starlink.apiserver.resources.resource import Resource

_SHOWN = 1000
_SECRETS = "/secrets"
_UNREADABLE, _INVALID = 400, 422


def listed(causes: Sequence[Cause]) -> str:
    """The first causes, as they are told of what can't be read."""
    told = [f"{cause.field}: {cause.message}" for cause in causes[: errors.MOST_CAUSES]]
    return "; ".join([*told, errors.MORE] if len(causes) > len(told) else told)


@contextlib.contextmanager
def warned(warnings: tuple[str, ...]) -> Iterator[None]:
    """Whoever is refused within it is told the warnings too, unless the object can't be read."""
    try:
        yield
    except StatusError as error:
        if error.code != _UNREADABLE and (error.code != _INVALID or error.kind):
            error.warnings = (*warnings, *error.warnings)
        raise


def undecodable(write: Write, obj: Obj, why: str, fields: Iterable[str]) -> StatusError:
    """What can't be read as its kind, for what is in `fields`: 400; and 422 when a patch made it so.

    https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/handlers/patch.go (applyPatchToCurrentObject)
    """
    resource = write.resource
    if not write.options.patch:
        kind = resource.kind
        return errors.bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {why}', *fields
        )
    cause = Cause("FieldValueInvalid", f"Invalid value: {_shown(resource, obj)}: {why}", "patch")
    refused = errors.invalid("", "", "", (cause,))
    refused.fields = tuple(fields)
    return refused


def _shown(resource: Resource, obj: Obj) -> str:
    """The object as a quoted string, but for what is secret."""
    if resource.storage == _SECRETS:
        return '"<secret contents redacted>"'
    text = dump(obj).decode()
    return msgspec.json.encode(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…").decode()


def untypable(resource: Resource, namespace: str, name: str, path: str, why: str) -> StatusError:
    """Of a configuration of which nobody can own what is at the path. The real server says so with a 500."""
    return errors.bad_request(
        f"failed to create typed patch object ({namespace}/{name}; {resource.api_version}, Kind={resource.kind}): "
        f"{path}: {why}"
    )
