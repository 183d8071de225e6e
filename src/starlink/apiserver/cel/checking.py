"""Whether the rules of a CRD's schema compile by its types, and whether they may cost what its sizes let them. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/cel/compilation.go
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

from starlink.api.errors import Cause
from starlink.apiserver.cel import library, shapes, syntax
from starlink.apiserver.cel.cost import limits
from starlink.apiserver.cel.cost.declared import Declared, declared
from starlink.apiserver.cel.cost.estimate import estimate
from starlink.apiserver.cel.cost.limits import Total
from starlink.apiserver.cel.syntax import Expression, Loop
from starlink.apiserver.schema import causes, structure
from starlink.apiserver.schema.structure import Node

_OLD = re.compile(r"\boldSelf\b")
_LINE = re.compile(r"(?<=<input>:)(\d+)(?=:)")
_STRUCT = re.compile(r" not found in struct '[\w.]+'")
_TYPE_WORDS = (("google.protobuf.Timestamp", "timestamp"), ("google.protobuf.Duration", "duration"))


def verify(openapi: Mapping[str, Any], path: str, *, costs: bool = True) -> Iterator[Cause]:
    """Why rules of a schema, which is structural, are refused. `costs`: whether for what they may cost, too."""
    total = Total()
    yield from _verify(structure.build(openapi, root=True), _Place(path, root=True), total if costs else None)
    if costs:
        yield from total.causes(path)


def uses_old(text: str) -> bool:
    """Whether a rule is one of a change."""
    return _OLD.search(text) is not None


def optional_old(text: str) -> str:
    """The rule with `oldSelf` as an optional; it is given as a list of one or none."""
    return f"cel.bind(oldSelf, size(oldSelf) > 0 ? optional.of(oldSelf[0]) : optional.none(),\n{text}\n)"


@dataclass(frozen=True, slots=True)
class _Place:
    """A place of a schema. `uncorrelatable` is the path of a list above it whose old entries can't be matched with the
    new ones, "" without such a list. `most` is how often an object may have the place, None when nothing bounds it."""

    path: str
    root: bool = False
    uncorrelatable: str = ""
    most: int | None = 1


def _verify(node: Node, place: _Place, total: Total | None) -> Iterator[Cause]:
    path, most = place.path, limits.times_below(node, place.most)
    for name, part in node.properties.items():
        if not ((place.root or node.embedded) and name in ("apiVersion", "kind", "metadata")):
            below = _Place(f"{path}.properties[{name}]", False, place.uncorrelatable, most)
            yield from _verify(part, below, total)
    if node.additional is not None:
        below = _Place(f"{path}.additionalProperties", False, place.uncorrelatable, most)
        yield from _verify(node.additional, below, total)
    if node.items is not None:
        within = place.uncorrelatable or ("" if node.list_type == "map" else path)
        yield from _verify(node.items, _Place(f"{path}.items", False, within, most), total)
    if node.schema.get("x-kubernetes-validations"):
        yield from _verify_here(node, place, total)


def _verify_here(node: Node, place: _Place, total: Total | None) -> Iterator[Cause]:
    path = f"{place.path}.x-kubernetes-validations"
    shape, sizes = shapes.shape_of(node, root=place.root), declared(node, root=place.root)
    if shape is None or sizes is None:
        why = "internal error: failed to retrieve type information for x-kubernetes-validations"
        yield Cause("InternalError", f"Internal error: {why}", path)
        return
    from starlink.apiserver.cel import declarations  # protobuf takes 5 MB, and a CRD is seldom written

    env = declarations.environment(shape)
    for index, rule in enumerate(node.schema["x-kubernetes-validations"]):
        compiled, found = _compile(env, rule, f"{path}[{index}]")
        yield from found
        if total is not None:
            yield from _verify_costs(compiled, sizes, place.most, f"{path}[{index}]", total)
        yield from _verify_old(rule, f"{path}[{index}]", place.uncorrelatable)


_Compiled = dict[str, Expression]
"""The expressions of a rule that compile, by the names of its fields."""


def _verify_costs(compiled: _Compiled, sizes: Declared, most: int | None, path: str, total: Total) -> Iterator[Cause]:
    """A message is made once, for the first value that breaks the rule."""
    for name, expression in compiled.items():
        cost = estimate(expression, sizes)
        if name == "rule":
            cost = limits.repeated(cost, most, sizes.fewest_bytes)
        total.add(f"{path}.{name}", cost)
        yield from limits.of_expression(name, cost, f"{path}.{name}")


def _compile(env: Any, rule: Mapping[str, Any], path: str) -> tuple[_Compiled, list[Cause]]:
    compiled: _Compiled = {}
    why = _compile_into(compiled, env, rule, "rule", cel.Type.BOOL)
    if why:
        wrong = "cel expression must evaluate to a bool" if why == _TYPE else f"compilation failed: {why}"
        return compiled, [causes.invalid(f"{path}.rule", _as_shown(rule), wrong)]
    if rule.get("messageExpression"):
        why = _compile_into(compiled, env, rule, "messageExpression", cel.Type.STRING)
    if why:
        wrong = "must evaluate to a string" if why == _TYPE else f"compilation failed: {why}"
        return compiled, [causes.invalid(f"{path}.messageExpression", _as_shown(rule), f"messageExpression {wrong}")]
    return compiled, []


_TYPE = "type"


def _compile_into(into: _Compiled, env: Any, rule: Mapping[str, Any], name: str, wanted: Any) -> str:
    """Why an expression of the rule does not compile, `_TYPE` when it is of the wrong type, "" when it is right."""
    text = rule[name]
    wrapped = bool(rule.get("optionalOldSelf")) and uses_old(text)
    try:
        made = library.compiled(env, _with_optional(text) if wrapped else text)
    except library.BadExpression as error:
        return _words(str(error), wrapped)
    if made.return_type() != wanted:
        return _TYPE
    tree = syntax.read(made)
    into[name] = tree.result if wrapped and isinstance(tree, Loop) else tree
    return ""


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
