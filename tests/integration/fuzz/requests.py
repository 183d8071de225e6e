"""Bad requests, made from what the server says of itself in its OpenAPI documents. Pure: a seed gives a request."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from starlink.http.message import Request, User

MEDIA = (
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "application/json; charset=\xff",
    "",
)
ACCEPT = (
    "application/json",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "*/*",
    "application/vnd.kubernetes.protobuf",
    "a/b;;=;",
    "",
)
NAMES = ("x", "default", "kube-system", "A", "..", ".", "a" * 300, "ü", "a%2Fb", "a b", "\x00", "-", "0", "x\n")
PARAMETERS: Mapping[str, Sequence[str]] = {
    "fieldManager": ("m", "", "a" * 200, "\x01"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "Sometimes"),
    "dryRun": ("All", "None", "all", "All,All"),
    "force": ("true", "1", "yes", ""),
    "limit": ("1", "0", "-1", "9" * 30, "1e3", "٣", "x"),
    "continue": ("", "x", "e30=", "WzEsIiIsIiJd", "\xff", "WzEse30="),
    "resourceVersion": ("0", "1", "-1", "9" * 18, "9" * 40, "x", "0x10"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "Older"),
    "labelSelector": ("a=b", "a in (b,c)", "!a", "a in (", "==", "a=b,,", "a notin ()", "a" * 400 + "=b", ",", "a>1"),
    "fieldSelector": ("metadata.name=x", "spec.x=y", "=", "a!=b", "metadata.name", "metadata.name=x,,", "a\\,b=c"),
    "propagationPolicy": ("Background", "Foreground", "Orphan", "Later"),
    "gracePeriodSeconds": ("0", "-1", "x"),
    "timeoutSeconds": ("1", "x", "-5"),
    "sendInitialEvents": ("true", "maybe"),
    "pretty": ("true", "x"),
    "includeObject": ("None", "Metadata", "Object", "All"),
    "\xff": ("\xff",),
}
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**70, 1.5, 1e308, "", "x", "\x00", "\ud7ff", "a" * 5000, [], {}, [None], [[]], {"": ""},
    {"a": {"b": {"c": []}}}, "2020-01-01T00:00:00Z", "10Gi", "1e999999", {"$patch": "delete"}, [{"$patch": "replace"}],
    {"$setElementOrder/x": [1]}, {"$retainKeys": 3}, {"$deleteFromPrimitiveList/finalizers": [{}]},
)  # fmt: skip
USERS = (
    User("admin", ("system:masters",)),
    User("system:serviceaccount:starlink-servers:s1", ("system:serviceaccounts",)),
    User("somebody", ("system:authenticated",)),
    User("system:anonymous", ("system:unauthenticated",)),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW")


class Maker:
    """Makes requests of the operations in OpenAPI documents (`paths` and `components` as published)."""

    def __init__(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self._operations = [
            (path, method.upper(), operation, document)
            for document in documents
            for path, operations in sorted(document.get("paths", {}).items())
            for method, operation in sorted(operations.items())
            if isinstance(operation, dict)
        ]

    def request(self, rng: random.Random) -> Request:
        """One request; most are wrong somewhere."""
        path, method, operation, document = rng.choice(self._operations)
        if rng.random() < 0.05:
            method = rng.choice(METHODS)
        filled = "/".join(_segment(rng, segment) for segment in path.split("/"))
        if rng.random() < 0.03:
            filled = _mangled(rng, filled)
        query = {
            name: rng.choice(PARAMETERS[name]) for name in rng.sample(sorted(PARAMETERS), rng.choice((0, 0, 1, 2)))
        }
        media = sorted(operation.get("requestBody", {}).get("content", {})) or MEDIA
        headers = {"accept": rng.choice(ACCEPT), "content-type": rng.choice(media if rng.random() < 0.8 else MEDIA)}
        if rng.random() < 0.03:
            headers["impersonate-user"] = rng.choice(("a", "", "system:serviceaccount:x:y", "\xff"))
        body = self._body(rng, operation, document) if method in ("POST", "PUT", "PATCH", "DELETE") else b""
        user = USERS[0] if rng.random() < 0.9 else rng.choice(USERS)
        return Request(method, filled, query, headers, body, user)

    def _body(self, rng: random.Random, operation: Mapping[str, Any], document: Mapping[str, Any]) -> bytes:
        kind = rng.random()
        if kind < 0.1:
            return rng.randbytes(rng.choice((0, 1, 7, 200)))
        if kind < 0.15:
            return rng.choice(
                (b"k8s\0", b"k8s\0\x0a", b"[" * 5000, b'{"a":' * 3000, b"a: &a [*a]", b"\xef\xbb\xbf{}", b"~")
            )
        if kind < 0.3:
            return msgspec.json.encode(_patch(rng))
        schema = _body_schema(operation)
        obj = _instance(rng, schema, document, 0) if schema else _odd(rng)
        if isinstance(obj, dict):
            obj = _enveloped(rng, obj, operation)
        encoded = msgspec.json.encode(obj)
        return _mangled_bytes(rng, encoded) if rng.random() < 0.1 else encoded


def _segment(rng: random.Random, segment: str) -> str:
    return (
        rng.choice(NAMES)
        if segment.startswith("{") and rng.random() < 0.5
        else segment.replace("{name}", "x").replace("{namespace}", "default")
    )


def _mangled(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(("/", "//", "%", "\x00", "ü", "..", "x" * 500)) + text[at:]


def _mangled_bytes(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.randrange(4)) + data[at + rng.randrange(3) :]


def _body_schema(operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    return next((media.get("schema") for media in content.values()), None)


def _enveloped(rng: random.Random, obj: dict[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """With a right apiVersion, kind and name, mostly, so that what is wrong lies deeper."""
    gvk = operation.get("x-kubernetes-group-version-kind", {})
    if rng.random() < 0.9 and gvk:
        obj["apiVersion"] = f"{gvk['group']}/{gvk['version']}" if gvk.get("group") else gvk.get("version", "v1")
        obj["kind"] = gvk.get("kind", "")
    if rng.random() < 0.9:
        meta = obj.get("metadata")
        obj["metadata"] = {**(meta if isinstance(meta, dict) else {}), "name": "x"}
    return obj


def _instance(rng: random.Random, schema: Any, document: Mapping[str, Any], depth: int) -> Any:
    """A value of a schema, with something odd here and there."""
    if rng.random() < 0.04 or depth > 6 or not isinstance(schema, dict):
        return _odd(rng)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _instance(rng, document["components"]["schemas"].get(name), document, depth + 1)
    if schema.get("allOf"):
        return _instance(rng, schema["allOf"][0], document, depth)
    if schema.get("enum"):
        return rng.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            return _object(rng, schema, document, depth)
        case "array":
            return [_instance(rng, schema.get("items"), document, depth + 1) for _ in range(rng.choice((0, 1, 2)))]
        case scalar:
            return rng.choice(_SCALARS.get(str(scalar), ODD))


def _object(rng: random.Random, schema: Mapping[str, Any], document: Mapping[str, Any], depth: int) -> Any:
    properties = schema.get("properties", {})
    chosen = [name for name in properties if name in schema.get("required", ()) or rng.random() < 0.4]
    obj = {name: _instance(rng, properties[name], document, depth + 1) for name in chosen}
    if isinstance(schema.get("additionalProperties"), dict):
        obj[rng.choice(NAMES)] = _instance(rng, schema["additionalProperties"], document, depth + 1)
    if rng.random() < 0.05:
        obj[rng.choice(NAMES)] = _odd(rng)
    return obj


_SCALARS: Mapping[str, Sequence[Any]] = {
    "string": ("x", "", "a-b", "10", "ü", "self > 1", "^[", "x.example.com", "k=v"),
    "integer": (0, 1, -1, 80, 2**31, 2**63 - 1),
    "number": (0, 1.5, -1e300),
    "boolean": (True, False),
}


def _odd(rng: random.Random) -> Any:
    return rng.choice(ODD)


def _patch(rng: random.Random) -> Any:
    """A JSON patch or a merge patch that is wrong somewhere."""
    if rng.random() < 0.5:
        return [_operation(rng) for _ in range(rng.choice((0, 1, 3)))]
    return {
        name: _odd(rng)
        for name in rng.sample(("metadata", "spec", "status", "kind", "apiVersion", "data", "x"), rng.choice((1, 2)))
    }


def _operation(rng: random.Random) -> Any:
    if rng.random() < 0.1:
        return _odd(rng)
    pointer = rng.choice(
        ("", "/", "/metadata/name", "/metadata/labels/a~1b", "/spec/x/-", "/a~2", "x", "/metadata/finalizers/-1")
    )
    operation = {"op": rng.choice(("add", "remove", "replace", "move", "copy", "test", "x", None)), "path": pointer}
    if rng.random() < 0.7:
        operation["value"] = _odd(rng)
    if rng.random() < 0.3:
        operation["from"] = rng.choice(("", "/metadata", "/spec", "x", None))
    return operation
