"""x-kubernetes-validations: CEL rules, compiled once, run along an object.

https://kubernetes.io/docs/reference/using-api/cel/. A rule that fails to evaluate refuses the
object: cel-expr-python gives a runtime error as a value, which must not be taken for true.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel

from starlink.apiserver.cel import library
from starlink.apiserver.errors import Cause
from starlink.apiserver.structure import Node


class BadRule(ValueError):
    """A rule that does not compile; the message has the rule and the compiler's words."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule. `transition` rules need the old value."""

    text: str
    expression: Any
    message: str
    message_expression: Any
    reason: str
    field_path: str
    transition: bool

    @property
    def told(self) -> str:
        """The rule as a failure to evaluate it names it."""
        given = self.message.strip()
        return given if given != f"failed rule: {self.text}" else self.text.strip()


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a place of the schema and of the places below it; only places with rules are kept."""

    node: Node
    here: tuple[Rule, ...]
    properties: Mapping[str, "Rules"]
    additional: "Rules | None"
    items: "Rules | None"


@cache
def _environment() -> Any:
    return library.environment({"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})


def compile_rules(node: Node) -> Rules | None:
    """The rules of a schema, None when it has none. Raises BadRule."""
    here = tuple(_compile(rule) for rule in node.schema.get("x-kubernetes-validations", ()))
    below = {name: compile_rules(part) for name, part in node.properties.items()}
    properties = {name: rules for name, rules in below.items() if rules is not None}
    additional = compile_rules(node.additional) if node.additional else None
    items = compile_rules(node.items) if node.items else None
    if not (here or properties or additional or items):
        return None
    return Rules(node, here, properties, additional, items)


def _compile(rule: Mapping[str, Any]) -> Rule:
    text = rule["rule"]
    expression = rule.get("messageExpression")
    return Rule(
        text,
        _program(text),
        rule.get("message") or f"failed rule: {text}",
        _program(expression) if expression else None,
        rule.get("reason", "FieldValueInvalid"),
        rule.get("fieldPath", ""),
        "oldSelf" in text,
    )


def _program(text: str) -> Any:
    try:
        return library.compiled(_environment(), text)
    except library.BadExpression as error:
        raise BadRule(f"{text!r} does not compile: {error}") from None


def check(rules: Rules | None, new: Any, old: Any) -> Iterator[Cause]:
    """Causes for which the rules refuse `new`; `old` None for a new object."""
    if rules is not None:
        yield from _check(rules, new, old, "")


def _check(rules: Rules, new: Any, old: Any, path: str) -> Iterator[Cause]:
    if rules.here:
        activation = _environment().Activation({"self": new} if old is None else {"self": new, "oldSelf": old})
        for rule in rules.here:
            if not rule.transition or old is not None:
                yield from _run(rule, new, activation, path)
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        for name, value in new.items():
            below = rules.properties.get(name) or (rules.additional if name not in rules.node.properties else None)
            if below is not None and value is not None:
                yield from _check(below, value, before.get(name), f"{path}.{name}" if path else name)
    elif isinstance(new, list) and rules.items is not None:
        counterparts = _by_key(rules.node, old)
        for index, value in enumerate(new):
            counterpart = counterparts.get(_key(rules.node, value))
            yield from _check(rules.items, value, counterpart, f"{path}[{index}]")


def _by_key(node: Node, old: Any) -> dict[str, Any]:
    """The old entries of a list map; entries of other lists have no counterpart."""
    if not isinstance(old, list) or node.list_type != "map":
        return {}
    return {_key(node, item): item for item in old}


def _key(node: Node, item: Any) -> str:
    return json.dumps([item.get(key) for key in node.keys]) if isinstance(item, dict) else ""


def _run(rule: Rule, new: Any, activation: Any, path: str) -> Iterator[Cause]:
    outcome = library.evaluate(rule.expression, activation)
    field = f"{path}{rule.field_path}" if path else rule.field_path.lstrip(".")
    if outcome.error or not isinstance(outcome.value, bool):
        why = outcome.error or "no such overload: the rule gives no bool"
        yield Cause("FieldValueInvalid", f'Invalid value: "{_type(new)}": {why} evaluating rule: {rule.told}', field)
    elif not outcome.value:
        value = value_at(new, rule.field_path)
        shown = "" if isinstance(value, dict | list) or value is None else f"{json.dumps(value, ensure_ascii=False)}: "
        word = {"FieldValueForbidden": "Forbidden", "FieldValueRequired": "Required value"}.get(
            rule.reason, "Invalid value"
        )
        yield Cause(rule.reason, f"{word}: {shown}{_message(rule, activation)}", field)


_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


def _type(value: Any) -> str:
    return _TYPES.get(type(value), "null")


def _message(rule: Rule, activation: Any) -> str:
    if rule.message_expression is not None:
        told = library.evaluate(rule.message_expression, activation).value
        if isinstance(told, str):
            return told
    return rule.message


def value_at(value: Any, field_path: str) -> Any:
    """What lies at a rule's fieldPath; None when nothing does."""
    for part in filter(None, field_path.split(".")):
        value = value.get(part) if isinstance(value, dict) else None
    return value
