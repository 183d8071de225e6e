"""What of x-kubernetes-validations can be told to be wrong without compiling. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apis/apiextensions/validation/validation.go
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.cel import field_path
from starlink.apiserver.schema import causes

_BREAK = re.compile(r"[\n\r]")
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def check(schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """Why the rules right at a place of the schema are refused."""
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        here = f"{path}.x-kubernetes-validations[{index}]"
        yield from _check_texts(rule, here)
        if rule.get("reason") is not None and rule["reason"] not in REASONS:
            yield causes.not_supported(f"{here}.reason", rule["reason"], REASONS)
        yield from _check_field_path(rule.get("fieldPath") or "", schema, f"{here}.fieldPath")


def _check_texts(rule: Mapping[str, Any], path: str) -> Iterator[Cause]:
    text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
    if not text:
        yield causes.required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield causes.invalid(f"{path}.message", message, "must be non-empty if specified")
    elif _BREAK.search(message.strip()):
        yield causes.invalid(f"{path}.message", message, "must not contain line breaks")
    elif _BREAK.search(text) and not message:
        yield causes.required(f"{path}.message", "message must be specified if rule contains line breaks")
    expression = rule.get("messageExpression") or ""
    if expression and not expression.strip():
        yield causes.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")


def _check_field_path(given: str, schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    if given and not given.strip():
        yield causes.invalid(path, given, "must be non-empty if specified")
    if _BREAK.search(given):
        yield causes.invalid(path, given, "must not contain line breaks")
    try:
        field_path.resolve(given, schema)
    except ValueError:
        yield causes.invalid(path, given, "must be a valid path")
