"""CEL as the rules of Kubernetes know it: the community's extensions and Kubernetes' own functions.

https://kubernetes.io/docs/reference/using-api/cel/. Used by the rules of schemas and by admission policies.
cel-expr-python itself limits an expression to 100,000 code points and a depth of 32, and one evaluation to 10,000
iterations; `cost` tells what those may take.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel

from starlink.apiserver.cel import address, failures, formats, lists, quantity
from starlink.apiserver.cel.opaque import Overload, declarations

_EXTENSIONS = ("strings", "math", "sets", "optional", "bindings", "two-var-comprehensions")
_OVERLOADS = (*lists.OVERLOADS, *quantity.OVERLOADS, *address.OVERLOADS, *formats.OVERLOADS)
_UNDECLARED = re.compile(r"undeclared reference to '(\w+)\.[\w.]+'")


class BadExpression(ValueError):
    """An expression that does not compile; the message is the compiler's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What evaluating gave: a value of Python's own types, or an error. An error is never a value."""

    value: Any = None
    error: str = ""


@cache
def _config() -> Any:
    return cel.NewEnvConfigFromYaml("extensions:\n" + "".join(f"  - name: {name}\n" for name in _EXTENSIONS))


def environment(variables: Mapping[str, Any], functions: Iterable[Overload] = (), messages: Any = None) -> Any:
    """An environment with these variables (name → cel.Type), the library, and `functions` beside it.

    `messages`: a pool of protobuf descriptors, for variables whose types are messages.
    """
    extension = cel.CelExtension("kubernetes", declarations((*_OVERLOADS, *functions)))
    return cel.NewEnv(messages, config=_config(), variables=dict(variables), extensions=[extension])


def compiled(env: Any, text: str) -> Any:
    """The checked expression. Raises BadExpression."""
    try:
        return env.compile(text)
    except RuntimeError as error:
        raise BadExpression(_UNDECLARED.sub(r"undeclared reference to '\1'", failures.bare(str(error)))) from None


def evaluate(expression: Any, activation: Any, text: str = "") -> Outcome:
    """Runs a compiled expression. An error has the real server's words and no value, but for what `text` names, as
    which the expression was written.

    cel-expr-python gives most errors as values, and raises those of values it can't carry to Python.
    """
    try:
        result = expression.eval(activation)
        if result.type() == cel.Type.ERROR:
            return Outcome(error=failures.told(str(result.value()), text))
        return Outcome(result.plain_value())
    except (RuntimeError, TypeError) as error:
        return Outcome(error=failures.told(str(error), text))


def type_name(kind: Any) -> str:
    """`list(int)`, as CEL itself writes a type."""
    written = str(kind).replace("<", "(").replace(">", ")")
    return re.sub(r"\bnull\b", "null_type", written.lower())
