"""Objects of built-in kinds that most tests write, and what is asked of any object."""

from typing import Any

from tests.conformance.wire import Http

Obj = dict[str, Any]


def configmaps(namespace: str, name: str = "") -> str:
    """The path of a namespace's ConfigMaps, or of one of them."""
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def configmap(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Obj:
    """A ConfigMap; those with nothing else to say are what most tests write."""
    made: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return {**made, "data": data} if data is not None else made


def gone(http: Http, path: str) -> bool:
    """Whether nothing is at the path."""
    return http.get(path).status == 404


def condition(obj: Obj, type_: str) -> str:
    """The status of a condition, "" when it is not there."""
    found = obj.get("status", {}).get("conditions") or ()
    return next((one["status"] for one in found if one["type"] == type_), "")
