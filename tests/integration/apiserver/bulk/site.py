"""An API server that takes many writes in one request, and what tests send it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from tests.integration.apiserver.serving import Talk
from tests.integration.conftest import Wire

from starlink.api.kinds import ASSIGNMENT
from starlink.apiserver.handler import Api
from starlink.client.kube import Client
from starlink.http.server import HttpServer

BULK = "/apis/bulk.starlink.dev/v1alpha1/bulkwrites"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ASSIGNMENTS = f"{ASSIGNMENT.path}/namespaces/default/assignments"
RULE = {
    "apiGroups": ["starlink.dev"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
    "resources": ["assignments", "assignments/status"],
}  # fmt: skip

Obj = dict[str, Any]


def assignment(name: str, server: str = "s1", **meta: Any) -> Obj:
    spec = {"server": server, "slot": "0", "attempt": 1, "template": {"command": ["x"]}}
    return {
        "apiVersion": ASSIGNMENT.api_version, "kind": ASSIGNMENT.kind, "metadata": {"name": name, **meta}, "spec": spec,
    }  # fmt: skip


def create(name: str, namespace: str = "default", server: str = "s1", **meta: Any) -> Obj:
    return {"verb": "create", "namespace": namespace, "object": assignment(name, server, **meta)}


def report(name: str, phase: str = "Running", namespace: str = "default") -> Obj:
    return {
        "verb": "patch", "namespace": namespace, "name": name, "subresource": "status",
        "object": {"status": {"phase": phase}},
    }  # fmt: skip


def bulk(*items: Obj, **parts: Any) -> Obj:
    return {"apiVersion": "bulk.starlink.dev/v1alpha1", "kind": "BulkWrite", "items": list(items), **parts}


async def write(client: Client, *items: Obj, headers: dict[str, str] | None = None, **query: str) -> list[Obj]:
    """What became of the items."""
    given = {"content-type": "application/json", **(headers or {})}
    answer = msgspec.json.decode(await client.raw("POST", BULK, body=bulk(*items), query=query, headers=given))
    assert (answer["apiVersion"], answer["kind"]) == ("bulk.starlink.dev/v1alpha1", "BulkWrite")
    assert answer.keys() == {"apiVersion", "kind", "items"} and len(answer["items"]) == len(items)
    assert all(item.keys() == {"code", "object"} for item in answer["items"])
    return list(answer["items"])


def codes(items: Sequence[Obj]) -> list[int]:
    return [item["code"] for item in items]


async def objects(client: Client) -> list[Obj]:
    return [msgspec.json.decode(one) for one in (await client.list(ASSIGNMENT)).items]


@contextlib.asynccontextmanager
async def sent(site: "Site", body: Obj, *, known: bool = True) -> AsyncIterator[Talk]:
    """A connection on which a bulk write was sent, and nothing more."""
    context = ssl.create_default_context(cafile=str(site.wire.pki.ca))
    if known:
        context.load_cert_chain(*site.wire.pki.client("admin", ("system:masters",)))
    reader, writer = await asyncio.open_connection("127.0.0.1", site.wire.port, ssl=context)
    try:
        talk = Talk(reader, writer)
        talk.send(f"POST {BULK} HTTP/1.1", body=msgspec.json.encode(body))
        yield talk
    finally:
        writer.transport.abort()


@dataclass
class Site:
    """An API server on SQLite with an audit log, which listens."""

    wire: Wire
    api: Api
    server: HttpServer
    audit: Path

    def lines(self) -> list[Obj]:
        found = [msgspec.json.decode(line) for line in self.audit.read_bytes().splitlines()]
        return [line for line in found if line.get("resource") == "assignments"]

    @contextlib.asynccontextmanager
    async def as_(self, user: str, *groups: str, **options: Any) -> AsyncIterator[Client]:
        async with Client(self.wire.config(user, groups), **options) as made:
            yield made

    async def names(self) -> set[str]:
        async with Client(self.wire.config()) as client:
            return {one["metadata"]["name"] for one in await objects(client)}


async def grant(client: Client, user: str, rules: list[Obj], namespace: str = "") -> None:
    """Rights in one namespace, or everywhere."""
    under, prefix = (f"{RBAC}/namespaces/{namespace}", "") if namespace else (RBAC, "Cluster")
    role = {"metadata": {"name": user}, "rules": rules}
    await client.raw("POST", f"{under}/{prefix.lower()}roles", body=role)
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{prefix}Role", "name": user}
    subjects = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]
    bound = {"metadata": {"name": user}, "roleRef": ref, "subjects": subjects}
    await client.raw("POST", f"{under}/{prefix.lower()}rolebindings", body=bound)


WRITER = [{"apiGroups": ["starlink.dev"], "resources": ["assignments"], "verbs": ["create", "get"]}]
