"""Objects of a size. Pure."""

from collections.abc import Callable
from typing import Any

from bench.growing.case import Obj, named, pairs
from bench.growing.kind import widget


def owners(n: int, **more: Any) -> list[Obj]:
    """n references."""
    return [{"apiVersion": "v1", "kind": "K", "name": f"k{i}", "uid": f"u{i}", **more} for i in range(n)]


def managers(n: int, path: Callable[[int], str] = lambda i: f"f:k{i}") -> list[Obj]:
    """managedFields of many managers, a field each."""
    return [
        {"manager": f"m{i}", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
         "fieldsV1": {"f:data": {path(i): {}}}}
        for i in range(n)
    ]  # fmt: skip


def config_map(n: int) -> Obj:
    """With n keys."""
    return named("ConfigMap", data=pairs(n))


def empty_map(_n: int) -> Obj:
    """With nothing in it, whatever the size."""
    return named("ConfigMap")


def owned_map(n: int) -> Obj:
    """With n owners."""
    return named("ConfigMap", metadata={"ownerReferences": owners(n)})


def parts(n: int, start: int = 0) -> list[Obj]:
    """Entries of a list map."""
    return [{"name": f"k{i}", "size": i % 100} for i in range(start, start + n)]


def account(n: int) -> Obj:
    """With n entries of a list that is merged by key."""
    return named("ServiceAccount", secrets=[{"name": f"k{i}"} for i in range(n)])


def held(n: int) -> Obj:
    """With n finalizers."""
    return named("ConfigMap", metadata={"finalizers": [f"example.com/k{i}" for i in range(n)]})


def free(n: int) -> Obj:
    """With a list of n where the schema says nothing."""
    return widget(free={"list": list(range(n))})
