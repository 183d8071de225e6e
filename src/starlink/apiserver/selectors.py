"""Label and field selectors: parsed once, then asked of many objects.

Grammar: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlink.apiserver import errors
from starlink.apiserver.resource import Resource

_SET = re.compile(r"^\s*([^\s,!=()]+)\s+(in|notin)\s*\(([^)]*)\)\s*$")
_COMPARE = re.compile(r"^\s*([^\s,!=()]+)\s*(==|=|!=)\s*([^\s,!=()]*)\s*$")
_EXISTS = re.compile(r"^\s*(!?)\s*([^\s,!=()]+)\s*$")
_SPLIT = re.compile(r",(?![^(]*\))")


@dataclass(frozen=True, slots=True)
class Selector:
    """What of a list or watch is wanted. `name` is set when a field selector pins metadata.name."""

    label_terms: tuple[Callable[[Mapping[str, str]], bool], ...] = ()
    field_terms: tuple[tuple[str, str, bool], ...] = ()  # path, value, whether it must equal

    @property
    def everything(self) -> bool:
        return not self.label_terms and not self.field_terms

    def required(self, path: str) -> str | None:
        """The value that the field selector demands of `path`."""
        return next((value for field, value, equal in self.field_terms if field == path and equal), None)

    def matches(self, obj: dict[str, Any]) -> bool:
        if self.label_terms:
            labels = obj["metadata"].get("labels") or {}
            if not all(term(labels) for term in self.label_terms):
                return False
        return all((_field(obj, path) == value) is equal for path, value, equal in self.field_terms)


def parse(resource: Resource, label_selector: str, field_selector: str) -> Selector:
    """Raises StatusError 400 naming what is wrong and, for fields, what is supported."""
    return Selector(_labels(label_selector), _fields(resource, field_selector))


def _labels(text: str) -> tuple[Callable[[Mapping[str, str]], bool], ...]:
    return tuple(_label_term(part) for part in _SPLIT.split(text) if text.strip())


def _label_term(part: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _SET.match(part):
        key, wanted, values = match[1], match[2] == "in", {value.strip() for value in match[3].split(",")}
        return lambda labels: (labels.get(key) in values) is wanted
    if match := _COMPARE.match(part):
        key, wanted, value = match[1], match[2] != "!=", match[3]
        return lambda labels: (labels.get(key) == value) is wanted
    if match := _EXISTS.match(part):
        key, wanted = match[2], not match[1]
        return lambda labels: (key in labels) is wanted
    raise errors.bad_request(
        f"unable to parse requirement: {part!r} is no label selector; write key=value, key!=value, "
        "key, !key, key in (a,b) or key notin (a,b)"
    )


def _fields(resource: Resource, text: str) -> tuple[tuple[str, str, bool], ...]:
    return tuple(_field_term(resource, part) for part in text.split(",") if part.strip())


def _field_term(resource: Resource, part: str) -> tuple[str, str, bool]:
    for operator in ("!=", "==", "="):
        path, found, value = part.partition(operator)
        if found:
            break
    else:
        raise errors.bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    path, value = path.strip(), value.strip().replace("\\,", ",").replace("\\=", "=")
    supported = ("metadata.name", "metadata.namespace", *resource.selectable_fields)
    if (resource.group, resource.plural) == ("", "namespaces"):
        supported += ("status.phase",)
    if path not in supported:
        raise errors.bad_request(f"field label not supported: {path}; supported: {', '.join(supported)}")
    return path, value, operator != "!="


def _field(obj: dict[str, Any], path: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
