"""OpenAPI v3: an index and a document per group and version, for `kubectl explain` and validation."""

import hashlib
from collections.abc import Mapping
from typing import Any

from starlink.apiserver.encoding import JSON, dump
from starlink.apiserver.message import Response
from starlink.apiserver.resource import Registry, Resource

Obj = dict[str, Any]
_FOREVER = {
    "cache-control": "public, immutable",
    "expires": "Fri, 01 Jan 2100 00:00:00 GMT",
    "vary": "Accept",
}
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_PATCHES = ("application/json-patch+json", "application/merge-patch+json")


class OpenApi:
    """The documents of a registry, made anew when it changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._generation = -1
        self._documents: dict[str, tuple[bytes, str]] = {}

    def response(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Response | None:
        """The answer for a path below /openapi/v3, None for any other."""
        if path.rstrip("/") == "/openapi/v3":
            return Response(200, self._index(), JSON)
        if not path.startswith("/openapi/v3/"):
            return None
        found = self._current().get(path.removeprefix("/openapi/v3/"))
        if found is None:
            return None
        body, digest = found
        etag = f'"{digest}"'
        caching = _FOREVER if query.get("hash") == digest else {"vary": "Accept"}
        if headers.get("if-none-match") == etag:
            return Response(304, b"", {"etag": etag, **caching})
        return Response(200, body, {**JSON, "etag": etag, **caching})

    def _index(self) -> bytes:
        paths = {
            name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
            for name, (_, digest) in self._current().items()
        }
        return dump({"paths": paths})

    def _current(self) -> dict[str, tuple[bytes, str]]:
        if self._generation != self._registry.generation:
            self._generation = self._registry.generation
            self._documents = {}
            groups: dict[tuple[str, str], list[Resource]] = {}
            for resource in self._registry.all():
                groups.setdefault((resource.group, resource.version), []).append(resource)
            for (group, version), resources in groups.items():
                body = dump(_document(resources))
                digest = hashlib.sha256(body).hexdigest()[:32].upper()
                self._documents[f"apis/{group}/{version}" if group else f"api/{version}"] = (body, digest)
        return self._documents


def _document(resources: list[Resource]) -> Obj:
    schemas: Obj = {_META: _OBJECT_META}
    paths: Obj = {}
    for resource in resources:
        name = _component(resource)
        schemas[name] = _kind_schema(resource)
        schemas[f"{name}List"] = _list_schema(resource, name)
        paths |= _paths(resource, name)
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
    schema = {key: value for key, value in resource.schema.openapi.items() if key != "properties"}
    properties = dict(resource.schema.openapi.get("properties") or {})
    properties["metadata"] = {
        "description": "Standard object's metadata.",
        "allOf": [{"$ref": f"#/components/schemas/{_META}"}],
        "default": {},
    }
    properties.setdefault("apiVersion", {"type": "string"})
    properties.setdefault("kind", {"type": "string"})
    return {**schema, "properties": properties, "x-kubernetes-group-version-kind": [_gvk(resource)]}


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


def _paths(resource: Resource, name: str) -> Obj:
    prefix = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
    base = (
        f"{prefix}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"{prefix}/{resource.plural}"
    )
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
        paths[f"{prefix}/{resource.plural}"] = {"get": _operation(resource, "list", f"{name}List", [])}
    if resource.status:
        paths[f"{base}/{{name}}/status"] = {
            "get": _operation(resource, "get", name, []),
            "put": _write(resource, "put", name),
            "patch": _write(resource, "patch", name),
        }
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
    operation = _operation(resource, action, name, ["dryRun", "fieldManager", "fieldValidation"])
    reference = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    media = (
        {patch: {"schema": {"type": "object"}} for patch in _PATCHES}
        if action == "patch"
        else {"application/json": reference}
    )
    return {**operation, "requestBody": {"required": True, "content": media}}


def _text(description: str) -> Obj:
    return {"type": "string", "description": description}


def _strings(description: str) -> Obj:
    return {"type": "object", "additionalProperties": {"type": "string"}, "description": description}


_OBJECT_META: Obj = {
    "description": "ObjectMeta is what every object carries beside its own fields.",
    "type": "object",
    "properties": {
        "name": _text("The object's name, unique in its namespace; it can't be changed."),
        "generateName": _text("A prefix from which the server makes a unique name."),
        "namespace": _text("The namespace that the object lies in."),
        "labels": _strings("Keys and values that selectors match."),
        "annotations": _strings("Keys and values for tools, not for selecting."),
        "uid": _text("The object's identity; another object of the same name has another."),
        "resourceVersion": _text("Changes with every write; name it to write only what was read."),
        "generation": {
            "type": "integer",
            "format": "int64",
            "description": "Counts changes of what is wanted.",
        },
        "creationTimestamp": {**_text("When the object was created."), "format": "date-time"},
        "deletionTimestamp": {**_text("When its deletion was asked for."), "format": "date-time"},
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64", "description": "Always 0 here."},
        "finalizers": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What must be done before the object is gone.",
        },
        "ownerReferences": {
            "type": "array",
            "description": "Objects without which this one goes too.",
            "items": {
                "type": "object",
                "required": ["apiVersion", "kind", "name", "uid"],
                "properties": {
                    "apiVersion": _text("The owner's API version."),
                    "kind": _text("The owner's kind."),
                    "name": _text("The owner's name."),
                    "uid": _text("The owner's UID."),
                    "controller": {
                        "type": "boolean",
                        "description": "Whether the owner manages this object.",
                    },
                    "blockOwnerDeletion": {
                        "type": "boolean",
                        "description": "Whether the owner waits for it to go.",
                    },
                },
            },
        },
    },
}
