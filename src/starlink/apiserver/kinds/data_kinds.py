"""What holds of Secrets and ConfigMaps beyond their schema. Pure.

https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go (ValidateSecret,
ValidateConfigMap)
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.resources.resource import BadValue
from starlink.apiserver.schema.formats import config_key_faults, is_config_key

Obj = dict[str, Any]

MAX_DATA = 1024 * 1024
"""Bytes that all values of one object may have, decoded."""

_REQUIRED = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=\r\n]")
_BASIC = ("username", "password")
_ACCOUNT = "kubernetes.io/service-account.name"


def prepare_secret(obj: Obj, old: Obj | None) -> None:
    """Puts stringData into data. Raises BadValue when data that was not there before is not base64, or stringData no
    map of text."""
    _decode(obj, old, "data")
    text = _texts(obj.pop("stringData", None))
    data = obj.get("data") or {}
    if text is not None and isinstance(data, dict):  # another type is refused later
        obj["data"] = {**data, **{key: _encoded(value) for key, value in text.items()}}


def _texts(values: Any) -> Mapping[str, str] | None:
    if values is not None and not isinstance(values, dict):
        raise BadValue("stringData", "must be a map of strings")
    for key, value in (values or {}).items():
        if not isinstance(value, str):
            raise BadValue(f"stringData[{key}]", "must be a string; put it in quotes")
    return values


def prepare_config_map(obj: Obj, old: Obj | None) -> None:
    """Raises BadValue when binaryData that was not there before is not base64."""
    _decode(obj, old, "binaryData")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode(errors="surrogatepass")).decode()


def _decode(obj: Obj, old: Obj | None, field: str) -> None:
    values, before = obj.get(field), (old or {}).get(field)
    known = before if isinstance(before, dict) else {}
    for key, value in values.items() if isinstance(values, dict) else ():  # its types are checked later
        if isinstance(value, str) and known.get(key) != value and (wrong := _illegal_at(value)) is not None:
            raise BadValue(f"{field}[{key}]", f"illegal base64 data at input byte {wrong}")
    if isinstance(values, dict) and any(isinstance(value, str) and "\n" in value for value in values.values()):
        obj[field] = {key: _in_one_line(value) for key, value in values.items()}


def _in_one_line(value: Any) -> Any:
    """Base64 as the server writes it."""
    return value.replace("\r", "").replace("\n", "") if isinstance(value, str) else value


def _illegal_at(text: str) -> int | None:
    """Where a text stops being base64, in which line ends do not count; None when it is base64."""
    try:
        base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        found = _NO_BASE64.search(text)
        return found.start() if found else len(text)
    return None


def check_secret(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """Why a Secret is refused."""
    data = obj.get("data") or {}
    yield from _check_keys("data", data)
    if _decoded_size(data) > MAX_DATA:
        yield _too_long("data")
    yield from _check_type(obj, data)
    if old is not None:
        yield from _check_frozen(obj, old, ("data",))
        if obj.get("type") != old.get("type"):
            yield Cause("FieldValueInvalid", f'Invalid value: "{obj.get("type")}": field is immutable', "type")


def _check_type(obj: Obj, data: Mapping[str, str]) -> Iterator[Cause]:
    """What a Secret of a well-known type must have."""
    type_ = obj.get("type", "")
    key = _JSON.get(type_, "")
    if key and key in data and not _is_json_object(data[key]):
        why = 'Invalid value: "<secret contents redacted>": must be a JSON object, such as docker login writes'
        yield Cause("FieldValueInvalid", why, f"data[{key}]")
    missing = [key for key in _REQUIRED.get(type_, ()) if key not in data]
    if type_ == "kubernetes.io/basic-auth" and not any(key in data for key in _BASIC):
        missing += _BASIC
    yield from (Cause("FieldValueRequired", "Required value", f"data[{key}]") for key in missing)
    if type_ == "kubernetes.io/service-account-token" and not (obj["metadata"].get("annotations") or {}).get(_ACCOUNT):
        yield Cause("FieldValueRequired", "Required value", f"metadata.annotations[{_ACCOUNT}]")


def _is_json_object(encoded: str) -> bool:
    try:
        return isinstance(json.loads(base64.b64decode(encoded)), dict | None)
    except (ValueError, RecursionError):
        return False


def check_config_map(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """Why a ConfigMap is refused."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    yield from _check_keys("data", data, binary, "binaryData")
    yield from _check_keys("binaryData", binary, data, "data")
    if sum(len(value.encode(errors="surrogatepass")) for value in data.values()) + _decoded_size(binary) > MAX_DATA:
        yield _too_long("")
    if old is not None:
        yield from _check_frozen(obj, old, ("data", "binaryData"))


def _check_keys(
    field: str, values: Mapping[str, str], others: Mapping[str, str] | None = None, other: str = ""
) -> Iterator[Cause]:
    for key in values:
        why = [] if is_config_key(key) else config_key_faults(key)
        if others and key in others:
            why = [*why, f"duplicate of key present in {other}"]
        yield from (Cause("FieldValueInvalid", f'Invalid value: "{key}": {one}', f"{field}[{key}]") for one in why)


def _decoded_size(values: Mapping[str, str | None]) -> int:
    return sum(len(value) * 3 // 4 - value.count("=", -2) for value in values.values() if value)


def _too_long(field: str) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {MAX_DATA} bytes", field)


def _check_frozen(obj: Obj, old: Obj, fields: tuple[str, ...]) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    why = "Forbidden: field is immutable when `immutable` is set"
    if not obj.get("immutable"):
        yield Cause("FieldValueForbidden", why, "immutable")
    for field in fields:
        if (obj.get(field) or {}) != (old.get(field) or {}):
            yield Cause("FieldValueForbidden", why, field)
