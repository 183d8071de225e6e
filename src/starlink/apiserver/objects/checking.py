"""Whether an object may be written as it is. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice

from starlink.api import errors
from starlink.api.errors import MOST_CAUSES, Cause
from starlink.apiserver.names import CRDS, NAMESPACES, NO_VERSION, REPLACED_BY_VERSION
from starlink.apiserver.objects import scale
from starlink.apiserver.objects.advising import with_advice
from starlink.apiserver.objects.backing import MODIFIED
from starlink.apiserver.objects.contract import Write
from starlink.apiserver.objects.options import DeleteOptions
from starlink.apiserver.objects.refusals import listed, undecodable
from starlink.apiserver.resources import conversion, encoding
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import BadValue, Resource
from starlink.apiserver.schema.causes import invalid
from starlink.apiserver.schema.correlation import same_but_for_metadata
from starlink.apiserver.validation import metadata, values

MAX_OBJECT = 1_500_000


def prepare(write: Write, obj: Obj, old: Obj | None) -> None:
    """Puts into `obj` what its kind says itself. Raises StatusError as `undecodable`."""
    step = write.resource.strategy.prepare
    if step is None:
        return
    try:
        step(obj, old)
    except BadValue as error:
        raise undecodable(write, obj, str(error), (error.field,)) from None


def validate(write: Write, obj: Obj, old: Obj | None) -> None:
    """Raises StatusError 422; 400 for fields of a built-in kind that are of another type. What is as it was in `old` is
    not refused, so that an object that was let in by other rules can still be written, and go."""
    resource = write.resource
    causes = _causes(write, obj, old)
    if causes and old is not None and not resource.custom:  # what lay in the store is without the defaults of today
        causes = _causes(write, obj, resource.schema.conform(old, defaults=True)[0])
    if not causes:
        return
    wrong = [cause for cause in causes if cause.reason == "FieldValueTypeInvalid"]
    if wrong and not resource.custom:
        raise undecodable(write, obj, listed(wrong), (cause.field for cause in wrong))
    told = tuple(with_advice(resource, obj, causes))
    raise errors.invalid(resource.group, resource.kind, obj["metadata"].get("name", ""), told)


def _causes(write: Write, obj: Obj, old: Obj | None) -> list[Cause]:
    resource = write.resource
    meta, before = obj["metadata"], old["metadata"] if old is not None else {}
    causes = metadata.check(meta, resource.name_rule, before, begun=old is None or not resource.custom)
    if not resource.custom and resource.storage != CRDS:
        causes += metadata.check_standard(meta, before)
    lasting = old is not None and (bool(write.subresource) or same_but_for_metadata(obj, old))
    misshapen = resource.schema.validate(obj, old, subresource=write.subresource)
    if not misshapen and old is not None and not lasting and resource.strategy.check is not None:
        misshapen = resource.schema.validate(obj, None)  # its kind reads it whole
    causes += misshapen or islice(_unfit(resource, obj, old, lasting=lasting), MOST_CAUSES + 1)
    if resource.scale is not None:
        causes += scale.check(resource.scale, obj, old)
    if old is not None and obj["metadata"].get("deletionTimestamp"):
        causes += _check_no_new_finalizers(obj, old)
    return causes


def _unfit(resource: Resource, obj: Obj, old: Obj | None, *, lasting: bool) -> Iterator[Cause]:
    """Why its kind refuses the object. `lasting`: what the kind looks at is as it was, and is refused only for what it
    did not have wrong before; nothing when it was not even of the right shape."""
    check = resource.strategy.check
    if check is None:
        return
    if old is None or not lasting:
        yield from check(resource, obj, old)
    elif not resource.schema.validate(old, None):
        known = set(check(resource, old, old))
        yield from (cause for cause in check(resource, obj, old) if cause not in known)


def _check_no_new_finalizers(obj: Obj, old: Obj) -> list[Cause]:
    added = set(finalizers(obj)) - set(finalizers(old))
    if not added:
        return []
    why = (
        "Forbidden: no new finalizers can be added if the object is being deleted, "
        f"found new finalizers []string{{{_quoted(added)}}}"
    )
    return [Cause("FieldValueForbidden", why, "metadata.finalizers")]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names))


def check_preconditions(write: Write, old: Obj, meta: Obj, *, patch: bool) -> None:
    """Whether the writer means this very object; `meta` is what it says of it. A patch of a subresource says so by the
    resourceVersion alone. Raises StatusError 409 or 422.

    https://github.com/kubernetes/apiserver/blob/release-1.32/pkg/registry/generic/registry/store.go (Update)
    """
    resource, was, uid = write.resource, old["metadata"], meta.get("uid")
    _check_version(resource, was, meta.get("resourceVersion"))
    if uid and uid != was["uid"] and not patch:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {was['uid']}"
        refused = errors.conflict(resource.group, resource.plural, was["name"], why)
        refused.fields = ("metadata.uid",)
        raise refused
    if write.subresource:
        return
    for field in _LASTING:
        if meta.get(field) not in (None, "", was.get(field)):
            cause = invalid(f"metadata.{field}", meta[field], "field is immutable")
            raise errors.invalid(resource.group, resource.kind, was["name"], (cause,))


_LASTING = ("uid", "deletionTimestamp", "deletionGracePeriodSeconds")


def _check_version(resource: Resource, was: Obj, version: str | None) -> None:
    """Some kinds are not replaced blindly. Raises StatusError 409 or 422."""
    if version and version != NO_VERSION:
        if version != was["resourceVersion"]:
            raise errors.conflict(resource.group, resource.plural, was["name"], MODIFIED)
    elif resource.custom or resource.storage in REPLACED_BY_VERSION:
        cause = Cause("FieldValueInvalid", _UNVERSIONED, "metadata.resourceVersion", has_value=False)
        raise errors.invalid(resource.group, resource.plural, was["name"], (cause,))


_UNVERSIONED = "Invalid value: 0x0: must be specified for an update"


def check_deletion(resource: Resource, meta: Obj, options: DeleteOptions) -> None:
    """Whether the object is the one that is to be deleted. Raises StatusError 409."""
    for word, wanted, found, guess in (
        ("UID", options.uid, meta["uid"], "deleted and then recreated"),
        ("ResourceVersion", options.resource_version, meta["resourceVersion"], "modified"),
    ):
        if wanted and wanted != found:
            why = (
                f"the {word} in the precondition ({wanted}) does not match the {word} in record ({found}). "
                f"The object might have been {guess}"
            )
            raise errors.conflict(resource.group, _named(resource), meta["name"], why)


def _named(resource: Resource) -> str:
    """What a deletion's refusal calls it, which some kinds have by themselves."""
    return resource.plural if resource.storage in (NAMESPACES, CRDS) else resource.kind


def sized(resource: Resource, obj: Obj, stored: bytes = b"") -> bytes:
    """The bytes to store in place of what is stored. Raises StatusError 413; what has too many values already may keep
    them."""
    body = encoding.to_stored(conversion.to_stored(resource, obj))
    if len(body) > MAX_OBJECT:
        raise errors.too_large(f"the object has {len(body)} bytes; at most {MAX_OBJECT} are stored")
    if values.is_too_many(body) and not values.is_too_many(stored):
        raise values.too_many("the object, with its managedFields,")
    return body


def finalizers(obj: Obj) -> list[str]:
    return list(obj["metadata"].get("finalizers") or [])


def has_contents(resource: Resource) -> bool:
    """Whether it is a namespace: its spec.finalizers hold it until the garbage collector has emptied it."""
    return resource.storage == NAMESPACES
