"""Server-side apply: a configuration laid over an object, or made one.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from starlink.api import errors
from starlink.api.errors import MOST_CAUSES
from starlink.apiserver import aside
from starlink.apiserver.objects import fieldset, managed
from starlink.apiserver.objects.backing import Backing
from starlink.apiserver.objects.checking import check_preconditions, prepare
from starlink.apiserver.objects.contract import Write, Written
from starlink.apiserver.objects.creating import create_shaped
from starlink.apiserver.objects.envelope import check_envelope, check_typed
from starlink.apiserver.objects.managed import Entry
from starlink.apiserver.objects.refusals import untypable, warned
from starlink.apiserver.objects.shaping import claim, conformed, merged, tidy, without_managed, without_status
from starlink.apiserver.objects.updating import Replacement
from starlink.apiserver.objects.updating import replace as replaced
from starlink.apiserver.objects.veil import veiled
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.schema import causes, structure
from starlink.apiserver.schema.structure import Node
from starlink.apiserver.validation import metadata
from starlink.store.base import Record


def read(write: Write, namespace: str, name: str, config: Obj) -> Obj:
    """The configuration as it can be applied. Raises StatusError 400."""
    resource, given = write.resource, config.get("metadata")
    check_typed(resource, config)
    if isinstance(given, dict | None):  # who names nothing means the object of the URL
        config["metadata"] = {"name": name, **(given or {})}
    check_envelope(resource, namespace, name, config)
    meta = config["metadata"]
    if isinstance(meta, dict) and meta.get("managedFields") is not None:
        raise errors.bad_request("metadata.managedFields must be nil")
    strict = replace(write, options=replace(write.options, field_validation="Warn"))  # whatever the request asks for
    config, warnings = conformed(strict, config, {}, defaults=False)
    if warnings:
        path = warnings[0].removeprefix('unknown field "').removesuffix('"')
        raise untypable(resource, namespace, name, f".{path}", "field not declared in schema")
    for path, entry in fieldset.twins(resource.schema.node, config):
        raise untypable(resource, namespace, name, path, f"duplicate entries for key {entry}")
    return config


def _check_nulls(resource: Resource, applied: Obj, subresource: str) -> None:
    """A custom kind does not take null for absent from who applies it, in what that write is of. Raises StatusError
    422."""
    if not resource.custom:
        return
    if resource.status and not subresource:
        applied = {name: part for name, part in applied.items() if name != "status"}
    nulls = islice(structure.misplaced_nulls(resource.schema.node, applied), MOST_CAUSES + 1)
    wrong = tuple(
        causes.wrong_type(path, None, f'{path} in body must be of type {_type(node)}: "null"') for path, node in nulls
    )
    if wrong:
        raise errors.invalid(resource.group, resource.kind, applied["metadata"].get("name", ""), wrong)


def _type(node: Node) -> str:
    return "integer,string" if node.schema.get("x-kubernetes-int-or-string") else str(node.schema.get("type", ""))


async def apply_new(backing: Backing, write: Write, namespace: str, config: Obj) -> Written:
    """Creates the object. Raises StatusError."""
    resource, meta = write.resource, config["metadata"]
    if meta.get("uid"):
        why = f"uid mismatch: the provided object specified uid {meta['uid']}, and no existing object was found"
        raise errors.conflict(resource.group, resource.plural, meta["name"], why)
    if (version := meta.get("resourceVersion")) and not version.isdecimal():
        raise errors.bad_request(f"metadata.resourceVersion: {causes.shown(version)} is no number")
    writer = backing.writer(write, managed.APPLY)

    def fitted() -> tuple[Obj, Sequence[Entry], tuple[str, ...]]:
        obj, entries = managed.applied(
            resource.schema.node, None, config, (), writer, force=write.options.force, status=resource.status
        )
        _check_nulls(resource, obj, "")
        obj = without_status(resource, resource.schema.conform(obj, defaults=True)[0])
        warnings = metadata.prepare(obj["metadata"], patch=True)
        warnings += metadata.finalizer_warnings(obj["metadata"]) if resource.custom else ()
        return tidy(obj), entries, warnings

    return await create_shaped(backing, write, namespace, *await aside.run(write.weight(), fitted))


async def apply_over(backing: Backing, write: Write, current: Record, config: Obj) -> Written:
    """Lays the configuration over the object. Raises Conflict, and StatusError 409 with a cause for each field that
    another manager owns."""
    with veiled(write, current.key.name):
        step = await aside.run(write.weight(current), lambda: _laid_over(backing, write, current, config))
        with warned(step.warnings):
            return await replaced(backing, write, step)


def _laid_over(backing: Backing, write: Write, current: Record, config: Obj) -> Replacement:
    resource = write.resource
    old = encoding.to_object(current, resource)
    kept = managed.stored(old["metadata"]) or ()
    wanted, entries = managed.applied(
        resource.schema.node,
        without_managed(old),
        claim(resource, config, write.subresource),
        kept,
        backing.writer(write, managed.APPLY),
        force=write.options.force,
        status=resource.status,
    )
    check_preconditions(write, old, {**old["metadata"], **config["metadata"]}, patch=True)
    _check_nulls(resource, wanted, write.subresource)
    wanted, _ = resource.schema.conform(wanted, defaults=True)
    new = merged(resource, old, tidy(wanted), write.subresource)
    prepare(write, new, old)
    warnings = metadata.prepare(new["metadata"], old["metadata"], patch=True)
    if resource.custom and not write.subresource:
        warnings += metadata.finalizer_warnings(new["metadata"], old["metadata"])
    return Replacement(current, old, new, managed.written(kept), lambda: entries, warnings)
