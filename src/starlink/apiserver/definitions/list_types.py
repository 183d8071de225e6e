"""What of a CRD's schema is refused beside its structure: types, kinds of lists and maps, what is not supported. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apis/apiextensions/validation/validation.go
"""

from collections.abc import Iterator

from starlink.api.errors import Cause
from starlink.apiserver.cel import forms
from starlink.apiserver.definitions import keywords
from starlink.apiserver.definitions.keywords import Schema
from starlink.apiserver.schema import causes

_LIST, _KEYS, _MAP = "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_LIST_TYPES, _MAP_TYPES = ("atomic", "set", "map"), ("atomic", "granular")


def check(schema: Schema, path: str) -> Iterator[Cause]:
    """Why a schema, or one below it, is refused."""
    yield from _check_types(schema, path)
    for here, part in keywords.parts(schema, path):
        yield from check(part, here)
    yield from _check_map(schema, path)
    yield from _check_list(schema, path)
    yield from forms.check(schema, path)


def _check_types(schema: Schema, path: str) -> Iterator[Cause]:
    kind = schema.get("type", "")
    if kind and kind not in keywords.TYPES:
        yield causes.not_supported(f"{path}.type", kind, keywords.TYPES)
    if kind == "null":
        yield causes.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield causes.forbidden(f"{path}.uniqueItems", why)
    if schema.get("properties") and schema.get("additionalProperties", True) is not True:
        why = "additionalProperties and properties are mutual exclusive"
        yield causes.forbidden(f"{path}.additionalProperties", why)
    if schema.get(_PRESERVE) is False:
        yield causes.invalid(f"{path}.{_PRESERVE}", False, "must be true or undefined")


def _check_map(schema: Schema, path: str) -> Iterator[Cause]:
    if _MAP in schema:
        yield from _must_be("object", schema, path, _MAP)
        if schema[_MAP] not in _MAP_TYPES:
            yield causes.not_supported(f"{path}.{_MAP}", schema[_MAP], _MAP_TYPES)


def _must_be(wanted: str, schema: Schema, path: str, keyword: str) -> Iterator[Cause]:
    kind, why = schema.get("type", ""), f"must be {wanted} if {keyword} is specified"
    if not kind:
        yield causes.required(f"{path}.type", why)
    elif kind != wanted:
        yield causes.invalid(f"{path}.type", kind, why)


def _check_list(schema: Schema, path: str) -> Iterator[Cause]:
    kind = schema.get(_LIST)
    if kind is not None:
        yield from _must_be("array", schema, path, _LIST)
        if kind not in _LIST_TYPES:
            yield causes.not_supported(f"{path}.{_LIST}", kind, _LIST_TYPES)
    if schema.get(_KEYS) and kind != "map":
        why = f"must be map if {_KEYS} is non-empty"
        yield causes.invalid(f"{path}.{_LIST}", kind, why) if kind else causes.required(f"{path}.{_LIST}", why)
    if kind == "set" and schema.get("type") == "array":
        yield from _check_set(schema.get("items") or {}, f"{path}.items")
    if kind == "map":
        yield from _check_list_map(schema, path)
    if kind in ("set", "map") and (schema.get("items") or {}).get("nullable"):
        yield causes.forbidden(f"{path}.items.nullable", f"cannot be nullable when {_LIST} is {kind}")


def _check_set(items: Schema, path: str) -> Iterator[Cause]:
    keyword = {"array": _LIST, "object": _MAP}.get(items.get("type", ""))
    given = items.get(keyword) if keyword else None
    if keyword and given != "atomic" and not (keyword == _LIST and given is None):
        yield causes.invalid(f"{path}.{keyword}", given, f"must be atomic as item of a list with {_LIST}=set")


def _check_list_map(schema: Schema, path: str) -> Iterator[Cause]:
    keys, items = schema.get(_KEYS) or [], schema.get("items")
    if not keys:
        yield causes.required(f"{path}.{_KEYS}", f"must not be empty if {_LIST} is map")
    if items is None:
        yield causes.required(f"{path}.items", f"must have a schema if {_LIST} is map")
    elif items.get("type") != "object":
        why = f"must be object if parent array's {_LIST} is map"
        yield causes.invalid(f"{path}.items.type", items.get("type", ""), why)
    else:
        for index, key in enumerate(keys):
            yield from _check_key(schema, key, path)
            if key in keys[:index]:
                yield causes.invalid(f"{path}.{_KEYS}", keys, "must not contain duplicate entries")


def _check_key(schema: Schema, key: str, path: str) -> Iterator[Cause]:
    items, here = schema["items"], f"{path}.items.properties[{key}]"
    known = (items.get("properties") or {}).get(key)
    named = f"this property is in {_KEYS}, so it"
    if known is None:
        yield causes.invalid(f"{path}.{_KEYS}", schema[_KEYS], "entries must all be names of item properties")
        return
    if known.get("type") in ("array", "object"):
        why = f"must be a scalar type if parent array's {_LIST} is map"
        yield causes.invalid(f"{here}.type", known["type"], why)
    if key not in (items.get("required") or ()) and known.get("default") is None:
        yield causes.required(f"{here}.default", f"{named} must have a default or be a required property")
    if known.get("nullable"):
        yield causes.forbidden(f"{here}.nullable", f"{named} cannot be nullable")
