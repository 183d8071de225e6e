"""Whether the rules of a CRD's schema compile, by the types of the schema. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/cel/compilation.go
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cel_expr_python import cel

from starlink.apiserver.cel import library, shapes
from starlink.apiserver.errors import Cause
from starlink.apiserver.schema import causes, structure
from starlink.apiserver.schema.structure import Node

_OLD = re.compile(r"\boldSelf\b")
_LINE = re.compile(r"(?<=<input>:)(\d+)(?=:)")
_STRUCT = re.compile(r" not found in struct '[\w.]+'")
_TYPE_WORDS = (("google.protobuf.Timestamp", "timestamp"), ("google.protobuf.Duration", "duration"))


def verify(openapi: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """Why rules of a schema, which is structural, are refused."""
    yield from _verify(structure.build(openapi, root=True), path, True, "")


def uses_old(text: str) -> bool:
    """Whether a rule is one of a change."""
    return _OLD.search(text) is not None


def optional_old(text: str) -> str:
    """The rule with `oldSelf` as an optional; it is given as a list of one or none."""
    return f"cel.bind(oldSelf, size(oldSelf) > 0 ? optional.of(oldSelf[0]) : optional.none(),\n{text}\n)"


def _verify(node: Node, path: str, root: bool, uncorrelatable: str) -> Iterator[Cause]:
    """`uncorrelatable`: the path of the list above whose old entries can't be told, "" for none."""
    for name, part in node.properties.items():
        if not ((root or node.embedded) and name in ("apiVersion", "kind", "metadata")):
            yield from _verify(part, f"{path}.properties[{name}]", False, uncorrelatable)
    if node.additional is not None:
        yield from _verify(node.additional, f"{path}.additionalProperties", False, uncorrelatable)
    if node.items is not None:
        within = uncorrelatable or ("" if node.list_type == "map" else path)
        yield from _verify(node.items, f"{path}.items", False, within)
    if node.schema.get("x-kubernetes-validations"):
        yield from _verify_here(node, f"{path}.x-kubernetes-validations", root, uncorrelatable)


def _verify_here(node: Node, path: str, root: bool, uncorrelatable: str) -> Iterator[Cause]:
    shape = shapes.shape_of(node, root=root)
    if shape is None:
        why = "internal error: failed to retrieve type information for x-kubernetes-validations"
        yield Cause("InternalError", f"Internal error: {why}", path)
        return
    from starlink.apiserver.cel import declarations  # protobuf takes 5 MB, and a CRD is seldom written

    env = declarations.environment(shape)
    for index, rule in enumerate(node.schema["x-kubernetes-validations"]):
        yield from _verify_rule(env, rule, f"{path}[{index}]")
        yield from _verify_old(rule, f"{path}[{index}]", uncorrelatable)


def _verify_rule(env: Any, rule: Mapping[str, Any], path: str) -> Iterator[Cause]:
    why = _error(env, rule, "rule", cel.Type.BOOL)
    if why:
        wrong = "cel expression must evaluate to a bool" if why == _TYPE else f"compilation failed: {why}"
        yield causes.invalid(f"{path}.rule", _as_shown(rule), wrong)
        return
    why = _error(env, rule, "messageExpression", cel.Type.STRING) if rule.get("messageExpression") else ""
    if why:
        wrong = "must evaluate to a string" if why == _TYPE else f"compilation failed: {why}"
        yield causes.invalid(f"{path}.messageExpression", _as_shown(rule), f"messageExpression {wrong}")


_TYPE = "type"


def _error(env: Any, rule: Mapping[str, Any], name: str, wanted: Any) -> str:
    """Why an expression of the rule does not compile, `_TYPE` when it is of the wrong type, "" when it is right."""
    text = rule[name]
    wrapped = bool(rule.get("optionalOldSelf")) and uses_old(text)
    try:
        found = library.compiled(env, _with_optional(text) if wrapped else text).return_type()
    except library.BadExpression as error:
        return _words(str(error), wrapped)
    return "" if found == wanted else _TYPE


def _with_optional(text: str) -> str:
    return f"cel.bind(oldSelf, optional.of(oldSelf),\n{text}\n)"


def _words(error: str, wrapped: bool) -> str:
    """The compiler's words as the real server's CEL has them, by the lines of the rule."""
    told = _STRUCT.sub("", error)
    for theirs, ours in _TYPE_WORDS:
        told = told.replace(theirs, ours)
    return _LINE.sub(lambda found: str(int(found[1]) - 1), told) if wrapped else told


def _verify_old(rule: Mapping[str, Any], path: str, uncorrelatable: str) -> Iterator[Cause]:
    if not uses_old(rule["rule"]):
        if rule.get("optionalOldSelf") is not None:
            why = "may not be set if oldSelf is not used in rule"
            yield causes.invalid(f"{path}.optionalOldSelf", rule["optionalOldSelf"], why)
    elif uncorrelatable:
        why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
        yield causes.invalid(f"{path}.rule", rule["rule"], why)


def _as_shown(rule: Mapping[str, Any]) -> causes.Fields:
    """The rule by the names that the real server's own type has."""
    return causes.Fields(
        Rule=rule["rule"],
        Message=rule.get("message") or "",
        MessageExpression=rule.get("messageExpression") or "",
        Reason=rule.get("reason"),
        FieldPath=rule.get("fieldPath") or "",
        OptionalOldSelf=rule.get("optionalOldSelf"),
    )
