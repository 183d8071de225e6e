"""The compiled structural schema of one kind: `resource.Schema` over jsonschema-rs and CEL."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import jsonschema_rs

from starlink.apiserver import cel
from starlink.apiserver.errors import Cause
from starlink.apiserver.schema import causes, complaints, embedded, json_schema, sections, structure, uniqueness
from starlink.apiserver.schema.causes import NOWHERE
from starlink.apiserver.schema.sections import Section
from starlink.apiserver.schema.structure import Node

Obj = dict[str, Any]

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
    """One kind's schema, each of its parts made when it is first needed. `remembers`: parts of objects that come again
    are told by their JSON and shared, so that nothing may change an object that was conformed."""

    def __init__(self, openapi: Mapping[str, Any], *, remembers: bool = False) -> None:
        self._openapi = openapi
        self._remembers = remembers

    @cached_property
    def node(self) -> Node:
        root = structure.build(self._openapi, root=True)
        return structure.remembering(root) if self._remembers else root

    @cached_property
    def _rules(self) -> cel.Rules | None:
        return cel.compile_rules(self.node)

    @cached_property
    def _sections(self) -> Section:
        return sections.build(json_schema.translated(self._openapi, root=True), self.node)

    @cached_property
    def _validator(self) -> jsonschema_rs.Validator:
        """Of the whole, for what is wrong with an object that is not valid."""
        return json_schema.validator(json_schema.translated(self._openapi, root=True))

    def compile(self) -> None:
        """Makes all parts now that an object needs. Raises `cel.BadRule` or ValueError when one can't be made."""
        _ = self._sections, self._rules

    @property
    def openapi(self) -> Mapping[str, Any]:
        return self._openapi

    def conform(self, obj: Obj, *, defaults: bool, old: Obj | None = None) -> tuple[Obj, list[str]]:
        unknown: list[str] = []
        shaped = structure.conform(self.node, obj, defaults=defaults, unknown=unknown, old=old)
        assert isinstance(shaped, dict)
        return shaped, sorted(structure.unknown_paths(self.node, obj, old=old)) if unknown else unknown

    def validate(self, obj: Obj, old: Obj | None, *, old_is_valid: bool = False) -> tuple[Cause, ...]:
        found = self._found(obj, old, old_is_valid)
        if not found and self._remembers:
            for repeats, value in sections.repeating(self._sections, obj):
                part = repeats.of(value)
                if part is not None:
                    part.valid = True
        return tuple(found)

    def _found(self, obj: Obj, old: Obj | None, old_is_valid: bool) -> list[Cause]:
        valid = old if old_is_valid else None
        found = [] if sections.is_valid(self._sections, obj, valid) else self._complaints(obj)
        if self.node.embeds:
            found += embedded.check(self.node, obj)
        if self.node.keyed:
            found += uniqueness.twins(self.node, obj, valid)
        if self._rules is None:
            return found
        if any(cause.reason in _BLOCKING for cause in found):
            return [*found, _RULES_UNCHECKED]
        return [*found, *cel.check(self._rules, obj, old, old_is_valid=old_is_valid)]

    def _complaints(self, obj: Obj) -> list[Cause]:
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
        schema = StructuralSchema(openapi, remembers=True)
        schema.compile()
        _compiled[key] = schema
    return _compiled[key]
