"""What a case is, and the requests and objects that cases are made of. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from bench.core import ADMIN
from starlink.http.message import Request, User

Obj = dict[str, Any]

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
SERVICE_ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
REVISIONS = "/apis/apps/v1/namespaces/default/controllerrevisions"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
TASKS = "/apis/starlink.dev/v1alpha1/namespaces/default/tasks"
WIDGETS = "/apis/growth.example.com/v1/namespaces/default/widgets"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
REVIEWS = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Case:
    """One way to be large. `request` gives the request of a size and `before` what is sent ahead of it, which is not
    measured; `size` is the smaller of the two sizes that are compared."""

    name: str
    request: Callable[[int], Request]
    size: int
    before: Callable[[int], Sequence[Request]] = lambda _n: ()


def send(
    method: str, path: str, body: Any = b"", media: str = JSON, *, user: User = ADMIN, accept: str = "", **query: str
) -> Request:
    """A request; a body that is no bytes is written as JSON."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = {"content-type": media} | ({"accept": accept} if accept else {})
    return Request(method, path, query, headers, content, user)


def named(kind: str, api_version: str = "v1", name: str = "x", **parts: Any) -> Obj:
    """An object."""
    meta = {"name": name, **parts.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **parts}


def words(n: int, prefix: str = "k") -> list[str]:
    """n different words."""
    return [f"{prefix}{i}" for i in range(n)]


def pairs(n: int) -> dict[str, str]:
    """n of them with a value."""
    return {f"k{i}": "v" for i in range(n)}


def asked(path: str, query: Mapping[str, str]) -> Request:
    """A GET."""
    return Request("GET", path, query, {}, b"", ADMIN)


def created(path: str, obj: Callable[[int], Obj]) -> Callable[[int], Sequence[Request]]:
    """Makes an object of a size ahead of the request, in place of an earlier one."""
    return lambda n: (*gone(path), send("POST", path, obj(n)))


def gone(path: str) -> tuple[Request, ...]:
    """Takes an earlier object away, whatever holds it."""
    return (
        send("DELETE", f"{path}/x"),
        send("PATCH", f"{path}/x", {"metadata": {"finalizers": None}}, MERGE),
    )


def creation(name: str, path: str, obj: Callable[[int], Any], size: int, media: str = JSON, **options: Any) -> Case:
    """A create of what is not there; `options` are those of `send`."""
    return Case(name, lambda n: send("POST", path, obj(n), media, **options), size, lambda _n: gone(path))


def patching(
    name: str, path: str, old: Callable[[int], Obj], patch: Callable[[int], Any], media: str, size: int, **query: str
) -> Case:
    """A patch of an object that is made before."""

    def request(n: int) -> Request:
        return replace(send("PATCH", f"{path}/x", patch(n), media), query=query)

    return Case(name, request, size, created(path, old))
