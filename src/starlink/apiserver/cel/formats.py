"""CEL's format library: `format.dns1123Label().validate(object.metadata.name).hasValue()`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-format-library. What `validate` and `format.named`
give has `hasValue()` and `value()` of an optional, and no more of it.
"""

import base64
import binascii
import datetime
import re
from collections.abc import Callable
from typing import Any

from starlink.apiserver.cel.opaque import BOOL, DYN, OPAQUE, STRING, Overload, free, member, unwrap, wrap
from starlink.apiserver.schema.urls import parse_url

FORMAT, OPTIONAL = "kubernetes.NamedFormat", "optional_type"

_Check = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_ENDS = "and must start and end with an alphanumeric character"
_LABEL_RULE = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}"
_SUBDOMAIN_RULE = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}"
)
_LABEL_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character"
)
_QUALIFIED_RULE = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
_VALUE_RULE = f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"


def _shaped(pattern: str, longest: int, rule: str, *examples: str) -> _Check:
    """A check of one pattern and a length, with the real server's words."""
    shown = " or ".join(f"'{example}', " for example in examples)
    told = f"{rule} (e.g. {shown}regex used for validation is '{pattern}')"
    compiled = re.compile(pattern)

    def check(text: str) -> list[str]:
        long = [f"must be no more than {longest} characters"] if len(text) > longest else []
        return long + ([] if compiled.fullmatch(text) else [told])

    return check


def _of_prefix(check: _Check) -> _Check:
    """A prefix may end with a dash: something will follow it."""
    return lambda text: check(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)


_label = _shaped(_LABEL, 63, _LABEL_RULE, "my-name", "123-abc")
subdomain = _shaped(_SUBDOMAIN, 253, _SUBDOMAIN_RULE, "example.com")
label_1035 = _shaped(_LABEL_1035, 63, _LABEL_1035_RULE, "my-name", "abc-123")
_name_part = _shaped(_QUALIFIED, 63, _QUALIFIED_RULE, "MyName", "my.name", "123-abc")


def _qualified_name(text: str) -> list[str]:
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        rule = _name_part("?")[0]
        return [f"a qualified name {rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    told = []
    if slash and not prefix:
        told.append("prefix part must be non-empty")
    elif slash:
        told += [f"prefix part {why}" for why in subdomain(prefix)]
    if not name:
        told.append("name part must be non-empty")
    return told + [f"name part {why}" for why in _name_part(name)]


def _uri(text: str) -> list[str]:
    try:
        parse_url(text)
    except ValueError as error:
        return [str(error).removeprefix("URL parse error during conversion from string: ")]
    return []


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ["invalid base64"]
    return []


def _date(text: str) -> list[str]:
    try:
        good = len(text) == 10 and bool(datetime.date.fromisoformat(text))
    except ValueError:
        good = False
    return [] if good else ["invalid date"]


def _date_time(text: str) -> list[str]:
    try:
        good = _DATETIME.fullmatch(text) and datetime.datetime.fromisoformat(text.upper())
    except ValueError:
        good = None
    return [] if good else ["invalid datetime"]


FORMATS: dict[str, _Check] = {
    "dns1123Label": _label,
    "dns1123Subdomain": subdomain,
    "dns1035Label": label_1035,
    "qualifiedName": _qualified_name,
    "dns1123LabelPrefix": _of_prefix(_label),
    "dns1123SubdomainPrefix": _of_prefix(subdomain),
    "dns1035LabelPrefix": _of_prefix(label_1035),
    "labelValue": _shaped(_VALUE, 63, _VALUE_RULE, "MyValue", "my_value", "12345"),
    "uri": _uri,
    "uuid": lambda text: [] if _UUID.fullmatch(text) else ["does not match the UUID format"],
    "byte": _byte,
    "date": _date,
    "datetime": _date_time,
}


def _format(name: str) -> Overload:
    return free(f"format.{name}", OPAQUE, (), lambda: wrap(FORMAT, name))


def _named(name: str) -> dict[str, Any]:
    return wrap(OPTIONAL, [wrap(FORMAT, name)] if name in FORMATS else [])


def _validate(value: Any, text: str) -> dict[str, Any]:
    wrong = FORMATS[unwrap(FORMAT, value)](text)
    return wrap(OPTIONAL, [wrong] if wrong else [])


def _value(value: Any) -> Any:
    held = unwrap(OPTIONAL, value)
    if not held:
        raise ValueError("optional.none() dereference")
    return held[0]


OVERLOADS = (
    *(_format(name) for name in FORMATS),
    free("format.named", OPAQUE, (STRING,), _named),
    member("validate", OPAQUE, (OPAQUE, STRING), _validate),
    member("hasValue", BOOL, (OPAQUE,), lambda value: bool(unwrap(OPTIONAL, value))),
    member("value", DYN, (OPAQUE,), _value),
)
