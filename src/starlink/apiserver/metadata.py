"""The rules of metadata that hold for every kind, pure.

Formats: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from starlink.apiserver.errors import Cause

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
MAX_ANNOTATIONS = 256 * 1024

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name', or '123-abc')"
)

PATH_RULE = "may not be '.' or '..', and may not contain '/' or '%'"

Obj = dict[str, Any]


def is_subdomain(name: str) -> bool:
    return len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def is_label(name: str) -> bool:
    return len(name) <= 63 and _LABEL.fullmatch(name) is not None


def is_path_segment(name: str) -> bool:
    return 0 < len(name) <= 253 and name not in (".", "..") and "/" not in name and "%" not in name


_NAME_RULES: dict[str, tuple[Callable[[str], bool], str]] = {
    "subdomain": (is_subdomain, SUBDOMAIN_RULE),
    "label": (is_label, LABEL_RULE),
    "path": (is_path_segment, PATH_RULE),
}


def check(metadata: Obj, name_rule: str = "subdomain") -> list[Cause]:
    """Why the metadata is refused. `name_rule`: a name is a DNS `subdomain`, one DNS `label` or a `path` segment."""
    name = metadata.get("name", "")
    causes = []
    fits, rule = _NAME_RULES[name_rule]
    if not fits(name):
        causes.append(_invalid("metadata.name", name, rule))
    causes += _check_labels(metadata.get("labels") or {})
    causes += _check_annotations(metadata.get("annotations") or {})
    causes += _check_finalizers(metadata.get("finalizers") or [])
    return causes + _check_owners(metadata.get("ownerReferences") or [])


def check_types(metadata: Any) -> list[Cause]:
    """Why the metadata is not even of the right types."""
    if not isinstance(metadata, dict):
        return [_invalid("metadata", metadata, "must be an object")]
    causes = []
    for field, value in metadata.items():
        kind, word = _TYPES.get(field, _ANY)
        if value is not None and not isinstance(value, kind):
            causes.append(_invalid(f"metadata.{field}", value, f"must be {word}"))
        elif value and isinstance(value, dict):
            causes += [
                _invalid(f"metadata.{field}[{key}]", part, "must be a string; put it in quotes")
                for key, part in value.items()
                if not isinstance(part, str)
            ]
    finalizers = metadata.get("finalizers")
    if isinstance(finalizers, list) and not all(isinstance(f, str) for f in finalizers):
        causes.append(_invalid("metadata.finalizers", finalizers, "must be a list of strings"))
    return causes


_ANY = (object, "")
_STRING = (str, "a string")
_MAP = (dict, "a map of strings")
_TYPES: dict[str, tuple[type, str]] = {
    "name": _STRING,
    "generateName": _STRING,
    "namespace": _STRING,
    "uid": _STRING,
    "resourceVersion": _STRING,
    "finalizers": (list, "a list of strings"),
    "ownerReferences": (list, "a list"),
    "managedFields": (list, "a list"),
    "labels": _MAP,
    "annotations": _MAP,
}


def _check_labels(labels: dict[str, str]) -> list[Cause]:
    causes = [cause for key in labels for cause in _check_key("metadata.labels", key)]
    return causes + [
        _invalid(
            "metadata.labels",
            value,
            "a valid label must be an empty string or consist of at most 63 alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character",
        )
        for value in labels.values()
        if not _is_label_value(value)
    ]


@lru_cache(4096)
def _is_label_value(value: str) -> bool:
    return not value or (len(value) <= 63 and _PART.fullmatch(value) is not None)


def _check_annotations(annotations: dict[str, str]) -> list[Cause]:
    causes = [cause for key in annotations for cause in _check_key("metadata.annotations", key)]
    size = sum(len(key) + len(value) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        causes.append(
            Cause(
                "FieldValueTooLong",
                f"Too long: may not be more than {MAX_ANNOTATIONS} bytes",
                "metadata.annotations",
            )
        )
    return causes


@lru_cache(4096)
def _is_qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return len(name) <= 63 and _PART.fullmatch(name) is not None and (not slash or is_subdomain(prefix))


def _check_key(field: str, key: str) -> list[Cause]:
    if _is_qualified(key):
        return []
    return [
        _invalid(
            field,
            key,
            "a qualified name must consist of at most 63 alphanumeric characters, '-', '_' or '.', and must start and "
            "end with an alphanumeric character, with an optional DNS subdomain prefix and '/' (e.g. "
            "'example.com/MyName')",
        )
    ]


def _check_finalizers(finalizers: list[str]) -> list[Cause]:
    return [cause for finalizer in finalizers for cause in _check_key("metadata.finalizers", finalizer)]


def _check_owners(owners: list[Any]) -> list[Cause]:
    causes = []
    for index, owner in enumerate(owners):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not isinstance(owner, dict) or not isinstance(owner.get(field), str) or not owner[field]:
                causes.append(
                    Cause("FieldValueRequired", "Required value", f"metadata.ownerReferences[{index}].{field}")
                )
    if sum(1 for owner in owners if isinstance(owner, dict) and owner.get("controller") is True) > 1:
        causes.append(_invalid("metadata.ownerReferences", "", "only one reference can have controller set to true"))
    return causes


def _invalid(field: str, value: Any, why: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", field)
