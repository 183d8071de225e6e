"""Whether rules of a schema may cost what they are estimated to. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/release-1.32/pkg/apis/apiextensions/validation/validation.go
and cel_validation.go beside it
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from starlink.api.errors import Cause
from starlink.apiserver.cel.cost.declared import MOST_BYTES
from starlink.apiserver.cel.cost.sizes import plus, times
from starlink.apiserver.schema import causes
from starlink.apiserver.schema.structure import Node

OF_EXPRESSION = 10_000_000
OF_SCHEMA = 100_000_000

_NAMED = 4
_ADVICE = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


@dataclass(slots=True)
class Total:
    """What the expressions of one schema cost together."""

    cost: int = 0
    _dear: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: str, cost: int) -> None:
        self.cost = plus(self.cost, cost)
        if cost >= OF_SCHEMA // 100:
            self._dear.append((cost, path))

    def causes(self, path: str) -> Iterator[Cause]:
        """Why the schema at `path` is refused; the dearest expressions are named."""
        if self.cost <= OF_SCHEMA:
            return
        why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        for _, dear in sorted(self._dear, key=lambda known: -known[0])[:_NAMED]:
            yield causes.forbidden(dear, why)
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        yield causes.forbidden(path, _exceeds(what, self.cost, OF_SCHEMA))


def of_expression(what: str, cost: int, path: str) -> Iterator[Cause]:
    """Why one expression is refused; `what` is `rule` or `messageExpression`."""
    if cost > OF_EXPRESSION:
        yield causes.forbidden(path, _exceeds(f"estimated {what} cost", cost, OF_EXPRESSION))


def _exceeds(what: str, cost: int, limit: int) -> str:
    return f"{what} exceeds budget by factor of {_factor(cost / limit)} {_ADVICE}"


def _factor(exceeding: float) -> str:
    if exceeding > 100:
        return "more than 100x"
    return f"{exceeding:f}x" if exceeding < 1.5 else f"{exceeding:.1f}x"


def repeated(cost: int, most: int | None, fewest_bytes: int) -> int:
    """A rule's cost in an object that has its place `most` times, or, where the schema does not say, as often as
    values of so few bytes fit into a request."""
    return times(cost, MOST_BYTES // (fewest_bytes + 1) if most is None else most)


def times_below(node: Node, most: int | None) -> int | None:
    """How often an object may have the places below a node that it may have `most` times; None when nothing says."""
    schema = node.schema
    match schema.get("type"):
        case "object" if schema.get("additionalProperties") is not None:
            each = schema.get("maxProperties")
        case "array":
            each = schema.get("maxItems")
        case _:
            each = 1
    return None if most is None or each is None else times(most, max(each, 0))
