"""The custom resource that the API server is measured with."""

import json

GROUP, PLURAL = "bench.example.com", "widgets"
PATH = f"/apis/{GROUP}/v1/namespaces/default/{PLURAL}"

_SPEC = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "minimum": 0},
        "at": {"type": "integer"},
        "color": {"type": "string", "enum": ["red", "green", "blue"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
        "payload": {"type": "string"},
    },
    "required": ["size"],
}
_STATUS = {"type": "object", "properties": {"phase": {"type": "string"}, "count": {"type": "integer"}}}
SCHEMA = {"type": "object", "properties": {"spec": _SPEC, "status": _STATUS}}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": PLURAL, "singular": "widget", "kind": "Widget"},
        "versions": [{
            "name": "v1",
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": SCHEMA},
        }],
    },
}  # fmt: skip


def widget(name: str) -> bytes:
    """A custom resource of 1 KB."""
    return json.dumps({
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "spec": {
            "size": 1,
            "color": "red",
            "tags": ["a", "b", "c"],
            "parameters": {f"key-{number}": "v" * 10 for number in range(8)},
            "payload": "x" * 620,
        },
    }).encode()  # fmt: skip
