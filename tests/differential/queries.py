"""What the query of a request says, and the body of a deletion. Pure."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from tests.differential.wire import CONTINUE, UID, VERSION

WRITE: Mapping[str, Sequence[str]] = {
    "fieldValidation": ("Strict", "Strict", "Strict", "Warn", "Ignore", "Sometimes", ""),
    "fieldManager": ("m", "n", "", "a" * 129, "ü", "\x01"),
    "dryRun": ("All", "all", "None", ""),
    "force": ("true", "false", "x", ""),
    "pretty": ("true", "x"),
    "unknown": ("x",),
}
LIST: Mapping[str, Sequence[str]] = {
    "limit": ("1", "2", "0", "-1", "x", "9999999999999999999999", ""),
    "continue": (CONTINUE, "x", "e30", ""),
    "resourceVersion": ("0", "", "x", "-1", "0x1"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x", ""),
    "labelSelector": ("a=b", "a!=b", "a in (b,c)", "!a", "a", "a=b,c", "a in (", "a b", "=", "a>1", "x" * 64 + "=a", "a==" + "x" * 64),
    "fieldSelector": ("metadata.name=x", "metadata.namespace=differential", "metadata.name!=x", "spec.color=red", "a=b", "metadata.name", "=", "metadata.labels.a=b", "type=Normal", "status.phase=Active"),
    "timeoutSeconds": ("1", "0", "-1", "x"),
    "allowWatchBookmarks": ("true", "x"),
    "sendInitialEvents": ("true", "false"),
    "includeObject": ("None", "Metadata", "Object", "All"),
}  # fmt: skip
DELETE: Mapping[str, Sequence[str]] = {
    "propagationPolicy": ("Background", "Later", "Foreground", "Orphan", ""),
    "gracePeriodSeconds": ("0", "5", "-1", "x"),
    "dryRun": ("All", "all"),
    "orphanDependents": ("true", "false", "x"),
}
DELETE_BODIES: tuple[Any, ...] = (
    {}, {"kind": "DeleteOptions", "apiVersion": "v1"}, {"preconditions": {"uid": UID}}, {"preconditions": {"uid": "x"}},
    {"preconditions": {"resourceVersion": VERSION}}, {"preconditions": {"resourceVersion": "1"}}, {"preconditions": {}}, {"preconditions": "x"},
    {"propagationPolicy": "Background"}, {"propagationPolicy": "Later"}, {"propagationPolicy": 1}, {"gracePeriodSeconds": 0}, {"gracePeriodSeconds": -1},
    {"gracePeriodSeconds": "x"}, {"dryRun": ["All"]}, {"dryRun": ["all"]}, {"dryRun": "All"}, {"orphanDependents": True}, {"orphanDependents": True, "propagationPolicy": "Orphan"},
    {"unknown": 1}, {"kind": "X", "apiVersion": "v1"}, {"kind": "DeleteOptions", "apiVersion": "x/v1"}, [], "x",
)  # fmt: skip


def options(table: Mapping[str, Sequence[str]], rng: random.Random, chance: float) -> list[tuple[str, str]]:
    found = []
    while rng.random() < chance:
        name = rng.choice(sorted(table))
        found.append((name, rng.choice(table[name])))
    return list(dict(found).items())


def dry(query: list[tuple[str, str]], rng: random.Random, chance: float) -> tuple[tuple[str, str], ...]:
    """Most writes are dry, so that few need to be put right again."""
    if not any(name == "dryRun" for name, _ in query) and rng.random() < chance:
        query.append(("dryRun", "All"))
    return tuple(query)
