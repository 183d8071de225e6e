"""The compiled structural schema of one kind: `resource.Schema` over jsonschema-rs and CEL."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import jsonschema_rs

from starlink.apiserver import cel
from starlink.apiserver.errors import Cause
from starlink.apiserver.schema import causes, complaints, embedded, json_schema, structure, uniqueness
from starlink.apiserver.schema.causes import NOWHERE
from starlink.apiserver.schema.structure import Node

_BLOCKING = (
    "FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid",
)  # fmt: skip
_RULES_UNCHECKED = causes.invalid(
    NOWHERE,
    None,
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


class StructuralSchema:
    """One kind's schema, each of its parts made when it is first needed."""

    def __init__(self, openapi: Mapping[str, Any]) -> None:
        self._openapi = openapi

    @cached_property
    def node(self) -> Node:
        return structure.build(self._openapi, root=True)

    @cached_property
    def _rules(self) -> cel.Rules | None:
        return cel.compile_rules(self.node)

    @cached_property
    def _validator(self) -> jsonschema_rs.Validator:
        return json_schema.validator(json_schema.translated(self._openapi, root=True))

    def compile(self) -> None:
        """Makes all parts now. Raises `cel.BadRule` or ValueError when one can't be made."""
        _ = self._validator, self._rules

    @property
    def openapi(self) -> Mapping[str, Any]:
        return self._openapi

    def conform(self, obj: dict[str, Any], *, defaults: bool) -> tuple[dict[str, Any], list[str]]:
        unknown: list[str] = []
        shaped = structure.conform(self.node, obj, defaults=defaults, unknown=unknown)
        assert isinstance(shaped, dict)
        return shaped, sorted(structure.unknown_paths(self.node, obj)) if unknown else unknown

    def validate(self, obj: dict[str, Any], old: dict[str, Any] | None) -> tuple[Cause, ...]:
        found: list[Cause] = [] if self._validator.is_valid(obj) else self._complaints(obj)
        if self.node.embeds:
            found += embedded.check(self.node, obj)
        if self.node.keyed:
            found += uniqueness.twins(self.node, obj)
        if self._rules is None:
            return tuple(found)
        if any(cause.reason in _BLOCKING for cause in found):
            return (*found, _RULES_UNCHECKED)
        return (*found, *cel.check(self._rules, obj, old))

    def _complaints(self, obj: dict[str, Any]) -> list[Cause]:
        translated = json_schema.translated(self._openapi, root=True)
        return complaints.told(translated, self._validator.iter_errors(obj))


_compiled: dict[str, StructuralSchema] = {}
_MOST_COMPILED = 256


def compiled(openapi: Mapping[str, Any]) -> StructuralSchema:
    """The schema, compiled once however often a CRD with it is looked at. Raises as StructuralSchema.compile."""
    key = hashlib.sha256(json.dumps(openapi, sort_keys=True).encode()).hexdigest()
    if key not in _compiled:
        while len(_compiled) >= _MOST_COMPILED:
            del _compiled[next(iter(_compiled))]
        schema = StructuralSchema(openapi)
        schema.compile()
        _compiled[key] = schema
    return _compiled[key]
