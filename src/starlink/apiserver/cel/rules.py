"""x-kubernetes-validations: CEL rules, each compiled once; `running` runs them.

https://kubernetes.io/docs/reference/using-api/cel/. Whether rules fit the types of the schema is seen when a CRD is
written, by `checking`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from cel_expr_python import cel

from starlink.apiserver.cel import checking, field_path, library, shapes, shortcut, views
from starlink.apiserver.cel.cost.budget import Gauge
from starlink.apiserver.cel.shapes import Shape
from starlink.apiserver.cel.shortcut import Shortcut
from starlink.apiserver.cel.views import View
from starlink.apiserver.schema.structure import Node


class BadRule(ValueError):
    """A rule that does not compile; the message has the rule and the compiler's words."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A compiled expression, and what it may take."""

    program: Any
    gauge: Gauge


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; its expressions are compiled when they are asked for, if not before. `transition` rules need the old
    value, which `optional` ones take as an optional; `shortcut` says without CEL of many values that they meet the
    rule."""

    text: str
    expression: Callable[[], Measured]
    message: str
    message_expression: Callable[[], Measured] | None
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
def environment() -> Any:
    """That of all rules: what is `self` is seen when they run."""
    return library.environment({"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})


def compile_rules(node: Node, *, at_once: bool = True) -> Rules | None:
    """The rules of a schema, None when it has none. A node that lies at several places has its rules once. Raises
    BadRule. Unless `at_once`, each rule is compiled when CEL first has to run it, so it must be known to compile."""
    return _rules(node, {}, _compiled if at_once else _later, root=True)


_Make = Callable[[str, bool], Callable[[], Measured]]
"""Of the text of an expression, and whether `oldSelf` is an optional in it."""


def _rules(node: Node, made: dict[int, Rules | None], make: _Make, *, root: bool = False) -> Rules | None:
    if id(node) not in made:
        made[id(node)] = _rules_of(node, made, make, root=root)
    return made[id(node)]


def _rules_of(node: Node, made: dict[int, Rules | None], make: _Make, *, root: bool) -> Rules | None:
    shape = shapes.shape_of(node, root=root) if node.schema.get("x-kubernetes-validations") else None
    here = tuple(_rule(rule, node.schema, shape, make) for rule in node.schema.get("x-kubernetes-validations", ()))
    below = {name: _rules(part, made, make) for name, part in node.properties.items()}
    properties = {name: rules for name, rules in below.items() if rules is not None}
    additional = _rules(node.additional, made, make) if node.additional else None
    items = _rules(node.items, made, make) if node.items else None
    if not (here or properties or additional or items):
        return None
    below_here = [*properties.values(), *(rules for rules in (additional, items) if rules is not None)]
    transitions = any(rule.is_of_change for rule in here) or any(rules.transitions for rules in below_here)
    return Rules(node, here, views.view_of(shape), properties, additional, items, transitions)


def _rule(rule: Mapping[str, Any], schema: Mapping[str, Any], shape: Shape | None, make: _Make) -> Rule:
    text, expression = rule["rule"], rule.get("messageExpression")
    optional = bool(rule.get("optionalOldSelf"))
    return Rule(
        text,
        make(text, optional),
        (rule.get("message") or "").strip(),
        make(expression, optional) if expression else None,
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


def _later(text: str, optional: bool) -> Callable[[], Measured]:
    return cache(partial(_program, text, optional))


def _compiled(text: str, optional: bool) -> Callable[[], Measured]:
    """Raises BadRule."""
    expression = _later(text, optional)
    expression()
    return expression


def _program(text: str, optional: bool) -> Measured:
    try:
        program = library.compiled(environment(), checking.optional_old(text) if optional else text)
    except library.BadExpression as error:
        raise BadRule(f"{text!r} does not compile: {error}") from None
    return Measured(program, Gauge(program))
