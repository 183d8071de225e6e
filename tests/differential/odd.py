"""Odd values, and objects with something odd in them. Pure: a random generator that is passed in decides."""

import copy
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.differential.wire import UID, VERSION

Obj = dict[str, Any]
Path = tuple[str | int, ...]

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 80, 99999, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, 1.0, 1.5, -0.5, 1e3, 1e21, 0.25,
    "", "x", "a", "abc", "A B", "1", "1.0", "true", "null", " x ", "x" * 64, "x" * 300, "ü", "日本", "a/b", "example.com/x", "-a", "a.", "\n",
    "2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05+02:00", "no", "50%", "10Gi", "1h", "YWJj", "10.0.0.1", "::1",
    [], {}, [None], [[]], ["a", "a"], ["a", 1], [1, 2], [{}], [{"name": "a"}, {"name": "a"}], {"a": "b"}, {"a": None}, {"a": 1}, {"a": {"b": "c"}}, {"": ""},
    {"name": "a"}, {"a b": "c"}, {"x" * 64: "y"},
)  # fmt: skip

METADATA: Mapping[str, Sequence[Any]] = {
    "name": ("", None, "A", "x" * 300, "a_b", "ü", 1, "other", "a/b", "..", "a b"),
    "generateName": ("g-", "", "G_", None, 5, "x" * 300),
    "namespace": ("default", "", None, "differential", 1, "no such"),
    "uid": (UID, "", "00000000-0000-0000-0000-000000000000", None, 1),
    "resourceVersion": (VERSION, "", "0", "1", "x", None, 1, "-1"),
    "generation": (5, -1, None, "x", 1.0),
    "creationTimestamp": (None, "no", "2020-01-01T00:00:00Z", 1, ""),
    "deletionTimestamp": (None, "2020-01-01T00:00:00Z", "no"),
    "deletionGracePeriodSeconds": (0, 5, None, "x"),
    "selfLink": ("/x", None),
    "labels": ({}, None, {"a": None}, {"a": 1}, {"a": "b c"}, {"a b": "c"}, {"example.com/x": ""}, {"x" * 64: ""}, {"a": "x" * 64}, [], "x", {"": "a"}, {"A/b": "c"}, {"kubernetes.io/metadata.name": "x"}),
    "annotations": ({}, None, {"a": None}, {"a": 1}, {"a": "ü \n"}, {"a b": "c"}, {"A/B": ""}, [], {"a": {}}),
    "finalizers": ([], None, ["example.com/x"], ["x"], ["a b"], ["example.com/x", "example.com/x"], [1], [""], [None], "x", ["kubernetes"]),
    "ownerReferences": (
        [], None, [{}], "x", [None],
        [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}],
        [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}] * 2,
        [{"apiVersion": "v1", "kind": "ConfigMap", "name": "", "uid": ""}],
        [{"apiVersion": "a/b/c", "kind": "X", "name": "x", "uid": "u"}],
        [{"apiVersion": "v1", "kind": "Event", "name": "x", "uid": "u"}],
        [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u", "controller": True}, {"apiVersion": "v1", "kind": "X", "name": "y", "uid": "v", "controller": True}],
        [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u", "blockOwnerDeletion": "x", "more": 1}],
    ),
    "managedFields": (
        [], None, [{}], "x", [{"manager": "m"}],
        [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}],
        [{"manager": "m", "operation": "Other", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}}],
        [{"manager": "m", "operation": "Apply", "apiVersion": "v1", "fieldsType": "X", "fieldsV1": {"x": 1}}],
    ),
    "unknown": ("x", {}),
}  # fmt: skip


def paths(value: Any, start: Path = ()) -> Iterator[Path]:
    """Where everything in a value lies, from outside in; the value itself is at ()."""
    yield start
    below: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        below = iter(value.items())
    elif isinstance(value, list):
        below = iter(enumerate(value))
    for step, part in below:
        yield from paths(part, (*start, step))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def with_value(obj: Any, path: Path, value: Any) -> Any:
    """A copy in which `value` stands at the path, whose holder is there."""
    if not path:
        return value
    made = copy.deepcopy(obj)
    at(made, path[:-1])[path[-1]] = value
    return made


def without(obj: Any, path: Path) -> Any:
    """A copy without what is at the path."""
    made = copy.deepcopy(obj)
    del at(made, path[:-1])[path[-1]]
    return made


def place(obj: Any, rng: random.Random) -> Path:
    """Of something in an object, rather its content than what all objects have."""
    found = [path for path in paths(obj) if path]
    content = [path for path in found if path[0] not in ("apiVersion", "kind", "metadata")]
    return rng.choice(content if content and rng.random() < 0.85 else found)


def odd(obj: Obj, rng: random.Random) -> Obj:
    """A copy of an object that has something odd somewhere."""
    made: Obj = _odd_metadata(obj, rng) if rng.random() < 0.3 else _odd_content(obj, rng)
    if rng.random() < 0.15:
        made = _odd_content(made, rng)
    return made


def _odd_metadata(obj: Obj, rng: random.Random) -> Obj:
    meta = obj.get("metadata")
    field = rng.choice(sorted(METADATA))
    value = copy.deepcopy(rng.choice(METADATA[field]))
    return {**obj, "metadata": {**meta, field: value}} if isinstance(meta, dict) else obj


def _odd_content(obj: Obj, rng: random.Random) -> Any:
    path = place(obj, rng)
    holder, old, turn = at(obj, path[:-1]), at(obj, path), rng.random()
    if turn < 0.12:
        return without(obj, path)
    if turn < 0.22 and isinstance(holder, dict):
        return with_value(
            obj, (*path[:-1], rng.choice(("unknown", "Unknown", "a b"))), copy.deepcopy(rng.choice(VALUES))
        )
    if turn < 0.30 and isinstance(holder, list):
        return with_value(obj, path[:-1], [*holder, copy.deepcopy(old)])
    if turn < 0.36 and isinstance(old, dict | list):
        return with_value(obj, path, type(old)())
    return with_value(obj, path, copy.deepcopy(rng.choice(VALUES)))


_MEMBER = re.compile(r'"\w+": (?:"[^"\\]*"|\d+|true|false)')


def said_twice(text: str, rng: random.Random) -> str:
    """JSON in which an object says one of its fields twice."""
    found = list(_MEMBER.finditer(text))
    if not found:
        return text
    one = rng.choice(found)
    return f"{text[: one.start()]}{one[0]}, {one[0]}{text[one.end() :]}"


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
