"""OpenAPI v3: an index and a document per group and version, for `kubectl explain` and validation."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import starlink
from starlink.apiserver import aside
from starlink.apiserver.memo import Recent
from starlink.apiserver.requests.writing import patches
from starlink.apiserver.resources.encoding import dump
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.apiserver.schema.meta import part
from starlink.http.media import JSON, TEXT
from starlink.http.message import Response

Obj = dict[str, Any]
_FOREVER = {
    "cache-control": "public, immutable",
    "expires": "Fri, 01 Jan 2100 00:00:00 GMT",
    "vary": "Accept",
}
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
ROOM = 2 * 1024 * 1024
"""Bytes of all documents that are kept, those that were read last; a client keeps what it has read itself."""

_Groups = dict[str, tuple[Resource, ...]]
"""The resources of each group and version, by the path of its document."""


class OpenApi:
    """The documents of a registry, each made when it is asked for; their hashes, which tell them apart, cost little."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._generation = -1
        self._groups: _Groups = {}
        self._digests: dict[str, str] = {}
        self._bodies = Recent[str, bytes](ROOM)

    async def response(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Response | None:
        """The answer for a path below /openapi/v3, None for any other."""
        if path.rstrip("/") == "/openapi/v3":
            await self._follow()
            return Response(200, _index(self._digests), TEXT)
        if not path.startswith("/openapi/v3/"):
            return None
        await self._follow()
        name = path.removeprefix("/openapi/v3/")
        digest = self._digests.get(name)
        if digest is None:
            return None
        etag = f'"{digest}"'
        if query.get("hash", digest) != digest:
            return Response(301, b"", {"location": f"{path}?hash={digest}", "vary": "Accept"})
        caching = _FOREVER if "hash" in query else {"vary": "Accept"}
        if headers.get("if-none-match") == etag:
            return Response(304, b"", {"etag": etag, **caching})
        return Response(200, await self._body(digest, self._groups[name]), {**JSON, "etag": etag, **caching})

    async def _follow(self) -> None:
        """Has the hashes be those of what is served now."""
        generation = self._registry.generation
        if self._generation == generation:
            return
        groups = by_path(self._registry.all())
        known = {path: self._digests[path] for path in groups if groups[path] == self._groups.get(path)}
        made = await aside.run(aside.LARGE, lambda: {p: _digest(of) for p, of in groups.items() if p not in known})
        self._generation, self._groups = generation, groups
        self._digests = {path: known.get(path) or made[path] for path in groups}

    async def _body(self, digest: str, resources: Sequence[Resource]) -> bytes:
        """A document, made beside the loop, for a schema may be large."""
        body = self._bodies.get(digest)
        if body is None:
            body = await aside.run(aside.LARGE, lambda: dump(document(resources)))
        return self._bodies.keep(digest, body, len(body))


def by_path(resources: Iterable[Resource]) -> _Groups:
    """Those of each group and version, by its path, such as apis/starlink.dev/v1alpha1."""
    groups: _Groups = {}
    for resource in resources:
        path = _prefix(resource).removeprefix("/")
        groups[path] = (*groups.get(path, ()), resource)
    return groups


def _index(digests: Mapping[str, str]) -> bytes:
    paths = {name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"} for name, digest in digests.items()}
    return dump({"paths": paths})


def _digest(resources: Sequence[Resource]) -> str:
    """What tells a document from others: all that is in it."""
    told = hashlib.sha256(starlink.__version__.encode())
    for one in resources:
        names = (one.api_version, one.plural, one.kind, one.list_kind)
        served = (one.namespaced, one.persistent, bool(one.verbs), one.status, one.custom)
        told.update(repr((names, served)).encode() + one.schema.digest)
    return told.hexdigest()[:32].upper()


def document(resources: Sequence[Resource]) -> Obj:
    """The document of a group and version, as plain data."""
    schemas: Obj = {_META: _published(part("ObjectMeta"))}
    paths: Obj = {}
    for resource in resources:
        name = _component(resource)
        schemas[name] = _kind_schema(resource)
        if resource.persistent:
            schemas[f"{name}List"] = _list_schema(resource, name)
            paths |= _paths(resource, name)
        elif resource.verbs:
            paths |= _review_paths(resource, name)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.32.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _component(resource: Resource) -> str:
    domain = ".".join(reversed(resource.group.split("."))) if resource.group else "io.k8s.api.core"
    return f"{domain}.{resource.version}.{resource.kind}"


def _kind_schema(resource: Resource) -> Obj:
    published = _published(resource.schema.openapi)
    schema = {key: value for key, value in published.items() if key != "properties"}
    properties = dict(published.get("properties") or {})
    properties["metadata"] = {
        "description": "Standard object's metadata.",
        "allOf": [{"$ref": f"#/components/schemas/{_META}"}],
        "default": {},
    }
    properties.setdefault("apiVersion", {"type": "string"})
    properties.setdefault("kind", {"type": "string"})
    return {**schema, "properties": properties, "x-kubernetes-group-version-kind": [_gvk(resource)]}


def _published(schema: Any) -> Any:
    """The schema without what is only for our own use."""
    if isinstance(schema, list):
        return [_published(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {key: _published(value) for key, value in schema.items() if key != "x-protobuf"}


def _list_schema(resource: Resource, name: str) -> Obj:
    return {
        "description": f"A list of {resource.kind}.",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "items": {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}},
        },
        "x-kubernetes-group-version-kind": [{**_gvk(resource), "kind": resource.list_kind or f"{resource.kind}List"}],
    }


def _gvk(resource: Resource) -> Obj:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _prefix(resource: Resource) -> str:
    return f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"


def _base(resource: Resource) -> str:
    where = "/namespaces/{namespace}" if resource.namespaced else ""
    return f"{_prefix(resource)}{where}/{resource.plural}"


def _review_paths(resource: Resource, name: str) -> Obj:
    return _with_path_parameters({_base(resource): {"post": _write(resource, "post", name)}})


def _paths(resource: Resource, name: str) -> Obj:
    base = _base(resource)
    paths: Obj = {
        base: {
            "get": _operation(resource, "list", f"{name}List", ["labelSelector", "fieldSelector", "limit", "continue"]),
            "post": _write(resource, "post", name),
            "delete": _operation(resource, "deletecollection", f"{name}List", ["labelSelector", "fieldSelector"]),
        },
        f"{base}/{{name}}": {
            "get": _operation(resource, "get", name, []),
            "put": _write(resource, "put", name),
            "patch": _write(resource, "patch", name),
            "delete": _operation(resource, "delete", name, ["propagationPolicy", "dryRun"]),
        },
    }
    if resource.namespaced:
        paths[f"{_prefix(resource)}/{resource.plural}"] = {"get": _operation(resource, "list", f"{name}List", [])}
    if resource.status:
        paths[f"{base}/{{name}}/status"] = {
            "get": _operation(resource, "get", name, []),
            "put": _write(resource, "put", name),
            "patch": _write(resource, "patch", name),
        }
    return _with_path_parameters(paths)


def _with_path_parameters(paths: Obj) -> Obj:
    for path, operations in paths.items():
        found = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        operations["parameters"] = [
            {"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in found
        ]
    return paths


def _operation(resource: Resource, action: str, schema: str, parameters: list[str]) -> Obj:
    return {
        "tags": [resource.plural],
        "operationId": f"{action}{resource.kind}",
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in parameters],
        "responses": {
            "200": {
                "description": "OK",
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
            }
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(resource),
    }


def _write(resource: Resource, action: str, name: str) -> Obj:
    patches_it = action == "patch"
    parameters = ["dryRun", "fieldManager", "fieldValidation", *(["force"] if patches_it else [])]
    content: Obj = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    if patches_it:
        content = {media: {"schema": {"type": "object"}} for media in patches.accepted(resource)}
    operation = _operation(resource, action, name, parameters)
    return {**operation, "requestBody": {"required": True, "content": content}}
