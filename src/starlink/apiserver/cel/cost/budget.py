"""Whether there is time to run an expression: told by its bound, and counted for all that one request runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from starlink.apiserver.cel import syntax
from starlink.apiserver.cel.cost.bound import OF_EXPRESSION, OF_OBJECT, bound
from starlink.apiserver.cel.cost.measure import Extent, anything, measure
from starlink.apiserver.cel.syntax import Expression

TOO_DEAR = "operation cancelled: actual cost limit exceeded"
SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"

_LOOKING = 200_000
"""What it takes to look at the values themselves."""

_SHARE = 4
"""What is paid unseen is at most one in so many of what is left, so that it isn't gone at once."""

_encode = msgspec.json.Encoder(enc_hook=str).encode


class Gauge:
    """What one compiled expression may take, made when it is first asked."""

    def __init__(self, expression: Any) -> None:
        self._expression = expression
        self._known: Expression | None = None
        self._worst: dict[int, int] = {}

    @property
    def _tree(self) -> Expression:
        if self._known is None:
            self._known = syntax.read(self._expression)
        return self._known

    def worst(self, length: int) -> int:
        """The nanoseconds over any values that together have up to so many bytes."""
        power = length.bit_length()
        if power not in self._worst:
            self._worst[power] = bound(self._tree, {}, anything(1 << power))
        return self._worst[power]

    def of(self, values: "Values") -> int:
        """The nanoseconds over these values."""
        return bound(self._tree, values.extents, anything(values.length))


class Values:
    """The variables of expressions, looked at when that is first needed."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = dict(known)
        self._lengths: dict[str, int] = {}
        self._extents: dict[str, Extent] = {}

    def add(self, name: str, value: Any) -> None:
        self._known[name] = value

    @property
    def length(self) -> int:
        """In bytes of JSON."""
        if len(self._lengths) < len(self._known):
            for name in self._known.keys() - self._lengths.keys():
                self._lengths[name] = len(_encode(self._known[name]))
        return sum(self._lengths.values())

    @property
    def extents(self) -> Mapping[str, Extent]:
        for name in self._known.keys() - self._extents.keys():
            self._extents[name] = measure(self._known[name])
        return self._extents


@dataclass(slots=True)
class Budget:
    """What is left of the time for one request's expressions. `unseen` pays for expressions that are so cheap, even
    over the worst values of that length, that the values are not looked at; `left` pays for all others."""

    left: int = OF_OBJECT - OF_EXPRESSION
    unseen: int = OF_EXPRESSION

    def refusal(self, gauge: Gauge, values: Values) -> str:
        """Why the expression may not run over these values; "" when it may, and then its cost is spent. The length of
        the values alone decides most cases, in a microsecond."""
        cost = gauge.worst(values.length)
        if _SHARE * cost <= self.unseen:
            self.unseen -= cost
            return ""
        cost = gauge.of(values)
        self.left -= _LOOKING
        if cost > OF_EXPRESSION:
            return TOO_DEAR
        if cost > self.left:
            self.left = 0
            return SPENT
        self.left -= cost
        return ""
