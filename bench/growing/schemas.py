"""CRDs. Pure."""

from collections.abc import Callable
from typing import Any

from bench.growing.case import CRDS, MERGE, Case, Obj, send, words
from bench.growing.kind import DEFINITION, definition, schema


def _crd(openapi: Callable[[int], Obj], **version: Any) -> Callable[[int], Obj]:
    return lambda n: definition(openapi(n), **version)


def _defining(name: str, openapi: Callable[[int], Obj], size: int, **version: Any) -> Case:
    """A new schema for the kind, tried only."""
    return Case(
        name,
        lambda n: send(
            "PATCH",
            f"{CRDS}/{DEFINITION['metadata']['name']}",
            {"spec": _crd(openapi, **version)(n)["spec"]},
            MERGE,
            dryRun="All",
        ),
        size,
    )


def _deep_rules(n: int) -> Obj:
    inner: Obj = {"type": "string"}
    for _ in range(n):
        inner = {"type": "object", "properties": {"a": inner}, "x-kubernetes-validations": [{"rule": "has(self.a)"}]}
    return inner


CASES: tuple[Case, ...] = (
    _defining("schema: n properties", lambda n: schema(**{f"k{i}": {"type": "string"} for i in range(n)}), 400),
    _defining(
        "schema: n structures",
        lambda n: schema(
            **{
                f"k{i}": {
                    "type": "object",
                    "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}},
                }
                for i in range(n)
            }
        ),
        50,
    ),
    _defining(
        "schema: n rules",
        lambda n: schema(
            **{
                f"k{i}": {"type": "string", "maxLength": 9, "x-kubernetes-validations": [{"rule": f"self != 'a{i}'"}]}
                for i in range(n)
            }
        ),
        15,
    ),
    _defining("schema: rules n deep", lambda n: schema(a=_deep_rules(n)), 4),
    _defining(
        "schema: a rule over n fields",
        lambda n: schema(
            a={
                "type": "object",
                "properties": {f"k{i}": {"type": "string"} for i in range(n)},
                "x-kubernetes-validations": [{"rule": "self.k0 != 'a'"}],
            }
        ),
        200,
    ),
    _defining("schema: n options", lambda n: schema(a={"type": "string", "enum": words(n)}), 4_000),
    _defining(
        "schema: n patterns",
        lambda n: schema(**{f"k{i}": {"type": "string", "pattern": f"^a{{{i}}}$"} for i in range(n)}),
        20,
    ),
    _defining("schema: a pattern n long", lambda n: schema(a={"type": "string", "pattern": "(a|b)?" * n}), 100),
    _defining(
        "schema: n required",
        lambda n: schema(a={"type": "object", "required": words(n), "properties": {"k0": {"type": "string"}}}),
        2_000,
    ),
    _defining("schema: n wrong keywords", lambda n: schema(**{f"k{i}": {"type": "x"} for i in range(n)}), 200),
    _defining(
        "schema: n wrong defaults",
        lambda n: schema(**{f"k{i}": {"type": "string", "default": 1} for i in range(n)}),
        100,
    ),
    _defining(
        "schema: n columns",
        lambda n: schema(a={"type": "string"}),
        100,
        additionalPrinterColumns=[{"name": "a", "type": "string", "jsonPath": ".a"}] * 1_000,
    ),
)
