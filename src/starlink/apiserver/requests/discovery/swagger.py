"""OpenAPI v2, of one piece: for `kind: List` and unknown kinds in kubectl, which asks it where v3 knows no answer.

Each part is what OpenAPI v3 says, in the older words: https://swagger.io/specification/v2/. What these can't say is
left out, as the real server does: alternatives, and all below what may be null or hold unknown fields, for clients
that check by this document would refuse what the server takes
(https://github.com/kubernetes/kubernetes/blob/v1.32.0/staging/src/k8s.io/apiextensions-apiserver/pkg/controller/openapi/v2/conversion.go).
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from starlink.apiserver import aside
from starlink.apiserver.requests.discovery import gnostic
from starlink.apiserver.requests.discovery.openapi import by_path, document
from starlink.apiserver.resources.encoding import dump
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.http.message import Response

Obj = dict[str, Any]
_PATH = "/openapi/v2"
_JSON = "application/json"
_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_MEDIA = {
    "*/*": _JSON,
    "application/*": _JSON,
    _JSON: _JSON,
    _PROTOBUF: _PROTOBUF,
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf": _PROTOBUF,
}
_UNSAYABLE = ("oneOf", "anyOf", "allOf", "not", "nullable")
_PARTS = ("items", "properties", "additionalProperties")


class Swagger:
    """The document of a registry, made when it is asked for after a change. It may be megabytes and is asked for
    seldom, so it is kept compressed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._generation = -1
        self._made: dict[str, tuple[bytes, str]] = {}

    async def response(self, path: str, headers: Mapping[str, str]) -> Response | None:
        """The answer for /openapi/v2, None for any other path."""
        if path.rstrip("/") != _PATH:
            return None
        media = _accepted(headers.get("accept", ""))
        if media is None:
            return Response(406, b"", {"vary": "Accept"})
        packed, digest = await self._current(media)
        caching = {"etag": f'"{digest}"', "vary": "Accept"}
        if headers.get("if-none-match") == caching["etag"]:
            return Response(304, b"", caching)
        return Response(200, zlib.decompress(packed), {"content-type": media, **caching})

    async def _current(self, media: str) -> tuple[bytes, str]:
        generation = self._registry.generation
        if self._generation != generation:
            self._generation, self._made = generation, {}
        made = self._made.get(media)
        if made is None:
            resources = self._registry.all()
            made = await aside.run(aside.LARGE, lambda: _packed(resources, media))
            if self._generation == generation:
                self._made[media] = made
        return made


def _accepted(accept: str) -> str | None:
    """The medium that the client likes best of ours: the first in its list."""
    wanted = [part.partition(";")[0].strip() for part in accept.split(",")] if accept else ["*/*"]
    return next((_MEDIA[part] for part in wanted if part in _MEDIA), None)


def _packed(resources: Iterable[Resource], media: str) -> tuple[bytes, str]:
    swagger = swagger_of(resources)
    body = gnostic.encoded(swagger) if media == _PROTOBUF else dump(swagger)
    return zlib.compress(body, 1), hashlib.sha256(body).hexdigest()[:32].upper()


def swagger_of(resources: Iterable[Resource]) -> Obj:
    """The document of all that is served, as plain data."""
    paths: Obj = {}
    definitions: Obj = {}
    for group in by_path(resources).values():
        v3 = document(group)
        paths |= {path: _path_item(item) for path, item in v3["paths"].items()}
        definitions |= {name: _schema(schema) for name, schema in v3["components"]["schemas"].items()}
    info = {"title": "Kubernetes", "version": "v1.32.0"}
    return {"swagger": "2.0", "info": info, "paths": paths, "definitions": definitions}


def _path_item(item: Obj) -> Obj:
    operations = {method: _operation(operation) for method, operation in item.items() if method != "parameters"}
    return {**operations, "parameters": [_parameter(parameter) for parameter in item["parameters"]]}


def _operation(operation: Obj) -> Obj:
    body = operation.get("requestBody", {}).get("content", {})
    extensions = {key: value for key, value in operation.items() if key.startswith("x-")}
    return {
        "tags": operation["tags"],
        "operationId": operation["operationId"],
        "consumes": list(body) or ["*/*"],
        "produces": [_JSON],
        "parameters": [*_body_parameter(body), *(_parameter(parameter) for parameter in operation["parameters"])],
        "responses": {code: _response(response) for code, response in operation["responses"].items()},
        **extensions,
    }


def _body_parameter(content: Obj) -> Iterable[Obj]:
    """The body of a request, which is of one schema in whatever media it comes; none where there is none."""
    for media in list(content.values())[:1]:
        yield {"name": "body", "in": "body", "required": True, "schema": _schema(media["schema"])}


def _parameter(parameter: Obj) -> Obj:
    kept: Obj = {key: parameter[key] for key in ("name", "in", "required") if key in parameter}
    return kept | {"type": parameter["schema"]["type"]}


def _response(response: Obj) -> Obj:
    return {"description": response["description"], "schema": _schema(response["content"][_JSON]["schema"])}


def _schema(schema: Obj) -> Obj:
    """A schema in the older words."""
    reference = schema.get("$ref") or _only_reference(schema)
    if reference:
        return {"$ref": reference.replace("#/components/schemas/", "#/definitions/")}
    left_out = {*_UNSAYABLE, *(_PARTS if _is_opaque(schema) else ())}
    if schema.get("nullable") or schema.get("x-kubernetes-int-or-string"):
        left_out.add("type")
    said = {key: value for key, value in schema.items() if key not in left_out}
    if said.get("type") == "array":
        said.setdefault("items", {})
    for key in ("items", "additionalProperties"):
        if isinstance(said.get(key), dict):
            said[key] = _schema(said[key])
    if "properties" in said:
        said["properties"] = {name: _schema(part) for name, part in said["properties"].items()}
    return said


def _only_reference(schema: Obj) -> str:
    """The schema's one part of `allOf`, by which v3 gives a reference a description; "" where it is something else."""
    every = schema.get("allOf", ())
    return str(every[0].get("$ref", "")) if len(every) == 1 else ""


def _is_opaque(schema: Obj) -> bool:
    return bool(schema.get("nullable") or schema.get("x-kubernetes-preserve-unknown-fields"))
