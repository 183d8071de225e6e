"""x-kubernetes-validations: compiled rules run along an object.

A rule that fails to evaluate refuses the object: cel-expr-python gives a runtime error as a value, which must not be
taken for true. So does one that there is no time for, and no further ones are run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.cel import library
from starlink.apiserver.cel.cost.budget import SPENT, Budget, Values
from starlink.apiserver.cel.rules import Measured, Rule, Rules, environment
from starlink.apiserver.schema import causes, correlation, structure
from starlink.apiserver.schema.causes import NOWHERE
from starlink.apiserver.schema.correlation import ABSENT, same
from starlink.apiserver.schema.structure import Node

_LONGEST_MESSAGE = 5 * 1024


def check(rules: Rules | None, new: Any, old: Any) -> Iterator[Cause]:
    """The causes for which the rules refuse `new`; `old` is None for a new object. Over parts that an update leaves as
    they were, only rules that use `oldSelf` run: `ratcheting` says why, and `correlation` which parts those are.

    https://github.com/kubernetes/apiextensions-apiserver/blob/release-1.32/pkg/apiserver/schema/cel/validation.go has
    such rules run, and lets what they say pass, but for errors.
    """
    if rules is not None:
        yield from _Run(Budget()).check(rules, new, old, ABSENT if old is None else old, "")


@dataclass(frozen=True, slots=True)
class _Seen:
    """The values of one place as rules see them. `values` are the same, to be measured."""

    activation: Any
    values: Values


@dataclass(slots=True)
class _Run:
    """One run, and what it may still take. It `is_over` when there is no time for a rule."""

    budget: Budget
    is_over: bool = False

    def check(self, rules: Rules, new: Any, old: Any, past: Any, path: str) -> Iterator[Cause]:
        """`old` is what rules see as `oldSelf`, None where the entries of a list can't be matched. `past` is the value
        that `new` replaces, ABSENT without one or where it can't be matched, and `new` itself in an unchanged part."""
        kept = past is not ABSENT and same(new, past)
        met = kept or (rules.node.repeats is not None and rules.node.repeats.is_valid(new))
        if met and (old is None or not rules.transitions):
            return
        if rules.here:
            due = [rule for rule in rules.here if _is_due(rule, new, old, met)]
            yield from self._check_here(rules, due, new, old, path)
        if isinstance(new, dict):
            yield from self._check_fields(rules, new, old, new if kept else past, path)
        elif isinstance(new, list) and rules.items is not None:
            yield from self._check_items(rules.node, rules.items, new, old, new if kept else past, path)

    def _check_fields(self, rules: Rules, new: dict[str, Any], old: Any, past: Any, path: str) -> Iterator[Cause]:
        old_parts = old if isinstance(old, dict) else {}
        past_parts = past if isinstance(past, dict) else {}
        for name, value in new.items():
            below = rules.properties.get(name) or (rules.additional if name not in rules.node.properties else None)
            if below is not None and value is not None and not self.is_over:
                here = structure.path_of_child(rules.node, path, name)
                yield from self.check(below, value, old_parts.get(name), past_parts.get(name, ABSENT), here)

    def _check_items(self, node: Node, rules: Rules, new: list[Any], old: Any, past: Any, path: str) -> Iterator[Cause]:
        keyed = isinstance(old, list) and node.list_type == "map"
        by_key = correlation.by_key(node, old) if keyed else {}
        pasts = new if past is new else correlation.counterparts(node, new, past)
        for index, (value, before) in enumerate(zip(new, pasts, strict=True)):
            if value is not None and not self.is_over:
                was = by_key.get(correlation.key_of(node, value)) if keyed else None
                yield from self.check(rules, value, was, before, f"{path}[{index}]")

    def _check_here(self, rules: Rules, due: Sequence[Rule], new: Any, old: Any, path: str) -> Iterator[Cause]:
        if not due:
            return
        seen = new if rules.view is None else rules.view(new)
        before = old if rules.view is None or old is None else rules.view(old)
        plain = _seen({"self": seen} if old is None else {"self": seen, "oldSelf": before})
        for rule in due:
            there = _seen({"self": seen, "oldSelf": [] if old is None else [before]}) if rule.optional else plain
            yield from self._check_rule(rule, rules.node, new, there, path)
            if self.is_over:
                return

    def _check_rule(self, rule: Rule, node: Node, new: Any, seen: _Seen, path: str) -> Iterator[Cause]:
        expression = rule.expression()
        refusal = self.budget.refusal(expression.gauge, seen.values)
        if refusal:
            self.is_over = True
            yield causes.invalid(path or NOWHERE, node.schema.get("type", ""), _failure(rule, refusal))
            return
        outcome = library.evaluate(expression.program, seen.activation, rule.text)
        if outcome.error or not isinstance(outcome.value, bool):
            why = _failure(rule, outcome.error or "no such overload")
            yield causes.invalid(path or NOWHERE, node.schema.get("type", ""), why)
        elif not outcome.value:
            field = causes.child(path, rule.field_path) if rule.field_path else path
            yield _refusal(rule, new, self._message(rule, seen), field or NOWHERE)

    def _message(self, rule: Rule, seen: _Seen) -> str:
        """The messageExpression's text where it gives one that can be shown."""
        told = self._told(rule.message_expression(), seen) if rule.message_expression is not None else None
        text = told.strip() if isinstance(told, str) else ""
        if text and "\n" not in text and len(text.encode()) <= _LONGEST_MESSAGE:
            return text
        return rule.message or f"failed rule: {rule.text.strip()}"

    def _told(self, expression: Measured, seen: _Seen) -> Any:
        if self.budget.refusal(expression.gauge, seen.values):
            return None
        return library.evaluate(expression.program, seen.activation).value


def _seen(variables: dict[str, Any]) -> _Seen:
    return _Seen(environment().Activation(variables), Values(variables))


def _is_due(rule: Rule, new: Any, old: Any, met: bool) -> bool:
    """Whether CEL must say if the rule is met. `met`: whether it is, unless it is one of a change."""
    if rule.optional:
        return rule.transition or not met
    if old is None if rule.transition else met:
        return False
    return rule.shortcut is None or not rule.shortcut(new, old)


def _failure(rule: Rule, error: str) -> str:
    """Why a rule has no answer."""
    if error.startswith("no such overload"):
        operands = "call arguments did not match a supported operator, function or macro signature"
        return f"'{error}': {operands} for rule: {rule.told}"
    if error.startswith("operation cancelled: actual cost limit exceeded"):
        why = "no further validation rules will be run due to call cost exceeds limit"
        return f"'{error}': {why} for rule: {rule.told}"
    return error if error == SPENT else f"{error} evaluating rule: {rule.told}"


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
    return Cause(rule.reason, f"Invalid value{shown}: {message}", field, has_value=bool(shown))
