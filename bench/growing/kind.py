"""The custom kind of the cases: a set, a list map, a map of maps, formats, patterns, and rules over them. Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec

from bench.growing.case import CRDS, ROLES, Obj, named, send
from starlink.http.message import Request, User

WRITER = User("writer", ("system:authenticated",))
"""May create roles, and holds fifty rules."""

DEFINITION: Obj = named(
    "CustomResourceDefinition",
    "apiextensions.k8s.io/v1",
    "widgets.growth.example.com",
    spec={
        "group": "growth.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": None}}],
    },
)
_TEXT = {"type": "string"}
_SPEC: Obj = {
    "set": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"},
    "parts": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": _TEXT, "size": {"type": "integer", "enum": list(range(100))}},
            "x-kubernetes-validations": [{"rule": "self.name != 'bad'"}],
        },
    },
    "plain": {"type": "array", "items": {"type": "integer"}},
    "lists": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    "map": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"type": "integer"}}},
    "numbers": {"type": "object", "additionalProperties": {"type": "integer"}},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "both": {
        "type": "object",
        "properties": {part: {"type": "array", "items": _TEXT, "maxItems": 1_000} for part in ("a", "b")},
        "x-kubernetes-validations": [{"rule": "!has(self.a) || self.a.all(x, x in self.b)"}],
    },
    "duration": {"type": "string", "format": "duration"},
    "hostname": {"type": "string", "format": "hostname"},
    "email": {"type": "string", "format": "email"},
    "uri": {"type": "string", "format": "uri"},
    "pattern": {"type": "string", "pattern": "^(a+)+$"},
    "either": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": _TEXT},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
    },
}


def widget(**spec: Any) -> Obj:
    """An object of the kind."""
    return named("Widget", "growth.example.com/v1", spec=spec)


def schema(**spec: Obj) -> Obj:
    """A schema of those properties."""
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}


def definition(openapi: Obj, **version: Any) -> Obj:
    """The CRD with that schema."""
    made: Obj = msgspec.to_builtins(DEFINITION)
    made["spec"]["versions"][0] |= {"schema": {"openAPIV3Schema": openapi}, **version}
    return made


def setup() -> Iterator[Request]:
    """What all cases need, sent once."""
    columns = [{"name": "Size", "type": "string", "jsonPath": '.spec.parts[?(@.name=="k1")].size'}]
    yield send("POST", CRDS, definition(schema(**_SPEC), additionalPrinterColumns=columns))
    rules = [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]}]
    rules += [{"apiGroups": [f"g{i}"], "resources": ["x"], "verbs": ["get"]} for i in range(50)]
    yield send("POST", ROLES, named("Role", "rbac.authorization.k8s.io/v1", "writer", rules=rules))
    yield send(
        "POST",
        ROLES.replace("roles", "rolebindings"),
        named(
            "RoleBinding", "rbac.authorization.k8s.io/v1", "writer",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"},
            subjects=[{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "writer"}],
        ),
    )  # fmt: skip
