"""What calls of functions are estimated to cost, and how large their results are. Pure.

https://github.com/google/cel-go/blob/v0.22.0/checker/cost.go, functionCost, and ext/sets.go
"""

from collections.abc import Sequence

from starlink.apiserver.cel.cost import kubernetes
from starlink.apiserver.cel.cost.parts import Made, Part, matched, read
from starlink.apiserver.cel.cost.sizes import TRAVERSAL, Size, plus, scaled, times
from starlink.apiserver.cel.syntax import Call


def call(made_by: Call, target: Part | None, arguments: Sequence[Part], costs: Sequence[int]) -> Made:
    """A call whose arguments have these costs."""
    own = kubernetes.call(made_by, target, arguments)
    if own is not None:
        return Made(plus(own.cost, *costs), own.size)
    cost, size = 0, None
    for overload in _possible(made_by.overloads, (target, *arguments)):
        made = _overload(overload, target, arguments, costs)
        cost = max(cost, made.cost)
        if made.size is not None:
            size = made.size if size is None else size.union(made.size)
    return Made(cost, size)


def _possible(overloads: Sequence[str], operands: Sequence[Part | None]) -> Sequence[str]:
    """Without those that the schema rules out: cel-expr-python could not be told all of its types."""
    kinds = {part.type.kind for part in operands if part is not None}
    if "dyn" in kinds:
        return overloads
    others = {f"_{kind}" for kind in _SIZED if kind not in kinds}
    kept = [one for one in overloads if not one.startswith(_TYPED) or not one.endswith(tuple(others))]
    return kept or overloads


_SIZED = ("string", "bytes", "list")
_TYPED = ("add_", "less_", "greater_")


def _overload(overload: str, target: Part | None, arguments: Sequence[Part], costs: Sequence[int]) -> Made:
    match overload:
        case "logical_or" | "logical_and":
            return Made(plus(*costs))
        case "conditional":
            size = arguments[1].size.union(arguments[2].size)
            return Made(plus(costs[0], max(costs[1], costs[2])), size)
    made = _standard(overload, target, arguments)
    return Made(plus(made.cost, *costs), made.size)


def _standard(overload: str, target: Part | None, arguments: Sequence[Part]) -> Made:
    match overload:
        case "string_format" if target is not None:
            return Made(read(target.size))
        case "string_to_bytes":
            size = arguments[0].size
            return Made(read(size), Size(size.least, times(size.most, 4)))
        case "bytes_to_string":
            size = arguments[0].size
            return Made(read(size), Size(size.least // 4, size.most))
        case "strings_quote":
            size = arguments[0].size
            return Made(read(size), Size(plus(size.least, 2), plus(times(size.most, 2), 2)))
        case "starts_with_string" | "ends_with_string":
            return Made(read(arguments[0].size))
        case "in_list":
            return Made(arguments[1].size.most)
        case "matches_string" if target is not None:
            return Made(matched(target.size, arguments[0].size))
        case "contains_string" if target is not None:
            return Made(times(read(target.size), read(arguments[0].size)))
        case "list_sets_contains_list" | "list_sets_intersects_list":
            return Made(plus(1, times(arguments[0].known.most, arguments[1].known.most)))
        case "list_sets_equivalent_list":
            return Made(plus(1, scaled(times(arguments[0].known.most, arguments[1].known.most), 2)))
        case "add_list":
            return Made(1, arguments[0].size.plus(arguments[1].size))
        case "add_string" | "add_bytes":
            size = arguments[0].size.plus(arguments[1].size)
            return Made(read(size), size)
        case "equals" | "not_equals":
            return Made(_compared(arguments))
        case _ if overload.startswith(("less_", "greater_")) and overload.endswith(("_string", "_bytes")):
            return Made(_compared(arguments))
    return Made(1)


def _compared(arguments: Sequence[Part]) -> int:
    return scaled(min(arguments[0].size.most, arguments[1].size.most), TRAVERSAL)
