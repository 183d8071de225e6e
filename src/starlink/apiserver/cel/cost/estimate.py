"""What Kubernetes 1.32 estimates an expression to cost at most, over the sizes that a schema declares. Pure.

https://github.com/google/cel-go/blob/v0.22.0/checker/cost.go. What looks odd is the real server's way, and what it
accepts depends on it: keys count as empty, objects as without length, and a variable that is no loop's as `self`.
"""

from collections.abc import Iterator

from starlink.apiserver.cel.cost import paths
from starlink.apiserver.cel.cost.calls import call
from starlink.apiserver.cel.cost.declared import Declared, found
from starlink.apiserver.cel.cost.parts import Part
from starlink.apiserver.cel.cost.paths import Path
from starlink.apiserver.cel.cost.sizes import ACCESS, NEW_LIST, NEW_MAP, NEW_OBJECT, Size, plus, times
from starlink.apiserver.cel.syntax import Call, Constant, Entries, Expression, Identifier, Items, Loop, Select, Type

_HOLDERS = ("map", "message", "object", "parameter")
_ITEMS, _VALUES, _KEYS = "@items", "@values", "@keys"


def estimate(expression: Expression, shape: Declared) -> int:
    """The greatest cost. `shape` is what `self` and `oldSelf` are."""
    return _Estimator(shape).cost(expression)


class _Estimator:
    """One estimate. What is known of a part is noted when the part has been looked at, by the id of its expression."""

    def __init__(self, shape: Declared) -> None:
        self._shape = shape
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, Size] = {}
        self._ranges: dict[str, list[Expression]] = {}

    def cost(self, expression: Expression) -> int:
        match expression:
            case Identifier():
                return self._identifier(expression)
            case Select():
                return self._select(expression)
            case Call():
                return self._call(expression)
            case Items():
                return plus(NEW_LIST, *map(self.cost, expression.items))
            case Entries():
                base = NEW_MAP if expression.is_map else NEW_OBJECT
                return plus(base, *(self.cost(part) for entry in expression.entries for part in entry if part))
            case Loop():
                return self._loop(expression)
        return 0

    def _identifier(self, expression: Identifier) -> int:
        ranges = self._ranges.get(expression.name)
        if not ranges:
            self._paths[expression.id] = paths.of_variable(expression.name)
            return ACCESS
        part = {"list": _ITEMS, "map": _KEYS}.get(self._type(ranges[-1]).kind)
        if part is not None:
            self._paths[expression.id] = self._path(ranges[-1]).below(part)
        return ACCESS

    def _select(self, expression: Select) -> int:
        cost = self.cost(expression.holder)
        if expression.is_test:
            return cost
        self._paths[expression.id] = self._path(expression.holder).below(expression.field)
        return plus(cost, ACCESS) if self._type(expression.holder).kind in _HOLDERS else cost

    def _call(self, expression: Call) -> int:
        costs, arguments = [], []
        for argument in expression.arguments:
            costs.append(self.cost(argument))
            arguments.append(self._part(argument))
        if not expression.overloads:
            return 0
        target, cost = None, 0
        if expression.target is not None:
            cost = self.cost(expression.target)
            target = self._part(expression.target)
        made = call(expression, target, arguments, costs)
        if made.size is not None:
            self._sizes[expression.id] = made.size
        for overload, part in (("index_list", _ITEMS), ("index_map", _VALUES)):
            if overload in expression.overloads:
                self._paths[expression.id] = self._path(expression.arguments[0]).below(part)
        return plus(cost, made.cost)

    def _loop(self, expression: Loop) -> int:
        cost = plus(self.cost(expression.over), self.cost(expression.start))
        self._ranges.setdefault(expression.variable, []).append(expression.over)
        turn = plus(self.cost(expression.going), self.cost(expression.step))
        self._ranges[expression.variable].pop()
        count = self._part(expression.over).size
        self._sizes[expression.id] = count
        return plus(cost, self.cost(expression.result), times(count.most, turn))

    def _path(self, expression: Expression) -> Path:
        return self._paths.get(expression.id, paths.NONE)

    def _type(self, expression: Expression) -> Type:
        """Where cel-expr-python can't declare a type, that of the schema, or of what the value is made of."""
        if _is_known(expression.type):
            return expression.type
        names = self._path(expression).names()
        there = found(self._shape, names[1:]) if names[:1] in (("self",), ("oldSelf",)) else None
        if there is not None:
            return _typed(there)
        return next((made for made in self._types_made_of(expression) if _is_known(made)), expression.type)

    def _types_made_of(self, expression: Expression) -> Iterator[Type]:
        match expression:
            case Call(function="_?_:_" | "_+_"):
                yield from map(self._type, expression.arguments[-2:])
            case Call(function="min" | "max" | "sum", target=Expression() as of):
                yield from self._type(of).parts

    def _part(self, expression: Expression) -> Part:
        path, computed = self._path(expression), self._computed(expression)
        return Part(expression, self._type(expression), path, self._shape, computed)

    def _computed(self, expression: Expression) -> Size | None:
        """A size that the expression itself tells."""
        if expression.id in self._sizes:
            return self._sizes[expression.id]
        match expression:
            case Constant():
                length = len(expression.value) if isinstance(expression.value, str | bytes) else 1
                return Size(length, length)
            case Items():
                return Size(len(expression.items), len(expression.items))
            case Entries() if expression.is_map:
                return Size(len(expression.entries), len(expression.entries))
        return None


def _is_known(type_: Type) -> bool:
    return type_.kind != "dyn" and all(map(_is_known, type_.parts))


def _typed(there: Declared) -> Type:
    if there.element is None:
        return Type(there.kind)
    element = _typed(there.element)
    return Type("list", (element,)) if there.kind == "list" else Type("map", (Type("string"), element))
