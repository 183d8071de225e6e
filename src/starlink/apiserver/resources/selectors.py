"""Label and field selectors: parsed once, then asked of many objects.

Grammar: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlink.api import errors
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.schema.formats import is_subdomain

_TOKEN = re.compile(r"==|!=|[=!,()<>]|[^\s=!,()<>]+")
_WORD = re.compile(r"[^\s=!,()<>]+")
_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_OPERATORS = "in, notin, =, ==, !=, gt, lt"
MAX_TERMS = 1_000
"""Requirements of one selector: each is asked of every object of a list, and of each event of a watch."""

_INT64 = range(-(2**63), 2**63)
_NUMBER = re.compile(r"[-+]?[0-9]{1,19}")

Term = Callable[[Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Selector:
    """What of a list or watch is wanted. `name` is set when a field selector pins metadata.name."""

    label_terms: tuple[Term, ...] = ()
    field_terms: tuple[tuple[str, str, bool], ...] = ()  # path, value, whether it must equal

    @property
    def everything(self) -> bool:
        return not self.label_terms and not self.field_terms

    def required(self, path: str) -> str | None:
        """The value that the field selector demands of `path`."""
        return next((value for field, value, equal in self.field_terms if field == path and equal), None)

    def matches_labels(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels are as wanted, whatever the fields."""
        return all(term(labels) for term in self.label_terms)

    def matches(self, obj: dict[str, Any]) -> bool:
        if self.label_terms and not self.matches_labels(obj["metadata"].get("labels") or {}):
            return False
        return all((field_value(obj, path) == value) is equal for path, value, equal in self.field_terms)


def parse(resource: Resource, label_selector: str, field_selector: str) -> Selector:
    """Raises StatusError 400 naming what is wrong and, for fields, what is supported."""
    return Selector(_labels(label_selector), _fields(resource, field_selector))


def _labels(text: str) -> tuple[Term, ...]:
    tokens = deque(_TOKEN.findall(text))
    terms: list[Term] = []
    while tokens:
        if len(terms) == MAX_TERMS:
            raise errors.bad_request(f"a label selector may have {MAX_TERMS} requirements, and this one has more")
        terms.append(_requirement(tokens))
        if tokens and tokens.popleft() != ",":
            raise _unparsable("found a second requirement, expected: ',' or 'end of string'")
        if not tokens and text.rstrip().endswith(","):
            raise _unparsable("found '', expected: identifier after ','")
    return tuple(terms)


def _requirement(tokens: deque[str]) -> Term:
    """Takes one requirement off the tokens."""
    absent = tokens[0] == "!"
    if absent:
        tokens.popleft()
    key = _word(tokens, "identifier")
    _check(_is_key(key), key, "key")
    if absent or not tokens or tokens[0] == ",":
        return lambda labels: (key in labels) is not absent
    operator = tokens.popleft()
    if operator in ("in", "notin"):
        values = _values(tokens)
        return lambda labels: (labels.get(key) in values) is (operator == "in")
    if operator not in ("=", "==", "!=", ">", "<"):
        raise _unparsable(f"found '{operator}', expected: {_OPERATORS}")
    value = tokens.popleft() if tokens and _WORD.fullmatch(tokens[0]) else ""
    if operator in (">", "<"):
        return _compared(key, operator, value)
    _check(_is_value(value), value, f"values[0][{key}]")
    return lambda labels: (labels.get(key) == value) is (operator != "!=")


def _compared(key: str, operator: str, value: str) -> Term:
    """Labels that are numbers above or below one."""
    bound = _whole(value)
    if bound is None:
        raise _wrong(value, f"values[0][{key}]")

    def term(labels: Mapping[str, str]) -> bool:
        number = _whole(labels.get(key, ""))
        return number is not None and (number > bound if operator == ">" else number < bound)

    return term


def _whole(text: str) -> int | None:
    """The 64-bit integer that a text is, None when it is none."""
    number = int(text) if _NUMBER.fullmatch(text) else None
    return number if number is not None and number in _INT64 else None


def _values(tokens: deque[str]) -> frozenset[str]:
    """Takes the parenthesized values off the tokens."""
    opening = tokens.popleft() if tokens else ""
    if opening != "(":
        raise _unparsable(f"found '{opening}' expected: '('")
    values, last = set(), ","
    while last == ",":
        value = tokens.popleft() if tokens and _WORD.fullmatch(tokens[0]) else ""
        _check(_is_value(value), value, "values")
        values.add(value)
        last = tokens.popleft() if tokens else ""
    if last != ")":
        raise _unparsable(f"found '{last}', expected: ',', ')' or identifier")
    return frozenset(values)


def _word(tokens: deque[str], expected: str) -> str:
    word = tokens.popleft() if tokens else ""
    if not _WORD.fullmatch(word):
        raise _unparsable(f"found '{word}', expected: {expected}")
    return word


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return len(name) <= 63 and _PART.fullmatch(name) is not None and (not slash or is_subdomain(prefix))


def _is_value(value: str) -> bool:
    return not value or (len(value) <= 63 and _PART.fullmatch(value) is not None)


def _check(holds: bool, value: str, field: str) -> None:
    if not holds:
        raise _wrong(value, field)


def _wrong(value: str, field: str) -> errors.StatusError:
    return _unparsable(f'{field}: Invalid value: "{value}"')


def _unparsable(why: str) -> errors.StatusError:
    return errors.bad_request(f"unable to parse requirement: {why}")


def _fields(resource: Resource, text: str) -> tuple[tuple[str, str, bool], ...]:
    parts = [part for part in text.split(",") if part.strip()]
    if len(parts) > MAX_TERMS:
        raise errors.bad_request(f"a field selector may have {MAX_TERMS} terms, and this one has {len(parts)}")
    return tuple(_field_term(resource, part) for part in parts)


def _field_term(resource: Resource, part: str) -> tuple[str, str, bool]:
    for operator in ("!=", "==", "="):
        path, found, value = part.partition(operator)
        if found:
            break
    else:
        raise errors.bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    path, value = path.strip(), value.strip().replace("\\,", ",").replace("\\=", "=")
    own = ("status.phase",) if (resource.group, resource.plural) == ("", "namespaces") else resource.selectable_fields
    is_strict = resource.custom or bool(own)
    supported = ("metadata.name", *own) if is_strict else ("metadata.name", "metadata.namespace")
    if is_strict and resource.namespaced:
        supported += ("metadata.namespace",)
    if path not in supported:
        if is_strict:
            raise errors.bad_request(f"field label not supported: {path}")
        raise errors.bad_request(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')
    return path, value, operator != "!="


def field_value(obj: dict[str, Any], path: str) -> str:
    """What a field selector compares, "" for what is absent."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return as_text(value)


def as_text(value: Any) -> str:
    """A field's value as selectors write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
