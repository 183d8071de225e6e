"""How functions written here join CEL, and how values of Kubernetes' own types look in it.

cel-expr-python carries no opaque values, so a quantity, an address and the like are maps of one entry: the name
of the type and what it holds. The checker takes them for `map(string, dyn)`; a function handed the map of another
type refuses it when it runs.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

BOOL, INT, DOUBLE, STRING, DYN = cel.Type.BOOL, cel.Type.INT, cel.Type.DOUBLE, cel.Type.STRING, cel.Type.DYN
LIST = cel.Type.List(DYN)
STRINGS = cel.Type.List(STRING)
OPAQUE = cel.Type.Map(STRING, DYN)


@dataclass(frozen=True, slots=True)
class Overload:
    """One function for one list of parameter types. A ValueError that `run` raises is CEL's error."""

    function: str
    returns: Any
    parameters: tuple[Any, ...]
    run: Callable[..., Any]
    member: bool = False


def free(function: str, returns: Any, parameters: tuple[Any, ...], run: Callable[..., Any]) -> Overload:
    """`function(a, b)`."""
    return Overload(function, returns, parameters, run)


def member(function: str, returns: Any, parameters: tuple[Any, ...], run: Callable[..., Any]) -> Overload:
    """`a.function(b)`."""
    return Overload(function, returns, parameters, run, True)


def wrap(type_name: str, held: Any) -> dict[str, Any]:
    """A value of one of Kubernetes' own types."""
    return {type_name: held}


def unwrap(type_name: str, value: Any) -> Any:
    """What a value of that type holds. Raises ValueError when it is no such value."""
    if not isinstance(value, dict) or set(value) != {type_name}:
        raise ValueError(f"no such overload: this function takes a {type_name}")
    return value[type_name]


def declarations(overloads: Iterable[Overload]) -> list[Any]:
    """cel-expr-python's declarations, one a function."""
    grouped: dict[str, list[Any]] = defaultdict(list)
    for overload in overloads:
        known = grouped[overload.function]
        known.append(
            cel.Overload(
                f"kubernetes_{overload.function}_{len(known)}",
                overload.returns,
                list(overload.parameters),
                is_member=overload.member,
                impl=overload.run,
            )
        )
    return [cel.FunctionDecl(function, known) for function, known in grouped.items()]
