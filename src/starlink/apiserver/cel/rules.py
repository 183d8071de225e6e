"""x-kubernetes-validations: CEL rules, compiled once, run along an object.

https://kubernetes.io/docs/reference/using-api/cel/. A rule that fails to evaluate refuses the
object: cel-expr-python gives a runtime error as a value, which must not be taken for true.
Whether rules fit the types of the schema is seen when a CRD is written, by `checking`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel

from starlink.apiserver.cel import checking, field_path, library, shapes, shortcut, views
from starlink.apiserver.cel.shapes import Shape
from starlink.apiserver.cel.shortcut import Shortcut
from starlink.apiserver.cel.views import View
from starlink.apiserver.errors import Cause
from starlink.apiserver.schema import causes, structure
from starlink.apiserver.schema.causes import NOWHERE
from starlink.apiserver.schema.structure import Node

_LONGEST_MESSAGE = 5 * 1024


class BadRule(ValueError):
    """A rule that does not compile; the message has the rule and the compiler's words."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule. `transition` rules need the old value, which `optional` ones take as an optional; `shortcut`
    says without CEL of many values that they meet the rule."""

    text: str
    expression: Any
    message: str
    message_expression: Any
    reason: str
    field_path: str
    transition: bool
    optional: bool
    shortcut: Shortcut | None

    @property
    def is_of_change(self) -> bool:
        return self.transition or self.optional

    @property
    def told(self) -> str:
        """The rule as a failure to evaluate it names it."""
        return self.message or self.text.strip()


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a place of the schema and of the places below it; only places with rules are kept. `transitions`:
    whether any of them is about a change."""

    node: Node
    here: tuple[Rule, ...]
    view: View | None
    properties: Mapping[str, "Rules"]
    additional: "Rules | None"
    items: "Rules | None"
    transitions: bool


@cache
def _environment() -> Any:
    return library.environment({"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})


def compile_rules(node: Node, *, root: bool = True) -> Rules | None:
    """The rules of a schema, None when it has none. Raises BadRule."""
    shape = shapes.shape_of(node, root=root) if node.schema.get("x-kubernetes-validations") else None
    here = tuple(_compile(rule, node.schema, shape) for rule in node.schema.get("x-kubernetes-validations", ()))
    below = {name: compile_rules(part, root=False) for name, part in node.properties.items()}
    properties = {name: rules for name, rules in below.items() if rules is not None}
    additional = compile_rules(node.additional, root=False) if node.additional else None
    items = compile_rules(node.items, root=False) if node.items else None
    if not (here or properties or additional or items):
        return None
    below_here = [*properties.values(), *(rules for rules in (additional, items) if rules is not None)]
    transitions = any(rule.is_of_change for rule in here) or any(rules.transitions for rules in below_here)
    return Rules(node, here, views.view_of(shape), properties, additional, items, transitions)


def _compile(rule: Mapping[str, Any], schema: Mapping[str, Any], shape: Shape | None) -> Rule:
    text, expression = rule["rule"], rule.get("messageExpression")
    optional = bool(rule.get("optionalOldSelf"))
    return Rule(
        text,
        _program(text, optional),
        (rule.get("message") or "").strip(),
        _program(expression, optional) if expression else None,
        rule.get("reason") or "FieldValueInvalid",
        _shown_path(rule.get("fieldPath") or "", schema),
        checking.uses_old(text),
        optional,
        None if optional else shortcut.shortcut(text, shape),
    )


def _shown_path(path: str, schema: Mapping[str, Any]) -> str:
    try:
        return field_path.resolve(path, schema)[0]
    except ValueError:
        return ""


def _program(text: str, optional: bool) -> Any:
    try:
        return library.compiled(_environment(), checking.optional_old(text) if optional else text)
    except library.BadExpression as error:
        raise BadRule(f"{text!r} does not compile: {error}") from None


def check(rules: Rules | None, new: Any, old: Any, *, old_is_valid: bool = False) -> Iterator[Cause]:
    """Causes for which the rules refuse `new`; `old` None for a new object. With `old_is_valid`, what is `old`'s very
    own met the rules that are not about a change, and they are not run again.

    https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4008-crd-ratcheting
    """
    if rules is not None:
        yield from _check(rules, new, old, "", old_is_valid)


def _check(rules: Rules, new: Any, old: Any, path: str, old_is_valid: bool) -> Iterator[Cause]:
    valid = (old_is_valid and new is old) or (rules.node.repeats is not None and rules.node.repeats.is_valid(new))
    if valid and (old is None or not rules.transitions):
        return
    if rules.here:
        yield from _check_here(rules, new, old, path, valid)
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        for name, value in new.items():
            below = rules.properties.get(name) or (rules.additional if name not in rules.node.properties else None)
            if below is not None and value is not None:
                here = structure.path_of_child(rules.node, path, name)
                yield from _check(below, value, before.get(name), here, old_is_valid)
    elif isinstance(new, list) and rules.items is not None:
        counterparts = _by_key(rules.node, old)
        for index, value in enumerate(new):
            counterpart = counterparts.get(_key(rules.node, value))
            if value is not None:
                yield from _check(rules.items, value, counterpart, f"{path}[{index}]", old_is_valid)


def _check_here(rules: Rules, new: Any, old: Any, path: str, valid: bool) -> Iterator[Cause]:
    due = [rule for rule in rules.here if _is_due(rule, new, old, valid)]
    if not due:
        return
    seen = new if rules.view is None else rules.view(new)
    before = old if rules.view is None or old is None else rules.view(old)
    plain = _environment().Activation({"self": seen} if old is None else {"self": seen, "oldSelf": before})
    for rule in due:
        if rule.optional:
            known = [] if old is None else [before]
            yield from _run(rule, rules.node, new, _environment().Activation({"self": seen, "oldSelf": known}), path)
        else:
            yield from _run(rule, rules.node, new, plain, path)


def _is_due(rule: Rule, new: Any, old: Any, valid: bool) -> bool:
    """Whether CEL must say if the rule is met."""
    if rule.optional:
        return rule.transition or not valid
    if valid if not rule.transition else old is None:
        return False
    return rule.shortcut is None or not rule.shortcut(new, old)


def _by_key(node: Node, old: Any) -> dict[str, Any]:
    """The old entries of a list map; entries of other lists have no counterpart."""
    if not isinstance(old, list) or node.list_type != "map":
        return {}
    return {_key(node, item): item for item in old}


def _key(node: Node, item: Any) -> str:
    return json.dumps([item.get(key) for key in node.keys]) if isinstance(item, dict) else ""


def _run(rule: Rule, node: Node, new: Any, activation: Any, path: str) -> Iterator[Cause]:
    outcome = library.evaluate(rule.expression, activation)
    if outcome.error or not isinstance(outcome.value, bool):
        why = _failure(rule, outcome.error or "no such overload")
        yield causes.invalid(path or NOWHERE, node.schema.get("type", ""), why)
    elif not outcome.value:
        field = causes.child(path, rule.field_path) if rule.field_path else path
        yield _refusal(rule, new, _message(rule, activation), field or NOWHERE)


def _failure(rule: Rule, error: str) -> str:
    """Why a rule has no answer."""
    if error.startswith("no such overload"):
        operands = "call arguments did not match a supported operator, function or macro signature"
        return f"'{error}': {operands} for rule: {rule.told}"
    if error.startswith("operation cancelled: actual cost limit exceeded"):
        why = "no further validation rules will be run due to call cost exceeds limit"
        return f"'{error}': {why} for rule: {rule.told}"
    return f"{error} evaluating rule: {rule.told}"


def _refusal(rule: Rule, value: Any, message: str, field: str) -> Cause:
    """A cause by the rule's reason; objects and lists are not shown."""
    shown = "" if isinstance(value, dict | list) else f": {causes.shown(value)}"
    match rule.reason:
        case "FieldValueForbidden":
            return causes.forbidden(field, message)
        case "FieldValueRequired":
            return causes.required(field, message)
        case "FieldValueDuplicate":
            return Cause(rule.reason, f"Duplicate value{shown}", field)
    return Cause(rule.reason, f"Invalid value{shown}: {message}", field)


def _message(rule: Rule, activation: Any) -> str:
    """The messageExpression's text where it gives one that can be shown."""
    if rule.message_expression is not None:
        told = library.evaluate(rule.message_expression, activation).value
        text = told.strip() if isinstance(told, str) else ""
        if text and "\n" not in text and len(text.encode()) <= _LONGEST_MESSAGE:
            return text
    return rule.message or f"failed rule: {rule.text.strip()}"
