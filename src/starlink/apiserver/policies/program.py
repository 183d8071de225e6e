"""A policy's expressions compiled, and one run of them. Pure.

The words are those of https://github.com/kubernetes/apiserver/tree/master/pkg/admission/plugin/cel
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlink.apiserver.cel import library
from starlink.apiserver.cel.authorizer import Authorizer, overloads
from starlink.apiserver.cel.cost.budget import Budget, Gauge, Values
from starlink.apiserver.cel.library import BadExpression, Outcome
from starlink.apiserver.cel.opaque import DYN, OPAQUE, Overload
from starlink.apiserver.resources.encoding import Obj

MAX_VALUE = 1_000_000
"""How long a variable's value may be, so that variables made of each other can't grow without end."""

_MENTION = re.compile(r"\bvariables\.([A-Za-z_]\w*)")
_UNTYPED_HERE = re.compile(r"\s*(request|namespaceObject)(\.\w+)+\s*")
_SEEN = {"object": DYN, "oldObject": DYN, "request": DYN, "namespaceObject": DYN}
_NULL = "null_type"


@dataclass(frozen=True, slots=True)
class Expression:
    """`error` says why there is no program; `variables` are those that it needs, each after those that it needs."""

    text: str
    program: Any = None
    error: str = ""
    variables: tuple[str, ...] = ()
    kind: Any = None
    gauge: Gauge | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    expression: Expression
    message: str
    message_expression: Expression | None
    reason: str


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled policy. `environment` is one that knows all of its variables."""

    environment: Any
    conditions: tuple[Expression, ...]
    variables: Mapping[str, Expression]
    validations: tuple[Validation, ...]
    annotations: tuple[tuple[str, Expression], ...]

    def expressions(self) -> Iterator[tuple[str, Expression]]:
        """Each with its field."""
        for index, condition in enumerate(self.conditions):
            yield f"spec.matchConditions[{index}].expression", condition
        for index, variable in enumerate(self.variables.values()):
            yield f"spec.variables[{index}].expression", variable
        for index, validation in enumerate(self.validations):
            yield f"spec.validations[{index}].expression", validation.expression
            if validation.message_expression is not None:
                yield f"spec.validations[{index}].messageExpression", validation.message_expression
        for index, (_, annotation) in enumerate(self.annotations):
            yield f"spec.auditAnnotations[{index}].valueExpression", annotation


class Compiler:
    """Compiles policies; `authorize` answers the authorizer's checks."""

    def __init__(self, authorize: Authorizer) -> None:
        self._functions = overloads(authorize)

    def program(self, spec: Obj) -> Program:
        """The policy's program; what does not compile is in it as an error."""
        known = dict(_SEEN) | ({"params": DYN} if spec.get("paramKind") else {})
        bare = _environment(known, self._functions, authorizer=True)
        variables: dict[str, Expression] = {}
        for variable in spec.get("variables") or ():
            env = _environment(_typed(known, variables), self._functions, authorizer=True)
            variables[variable["name"]] = _kept(_compiled(env, variable["expression"], (), variables))
        env = _environment(_typed(known, variables), self._functions, authorizer=True)
        silent = _environment(_typed(known, variables), self._functions, authorizer=False)
        return Program(
            env,
            tuple(_compiled(bare, c["expression"], ("bool",), {}) for c in spec.get("matchConditions") or ()),
            variables,
            tuple(_validation(env, silent, variables, given) for given in spec.get("validations") or ()),
            tuple(
                (given["key"], _compiled(env, given["valueExpression"], ("string", _NULL), variables))
                for given in spec.get("auditAnnotations") or ()
            ),
        )


def _environment(known: Mapping[str, Any], functions: Iterable[Overload], *, authorizer: bool) -> Any:
    more = {"authorizer": OPAQUE, "authorizer.requestResource": OPAQUE} if authorizer else {}
    return library.environment({**known, **more}, functions)


def _typed(known: Mapping[str, Any], variables: Mapping[str, Expression]) -> dict[str, Any]:
    """What is declared, with the variables as of the types that they have."""
    kinds = {f"variables.{name}": DYN if made.kind is None else made.kind for name, made in variables.items()}
    return {**known, **kinds}


def _validation(env: Any, silent: Any, variables: Mapping[str, Expression], given: Obj) -> Validation:
    message = (given.get("messageExpression") or "").strip()
    return Validation(
        _compiled(env, given["expression"], ("bool",), variables),
        (given.get("message") or "").strip(),
        _compiled(silent, given["messageExpression"], ("string",), variables) if message else None,
        given.get("reason") or "Invalid",
    )


def _compiled(env: Any, text: str, kinds: tuple[str, ...], variables: Mapping[str, Expression]) -> Expression:
    """`kinds` are the types that it may give; none means any."""
    try:
        program = library.compiled(env, text)
    except BadExpression as error:
        return Expression(text, error=f"compilation failed: {error}")
    kind = program.return_type()
    if kinds and library.type_name(kind) not in kinds and not (kind == DYN and _UNTYPED_HERE.fullmatch(text)):
        wanted = kinds[0] if len(kinds) == 1 else f"one of [{' '.join(kinds)}]"
        return Expression(text, error=f"must evaluate to {wanted} but got {library.type_name(kind)}")
    return Expression(text, program, variables=_needed(text, variables), kind=kind, gauge=Gauge(program))


def _kept(made: Expression) -> Expression:
    """A variable: its value goes through Python, which carries no optionals and no types."""
    if made.program is not None and library.type_name(made.kind).startswith(("optional_type", "type")):
        return Expression(made.text, error="a variable can't hold an optional or a type; use orValue()")
    return made


def _needed(text: str, variables: Mapping[str, Expression]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in _MENTION.findall(text):
        if name in variables:
            found.update(dict.fromkeys((*variables[name].variables, name)))
    return tuple(found)


@dataclass(slots=True)
class Run:
    """A program with one request. `known` are CEL's variables; those of the policy join when they are first needed."""

    program: Program
    known: dict[str, Any]
    _failed: dict[str, str] = field(default_factory=dict)
    _activation: Any = None
    _budget: Budget = field(default_factory=Budget)
    _values: Values = field(init=False)

    def __post_init__(self) -> None:
        self._values = Values(self.known)

    def evaluate(self, expression: Expression) -> Outcome:
        """What the expression gives, or an error in the real server's words."""
        outcome = self._evaluate(expression)
        if not outcome.error:
            return outcome
        return Outcome(error=f"expression '{expression.text}' resulted in error: {outcome.error}")

    def _evaluate(self, expression: Expression) -> Outcome:
        if expression.program is None or expression.gauge is None:
            return Outcome(error=expression.error)
        for name in expression.variables:
            if f"variables.{name}" not in self.known and name not in self._failed:
                self._add(name)
        refusal = self._budget.refusal(expression.gauge, self._values)
        if refusal:
            return Outcome(error=refusal)
        if self._activation is None:
            self._activation = self.program.environment.Activation(self.known)
        outcome = library.evaluate(expression.program, self._activation, expression.text)
        failed = next((name for name in expression.variables if outcome.error == f"no such key: {name}"), None)
        if failed in self._failed:
            return Outcome(error=f'composited variable "{failed}" fails to evaluate: {self._failed[failed]}')
        return outcome

    def _add(self, name: str) -> None:
        outcome = self._evaluate(self.program.variables[name])
        if isinstance(outcome.value, str | bytearray | list | dict) and len(outcome.value) > MAX_VALUE:
            outcome = Outcome(error="operation cancelled: actual cost limit exceeded")
        if outcome.error:
            self._failed[name] = outcome.error
        else:
            self.known[f"variables.{name}"] = outcome.value
            self._values.add(f"variables.{name}", outcome.value)
            self._activation = None
