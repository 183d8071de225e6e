"""Who set which field: managedFields, and server-side apply. Pure.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import contextlib
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec

from starlink.api import errors
from starlink.api.errors import MOST_CAUSES, Cause, StatusError
from starlink.apiserver.objects import fieldset
from starlink.apiserver.objects.fieldset import Tree
from starlink.apiserver.schema.structure import Node, child
from starlink.apiserver.validation.metadata_types import is_time

APPLY, UPDATE = "Apply", "Update"
BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL = "kubectl"

Obj = dict[str, Any]

_LOOSE = Node(preserve=True)
_OF_THE_SERVER = (
    "name", "namespace", "generateName", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields",
)  # fmt: skip
_UNOWNED: Tree = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {f"f:{name}": {} for name in _OF_THE_SERVER},
}
_NO_STATUS: Tree = {**_UNOWNED, "f:status": {}}


class Writer(msgspec.Struct, frozen=True):
    """Who writes, by which subresource, as of which version; `time` is a timestamp."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str


class Entry(msgspec.Struct, frozen=True):
    """One manager's fields."""

    writer: Writer
    fields: Tree

    def is_of(self, writer: Writer) -> bool:
        """Whether it is the entry that a write of `writer` goes into."""
        mine = self.writer
        return (
            mine.manager == writer.manager
            and mine.operation == writer.operation
            and mine.api_version == writer.api_version
            and mine.subresource == writer.subresource
        )


def read(metadata: Obj) -> tuple[Entry, ...] | None:
    """The entries of an object. None when its writer asks that they be forgotten. Raises StatusError 422."""
    given = metadata.get("managedFields")
    if not isinstance(given, list):  # what is of another type is refused with the rest of the metadata
        return ()
    if given in ([], [{}]):
        return None
    return tuple(_read(entry, index) for index, entry in enumerate(given))


def given(new: Obj, old: Obj) -> tuple[Entry, ...] | None:
    """The entries that a write starts from: those in the write, else the stored ones. A write without entries, or with
    malformed ones, keeps the stored ones, for its client may know nothing of them. None as from `read`."""
    if "managedFields" in new:
        try:
            brought = read(new)
        except StatusError:
            brought = ()
        if brought != ():
            return brought
    return stored(old)


def stored(metadata: Obj) -> tuple[Entry, ...] | None:
    """The entries of a stored object, as from `read`, but for those that can't be read: a server of another version may
    have let them in."""
    given = metadata.get("managedFields")
    if not isinstance(given, list) or given in ([], [{}]):
        return read(metadata)
    entries = []
    for index, entry in enumerate(given):
        with contextlib.suppress(StatusError):
            entries.append(_read(entry, index))
    return tuple(entries)


def _read(entry: Any, index: int) -> Entry:
    try:
        writer = Writer(
            str(entry.get("manager", "")),
            entry["operation"],
            entry["apiVersion"],
            entry.get("subresource") or "",
            entry.get("time") or "",
        )
        fields = entry.get("fieldsV1") or {}
        texts = (writer.api_version, writer.subresource, writer.time)
        if writer.operation not in (APPLY, UPDATE) or not isinstance(fields, dict) or not all(map(_is_text, texts)):
            raise TypeError
        if writer.time and not is_time(writer.time):
            raise TypeError
    except (KeyError, TypeError, AttributeError):
        cause = Cause(
            "FieldValueInvalid",
            "Invalid value: an entry has an operation Apply or Update, an apiVersion and fieldsV1",
            f"metadata.managedFields[{index}]",
            has_value=False,
        )
        raise errors.invalid("", "", "", (cause,)) from None
    return Entry(writer, fields)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def written(entries: Sequence[Entry]) -> list[Obj]:
    """What metadata.managedFields says of the entries, Apply first, then by time."""
    ordered = sorted(entries, key=lambda e: (e.writer.operation, e.writer.time, e.writer.manager, e.writer.subresource))
    return [_written(entry) for entry in ordered]


def _written(entry: Entry) -> Obj:
    writer = entry.writer
    obj: Obj = {"manager": writer.manager, "operation": writer.operation, "apiVersion": writer.api_version}
    if writer.time:
        obj["time"] = writer.time
    obj |= {"fieldsType": "FieldsV1", "fieldsV1": entry.fields}
    if writer.subresource:
        obj["subresource"] = writer.subresource
    return obj


def created(node: Node, obj: Obj, writer: Writer, *, status: bool) -> list[Entry]:
    """The entries of a new object that was not applied; `status` as for `updated`, and the same result as from it for
    an object that was empty."""
    fields: Tree = {}
    for name, part in obj.items():
        below = child(node, name) or _LOOSE
        if name == "metadata":
            owned = {
                f"f:{field}": fieldset.whole(child(below, field) or _LOOSE, value)
                for field, value in part.items()
                if field not in _OF_THE_SERVER
            }
            if owned:
                fields["f:metadata"] = owned
        elif name not in ("apiVersion", "kind") and not (status and name == "status"):
            fields[f"f:{name}"] = fieldset.whole(below, part)
    return [Entry(writer, fields)] if fields else []


def updated(node: Node, old: Obj, new: Obj, entries: Sequence[Entry], writer: Writer, *, status: bool) -> list[Entry]:
    """The entries after a write that was no apply: what it changed is its writer's now. `status`: whether the kind
    has a status subresource, by which alone its status is written."""
    unowned = _NO_STATUS if status and not writer.subresource else _UNOWNED
    changed, removed = (fieldset.without(tree, unowned) for tree in fieldset.compare(node, old, new))
    if not changed and not removed:
        return list(entries)
    lost = fieldset.union(changed, removed)
    mine: Tree = {}
    others = []
    for entry in entries:
        if entry.is_of(writer):
            mine = fieldset.difference(entry.fields, removed)
        elif fields := fieldset.difference(entry.fields, lost):
            others.append(Entry(entry.writer, fields))
    fields = fieldset.union(mine, changed)
    return [*others, Entry(writer, fields)] if fields else others


def applied(
    node: Node, live: Obj | None, config: Obj, entries: Sequence[Entry], writer: Writer, *, force: bool, status: bool
) -> tuple[Obj, list[Entry]]:
    """The object after `config` was applied to it, and its entries. Raises StatusError 409 with a cause a conflict."""
    unowned = _NO_STATUS if status and not writer.subresource else _UNOWNED
    before = live or {}
    if live is not None and not entries:
        everything = fieldset.without(fieldset.compare(node, {}, live)[0], unowned)
        entries = [Entry(Writer(BEFORE_FIRST_APPLY, UPDATE, writer.api_version, "", writer.time), everything)]
    wanted = fieldset.without(fieldset.owned(node, config), unowned)
    last = next((entry.fields for entry in entries if entry.is_of(writer)), {})
    others = [entry for entry in entries if not entry.is_of(writer)]
    kept = fieldset.union(wanted, *(entry.fields for entry in others))
    result = _prune(node, _merge(node, before, config), last, kept, root=True)
    changed, removed = (fieldset.without(tree, unowned) for tree in fieldset.compare(node, before, result))
    conflicts = [(entry, fieldset.intersection(entry.fields, changed)) for entry in others]
    conflicts = [(entry, fields) for entry, fields in conflicts if fields]
    if conflicts and not force and not _migrates(node, before, writer, conflicts):
        raise conflict(conflicts)
    lost = fieldset.union(changed, removed)
    left = [Entry(entry.writer, fieldset.difference(entry.fields, lost)) for entry in others]
    _remember(result, before, config, writer)
    same = next((entry for entry in entries if entry.is_of(writer) and entry.fields == wanted), None)
    mine = [same or Entry(writer, wanted)] if wanted else []
    return result, [*(entry for entry in left if entry.fields), *mine]


def _merge(node: Node, live: Any, config: Any) -> Any:
    """`config` laid over `live`, entry by entry where the schema says so; null says nothing of parts with owners."""
    if config is None and isinstance(live, dict | list) and fieldset.granular(node, live):
        return live
    if type(live) is not type(config) or not fieldset.granular(node, config):
        return config
    if isinstance(config, dict):
        merged = dict(live)
        for name, part in config.items():
            below = child(node, name) or _LOOSE
            merged[name] = _merge(below, live[name], part) if name in live else part
        return merged
    return _merge_list(node, live, config)


def _merge_list(node: Node, live: list[Any], config: list[Any]) -> list[Any]:
    """In the order of `config`; what only `live` has stays before what followed it."""
    items = node.items or _LOOSE
    wanted = {fieldset.element(node, item): item for item in config}
    have = {fieldset.element(node, item): item for item in live}
    waiting = iter(wanted)
    placed: set[str] = set()
    merged: list[Any] = []
    for name, item in have.items():
        if name not in wanted:
            merged.append(item)
        while name in wanted and name not in placed:
            due = next(waiting)
            placed.add(due)
            merged.append(_merge(items, have[due], wanted[due]) if due in have else wanted[due])
    return merged + [wanted[name] for name in waiting]


def _prune(node: Node, value: Any, last: Tree, kept: Tree, *, root: bool = False) -> Any:
    """`value` without what its applier had applied before and nobody wants now."""
    if isinstance(value, dict):
        left = dict(value)
        for name, below in last.items():
            field = name[2:]
            if not name.startswith("f:") or field not in left:
                continue
            if name not in kept and not (root and field == "metadata"):
                del left[field]
            elif below:
                part = child(node, field) or _LOOSE
                left[field] = _prune(part, left[field], below, kept.get(name, {}))
        return left
    if isinstance(value, list) and fieldset.granular(node, value):
        items = node.items or _LOOSE
        pairs = [(fieldset.element(node, item), item) for item in value]
        return [
            _prune(items, item, last[name], kept[name]) if last.get(name) else item
            for name, item in pairs
            if name not in last or name in kept
        ]
    return value


def _migrates(node: Node, live: Obj, writer: Writer, conflicts: Sequence[tuple[Entry, Tree]]) -> bool:
    """Whether all conflicts are about what kubectl itself had applied on the client's side."""
    text = (live.get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
    if writer.manager != KUBECTL or not text:
        return False
    try:
        before = fieldset.owned(node, msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError):
        return False
    return all(not fieldset.difference(fields, before) for _, fields in conflicts)


def _remember(result: Obj, live: Obj, config: Obj, writer: Writer) -> None:
    """Keeps kubectl's annotation right, so that going back to client-side apply works."""
    meta = live.get("metadata", {})
    if writer.manager != KUBECTL or LAST_APPLIED not in (meta.get("annotations") or {}):
        return
    annotations = result["metadata"].get("annotations") or {}
    text = msgspec.json.encode(config).decode() + "\n"
    result["metadata"] = {**result["metadata"], "annotations": {**annotations, LAST_APPLIED: text}}


def conflict(conflicts: Sequence[tuple[Entry, Tree]]) -> StatusError:
    """The refusal, in the real server's words, with the first causes."""
    found = ((_name(entry.writer), path) for entry, fields in conflicts for path in fieldset.paths(fields))
    told: dict[str, list[str]] = {}
    for name, path in islice(found, MOST_CAUSES):
        told.setdefault(name, []).append(path)
    more = next(found, None) is not None
    causes = tuple(
        Cause("FieldManagerConflict", f"conflict with {name}", path) for name, paths in told.items() for path in paths
    )
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines = []
        for name in sorted(told):
            lines += [f"conflicts with {name}:", *(f"- {path}" for path in told[name])]
        count = f"more than {MOST_CAUSES}" if more else str(len(causes))
        message = f"Apply failed with {count} conflicts: " + "\n".join(lines)
    return StatusError(409, "Conflict", message, causes=causes)


def _name(writer: Writer) -> str:
    name = f'"{writer.manager}"'
    if writer.subresource:
        name += f' with subresource "{writer.subresource}"'
    return f"{name} using {writer.api_version}" if writer.operation == UPDATE else name
