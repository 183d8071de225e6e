"""The rules of metadata that hold for every kind, pure. Whether it is of the right types at all is looked at before, by
`metadata_types`.

Formats: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set; the words are those
of https://github.com/kubernetes/apimachinery/blob/release-1.32/pkg/util/validation/validation.go and
https://github.com/kubernetes/apimachinery/blob/master/pkg/api/validation/objectmeta.go
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec

from starlink.api.errors import MOST_CAUSES, Cause
from starlink.apiserver.names import FOREGROUND, ORPHAN
from starlink.apiserver.schema import causes
from starlink.apiserver.schema.formats import SUBDOMAIN_RULE as SUBDOMAIN_RULE
from starlink.apiserver.schema.formats import (
    is_label,
    is_label_value,
    is_path_segment,
    is_qualified,
    is_subdomain,
    label_faults,
    label_value_faults,
    path_segment_faults,
    qualified_faults,
    subdomain_faults,
)

MAX_ANNOTATIONS = 256 * 1024
_LONGEST_SHOWN = 1000
PATH_RULE = "may not be '.' or '..', and may not contain '/' or '%'"

Obj = dict[str, Any]

_NOTHING: Obj = {}
_NAME_RULES: dict[str, tuple[Callable[[str], bool], Callable[[str], list[str]]]] = {
    "subdomain": (is_subdomain, subdomain_faults),
    "label": (is_label, label_faults),
    "path": (is_path_segment, path_segment_faults),
}


def check(metadata: Obj, name_rule: str = "subdomain", old: Obj = _NOTHING, *, begun: bool = True) -> list[Cause]:
    """Why the metadata is refused, but for what was in the `old` one. `name_rule`: a name is a DNS `subdomain`, one DNS
    `label` or a `path` segment; `begun`: so must a name be that begins as generateName says."""
    name = metadata.get("name", "")
    fits, faults = _NAME_RULES[name_rule]
    is_known = name == old.get("name") or fits(name)
    causes = [] if is_known else [_invalid("metadata.name", name, why) for why in faults(name)]
    prefix = metadata.get("generateName")
    if begun and prefix and prefix != old.get("generateName"):
        causes += [_invalid("metadata.generateName", prefix, why) for why in faults(_begun(prefix))]
    for field, step in _CHECKS:
        if metadata.get(field) and metadata[field] != old.get(field):
            causes += islice(step(metadata[field], old.get(field) or ()), MOST_CAUSES + 1)
    return causes


def _begun(prefix: str) -> str:
    """A name that begins so, which may end in a dash then."""
    return f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix


def check_standard(metadata: Obj, old: Obj = _NOTHING) -> list[Cause]:
    """Why the metadata of most built-in kinds is refused beyond that: who holds them by a finalizer names a domain."""
    finalizers, known = metadata.get("finalizers") or (), old.get("finalizers") or ()
    return [
        _invalid(f"metadata.finalizers[{index}]", name, _UNQUALIFIED)
        for index, name in enumerate(finalizers)
        if not _is_standard(name) and name not in known
    ]


def finalizer_faults(name: str) -> list[str]:
    """What is wrong with the name of who holds a built-in object."""
    return [*qualified_faults(name), *([] if _is_standard(name) else [_UNQUALIFIED])]


def _is_standard(name: str) -> bool:
    return "/" in name or name in _STANDARD_FINALIZERS


_UNQUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"


_STANDARD_FINALIZERS = ("kubernetes", FOREGROUND, ORPHAN)


def prepare(metadata: Obj, old: Obj = _NOTHING, *, patch: bool = False) -> tuple[str, ...]:
    """Names each owner once; gives warnings, which of a `patch` say so in other words.

    https://github.com/kubernetes/apiserver/blob/release-1.32/pkg/endpoints/handlers/create.go (dedupOwnerReferences)
    """
    owners = metadata.get("ownerReferences")
    if not owners or owners == old.get("ownerReferences"):
        return ()
    keys = [msgspec.json.encode(owner, order="deterministic") for owner in owners]
    once = dict(zip(keys, owners, strict=True))
    if len(once) == len(owners):
        return ()
    metadata["ownerReferences"] = list(once.values())
    twins = [once[key].get("uid") or "" for key, count in Counter(keys).items() if count > 1]
    after = " after mutating admission happens" if patch else ""
    return (f"{_OWNERS_TWICE.format(after)}; duplicate UID(s) observed: {', '.join(twins)}",)


_OWNERS_TWICE = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in 1.20+, "
    "and may reject such requests as early as 1.24; please fix your requests"
)


def finalizer_warnings(metadata: Obj, old: Obj = _NOTHING) -> tuple[str, ...]:
    """Of new finalizers of a custom kind, which may hold any name."""
    finalizers, known = metadata.get("finalizers") or (), old.get("finalizers") or ()
    return tuple(
        f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name to avoid accidental conflicts with '
        "other finalizer writers"
        for name in finalizers
        if not _is_standard(name) and name not in known
    )


def _check_labels(labels: dict[str, str], old: Any) -> Iterator[Cause]:
    for key, value in _changed(labels, old):
        if not is_qualified(key):
            yield from (_invalid("metadata.labels", key, why) for why in qualified_faults(key))
        if not is_label_value(value):
            yield from (_invalid("metadata.labels", value, why) for why in label_value_faults(value))


def _changed(entries: dict[str, str], old: Any) -> Iterator[tuple[str, str]]:
    """The entries of a map that are not in the old one."""
    before = old if isinstance(old, dict) else _NOTHING
    return ((key, value) for key, value in entries.items() if before.get(key) != value)


def _check_annotations(annotations: dict[str, str], old: Any) -> Iterator[Cause]:
    for key, _ in _changed(annotations, old):
        if not is_qualified(key.lower()):
            yield from (_invalid("metadata.annotations", key, why) for why in qualified_faults(key.lower()))
    if _size(annotations) > max(MAX_ANNOTATIONS, _size(old if isinstance(old, dict) else {})):
        why = f"Too long: may not be more than {MAX_ANNOTATIONS} bytes"
        yield Cause("FieldValueTooLong", why, "metadata.annotations")


def _size(annotations: dict[str, Any]) -> int:
    return sum(len(key) + len(value) for key, value in annotations.items() if isinstance(value, str))


def _check_finalizers(finalizers: list[str], old: Any) -> Iterator[Cause]:
    known = set(old)
    for finalizer in finalizers:
        if finalizer not in known and not is_qualified(finalizer):
            yield from (_invalid("metadata.finalizers", finalizer, why) for why in qualified_faults(finalizer))
    if FOREGROUND in finalizers and ORPHAN in finalizers and not {FOREGROUND, ORPHAN} <= known:
        why = f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"
        yield _invalid("metadata.finalizers", finalizers, why)


def _check_owners(owners: list[Obj], old: Any) -> Iterator[Cause]:
    first = shown = ""
    known = {msgspec.json.encode(owner) for owner in old}
    for owner in owners:
        if msgspec.json.encode(owner) not in known:
            yield from _check_owner(owner)
        if owner.get("controller") is True:
            named = f"{owner.get('kind')}/{owner.get('name')}"
            if first:
                shown = shown or _shown(owners)
                why = (
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {first} and {named}'
                )
                yield Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", "metadata.ownerReferences")
            first = first or named


def _check_owner(owner: Obj) -> Iterator[Cause]:
    version = owner.get("apiVersion") or ""
    given = {**owner, "version": version.rpartition("/")[2] if version.count("/") <= 1 else ""}
    for word, field in (("version", "apiVersion"), ("kind", "kind"), ("name", "name"), ("uid", "uid")):
        if not given.get(word):
            yield _invalid(f"metadata.ownerReferences.{field}", owner.get(field) or "", f"{word} must not be empty")
    if (version, owner.get("kind")) == ("v1", "Event"):
        yield _invalid("metadata.ownerReferences", owner, "/v1, Kind=Event is disallowed from being an owner")


_CHECKS: tuple[tuple[str, Callable[[Any, Any], Iterator[Cause]]], ...] = (
    ("labels", _check_labels),
    ("annotations", _check_annotations),
    ("finalizers", _check_finalizers),
    ("ownerReferences", _check_owners),
)


def _invalid(field: str, value: Any, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {_shown(value)}: {why}", field)


def _shown(value: Any) -> str:
    """A value as JSON; a long one is cut."""
    text = causes.shown(value) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
