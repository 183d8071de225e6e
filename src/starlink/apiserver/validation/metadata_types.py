"""Whether metadata is of the types that every object's is, as Go reads it. Pure.

https://github.com/kubernetes/apimachinery/blob/release-1.32/pkg/apis/meta/v1/types.go (ObjectMeta)
"""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from starlink.api.errors import MOST_CAUSES, Cause
from starlink.apiserver.schema import causes

Check = Callable[[Any, str], Iterator[Cause]]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_INT64 = range(-(2**63), 2**63)


def check(metadata: Any, old: Any = None) -> list[Cause]:
    """Why the metadata is not of the right types, but for what is the `old` one's very own. null is the absence of
    anything, and empty text in a map."""
    if not isinstance(metadata, dict):
        return [causes.invalid("metadata", metadata, "must be an object")]
    before = old if isinstance(old, dict) else {}
    new = {field: value for field, value in metadata.items() if value is not before.get(field)}
    return list(islice(_fields(_OBJECT)(new, "metadata"), MOST_CAUSES + 1))


def is_time(text: str) -> bool:
    """Whether clients in Go can read it: https://www.rfc-editor.org/rfc/rfc3339"""
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is(kind: type, word: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Cause]:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            yield causes.invalid(path, value, f"must be {word}")

    return check


def _number(value: Any, path: str) -> Iterator[Cause]:
    if not isinstance(value, int) or isinstance(value, bool) or value not in _INT64:
        yield causes.invalid(path, value, "must be an integer")


def _time(value: Any, path: str) -> Iterator[Cause]:
    if not isinstance(value, str) or not is_time(value):
        yield causes.invalid(path, value, "must be a time, such as 2006-01-02T15:04:05Z")


def _texts(value: Any, path: str) -> Iterator[Cause]:
    if not isinstance(value, dict):
        yield causes.invalid(path, value, "must be a map of strings")
        return
    for key, part in value.items():
        if part is not None and not isinstance(part, str):
            yield causes.invalid(causes.entry(path, key), part, "must be a string; put it in quotes")


def _list(entry: Check, word: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Cause]:
        if not isinstance(value, list):
            yield causes.invalid(path, value, f"must be {word}")
            return
        for index, part in enumerate(value):
            yield from entry(part, f"{path}[{index}]")

    return check


def _fields(known: Mapping[str, Check]) -> Check:
    def check(value: Any, path: str) -> Iterator[Cause]:
        if not isinstance(value, dict):
            yield causes.invalid(path, value, "must be an object")
            return
        for field, part in value.items():
            if part is not None and field in known:
                yield from known[field](part, f"{path}.{field}")

    return check


_text = _is(str, "a string")
_flag = _is(bool, "true or false")
_OWNER: dict[str, Check] = {
    "apiVersion": _text, "kind": _text, "name": _text, "uid": _text, "controller": _flag, "blockOwnerDeletion": _flag,
}  # fmt: skip
_MANAGED: dict[str, Check] = {
    "manager": _text, "operation": _text, "apiVersion": _text, "time": _time, "fieldsType": _text,
    "fieldsV1": _is(dict, "an object"), "subresource": _text,
}  # fmt: skip
_OBJECT: dict[str, Check] = {
    "name": _text, "generateName": _text, "namespace": _text, "uid": _text, "resourceVersion": _text,
    "selfLink": _text, "generation": _number, "creationTimestamp": _time, "deletionTimestamp": _time,
    "deletionGracePeriodSeconds": _number, "labels": _texts, "annotations": _texts,
    "finalizers": _list(_text, "a list of strings"), "ownerReferences": _list(_fields(_OWNER), "a list"),
    "managedFields": _list(_fields(_MANAGED), "a list"),
}  # fmt: skip
