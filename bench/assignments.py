"""Assignments as requests: one by one, and many in one bulk write."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from bench.load import request
from starlink.api.kinds import ASSIGNMENT

PATH = f"{ASSIGNMENT.path}/namespaces/default/{ASSIGNMENT.plural}"
BULK = "/apis/bulk.starlink.dev/v1alpha1/bulkwrites"
MERGE = "application/merge-patch+json"

Obj = dict[str, Any]
Of = Callable[[int], Obj]


def assignment(number: int) -> Obj:
    """As the operator makes it for a service, but for its owner."""
    task = f"task-{number // 100:05}"
    return {
        "apiVersion": ASSIGNMENT.api_version,
        "kind": ASSIGNMENT.kind,
        "metadata": {
            "name": f"{task}-{number % 100}-1",
            "labels": {"starlink.dev/task": task, "starlink.dev/slot": str(number % 100)},
            "finalizers": ["starlink.dev/stopped"],
        },
        "spec": {
            "server": f"server-{number % 1000:04}", "slot": str(number % 100), "attempt": 1,
            "template": {
                "command": ["/bin/serve", "--port", "8080"],
                "env": [{"name": "LEVEL", "value": "info"}, {"name": "ZONE", "value": "a"}],
                "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}},
            },
        },
    }  # fmt: skip


def status(number: int) -> Obj:
    """A patch of the status, as an agent reports it; no two are the same."""
    at = f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    conditions = [{"type": "Ready", "status": "True", "reason": "Probed", "message": "", "lastTransitionTime": at}]
    return {"status": {"phase": "Running", "ready": True, "restarts": number % 1000, "conditions": conditions}}


def create(number: int) -> bytes:
    """The creation of one."""
    return request("POST", PATH, json.dumps(assignment(number)).encode())


def patch(number: int, of: int) -> bytes:
    """The patch of one's status, of `of` that there are."""
    name = assignment(number % of)["metadata"]["name"]
    return request("PATCH", f"{PATH}/{name}/status", json.dumps(status(number)).encode(), MERGE)


def creates(numbers: Iterable[int]) -> bytes:
    """The creations in one request."""
    return _bulk({"verb": "create", "namespace": "default", "object": assignment(number)} for number in numbers)


def patches(numbers: Iterable[int], of: int) -> bytes:
    """The patches in one request."""
    return _bulk(
        {
            "verb": "patch", "namespace": "default", "name": assignment(number % of)["metadata"]["name"],
            "subresource": "status", "object": status(number),
        }
        for number in numbers
    )  # fmt: skip


def _bulk(items: Iterable[Obj]) -> bytes:
    body = {"apiVersion": "bulk.starlink.dev/v1alpha1", "kind": "BulkWrite", "items": list(items)}
    return request("POST", BULK, json.dumps(body).encode())
