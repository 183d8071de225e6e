"""What an action is at the API: one write of one object, and what it makes of it. Pure.

The operator sends the write, and a rehearsal and the tests do it in thought; all three take it from here.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from starlink.api.kinds import Kind
from starlink.api.merge_patch import difference, merge
from starlink.api.meta import ObjectKey
from starlink.api.status import default_of, fields_of
from starlink.planning.plan import Apply, Create, Delete, Patch, ReleaseFinalizer, UpdateStatus, Writing

O = TypeVar("O")  # noqa: E741 - an object


@dataclass(frozen=True, slots=True)
class Effect:
    """One write. `body` is the object that is created, or the merge patch of one that is there: of the object with this
    UID, and where `resource_version` is given, only while it has that."""

    verb: Literal["create", "patch", "delete"]
    kind: Kind
    key: ObjectKey
    body: dict[str, Any]
    uid: str = ""
    resource_version: str = ""
    subresource: str = ""

    @property
    def conditional(self) -> dict[str, Any]:
        """The patch with its conditions in it, as the API takes them."""
        version = {"resourceVersion": self.resource_version} if self.resource_version else {}
        return {**self.body, "metadata": {"uid": self.uid, **version, **self.body.get("metadata", {})}}


def effect(action: Writing) -> Effect:
    """The write that an action is."""
    match action:
        case Create(kind, manifest):
            meta = manifest["metadata"]
            return Effect("create", kind, ObjectKey(meta.get("namespace", ""), meta["name"]), manifest)
        case Apply(kind, key, uid, version, had, spec):
            return Effect("patch", kind, key, {"spec": difference(had, spec)}, uid, version)
        case Patch(kind, key, uid, patch, version):
            return Effect("patch", kind, key, patch, uid, version)
        case UpdateStatus(kind, key, uid, status, version):
            return Effect("patch", kind, key, {"status": status}, uid, version, "status")
        case ReleaseFinalizer(kind, key, uid, version, finalizers, finalizer):
            left = [name for name in finalizers if name != finalizer]
            return Effect("patch", kind, key, {"metadata": {"finalizers": left or None}}, uid, version)
        case Delete(kind, key, uid):
            return Effect("delete", kind, key, {}, uid)


class _Held(msgspec.Struct, rename="camel"):
    """What decides whether a write is done, and whether the object stays."""

    uid: str = ""
    resource_version: str = ""
    finalizers: tuple[str, ...] = ()
    deletion_timestamp: str | None = None


def holds(done: Effect, obj: Any) -> bool:
    """Whether the object is the one that is meant, as it was seen."""
    held = _held(obj)
    return done.uid == held.uid and done.resource_version in ("", held.resource_version)


def after(done: Effect, obj: O, now: str) -> O | None:
    """What a patch or deletion makes of an object, a view or plain JSON: the same where the conditions don't hold, None
    when it is gone. `now` is RFC 3339."""
    if not holds(done, obj):
        return obj
    body = done.body
    if done.verb == "delete":
        body = {"metadata": {"deletionTimestamp": _held(obj).deletion_timestamp or now}}
    changed = patched(obj, body)
    held = _held(changed)
    return None if held.deletion_timestamp is not None and not held.finalizers else changed


def patched(obj: O, patch: Any) -> O:
    """A view, or plain JSON, after a merge patch. A view keeps all that the patch leaves alone as it is."""
    if not isinstance(obj, msgspec.Struct):
        merged: O = merge(obj, patch)
        return merged
    fields = fields_of(type(obj))
    known = [(fields[name], value) for name, value in patch.items() if name in fields]
    changed = {field.name: _field(field, getattr(obj, field.name), value) for field, value in known}
    return msgspec.structs.replace(obj, **changed)


def _field(field: msgspec.structs.FieldInfo, value: Any, patch: Any) -> Any:
    if isinstance(value, msgspec.Struct) and isinstance(patch, dict):
        return patched(value, patch)
    if patch is None and not field.required:
        return default_of(field)
    return msgspec.convert(merge(msgspec.to_builtins(value), patch), field.type)


def _held(obj: Any) -> Any:
    """The metadata of a view, or of plain JSON the fields of `_Held`, which have the same names."""
    return obj.metadata if isinstance(obj, msgspec.Struct) else msgspec.convert(obj["metadata"], _Held)  # type: ignore[attr-defined]
