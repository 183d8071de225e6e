"""What calls of Kubernetes' own functions are estimated to cost, and of some that it costs its own way. Pure.

https://github.com/kubernetes/apiserver/blob/release-1.32/pkg/cel/library/cost.go
"""

import math
from collections.abc import Callable, Sequence

from starlink.apiserver.cel.cost import sizes
from starlink.apiserver.cel.cost.parts import Made, Part, matched, read
from starlink.apiserver.cel.cost.sizes import ONE, Size, plus, scaled, times
from starlink.apiserver.cel.syntax import Call, Constant, Expression

_ADDRESS = Size(4, 16)  # the bytes of one
_LONGEST_FORMAT, _LONGEST_FORMAT_REGEX = 64, 128
_CHECK = 350_000  # so that an expression can ask twice whether something is allowed

_Arguments = Sequence[Part]
_Known = Callable[[Part | None, _Arguments], Made | None]

_FREE = frozenset(
    ("serviceAccount", "path", "group", "resource", "subresource", "namespace", "name", "allowed", "reason", "error",
     "errored", "masked", "prefixLength", "family", "isUnspecified", "isLoopback", "isLinkLocalMulticast",
     "isLinkLocalUnicast", "isGlobalUnicast", "format.named", "sign", "asInteger", "isInteger", "asApproximateFloat",
     "isGreaterThan", "isLessThan", "compareTo", "add", "sub", "getScheme", "getHostname", "getHost", "getPort",
     "getEscapedPath", "getQuery")
)  # fmt: skip


def call(made_by: Call, target: Part | None, arguments: _Arguments) -> Made | None:
    """Of a function that Kubernetes has a cost for, without that of its arguments; None of any other."""
    name = made_by.function
    if name in _FREE:
        return Made(1)
    if name == "check":
        return Made(_CHECK)
    if name == "_==_":
        return _equal_values(arguments)
    known = _OF_TARGET.get(name) if target is not None else _OF_ARGUMENTS.get(name)
    return known(target, arguments) if known is not None else None


def _equal_values(arguments: _Arguments) -> Made | None:
    """Of values of Kubernetes' own types."""
    kinds = {_own_kind(part.expression) for part in arguments}
    if len(kinds) > 1 or kinds == {""}:
        return None
    match kinds.pop():
        case "format":
            return Made(scaled(_LONGEST_FORMAT, sizes.TRAVERSAL))
        case "url":
            return Made(scaled((arguments[1].computed or ONE).most, sizes.TRAVERSAL))
    return Made(1)


def _own_kind(expression: Expression | None) -> str:
    """The type of a value that one of Kubernetes' functions makes, "" for any other."""
    if not isinstance(expression, Call):
        return ""
    if expression.function == "_?_:_":
        return _own_kind(expression.arguments[1])
    if not any(overload.startswith("kubernetes_") for overload in expression.overloads):
        return ""
    match expression.function:
        case "quantity" | "add" | "sub":
            return "quantity"
        case "ip" | "url":
            return expression.function
        case "cidr" | "masked":
            return "cidr"
        case name if name.startswith("format.") and name != "format.named":
            return "format"
    return ""


def _list_read(target: Part | None, _arguments: _Arguments) -> Made | None:
    """Each item is compared; text is read for that."""
    assert target is not None
    item = target.items
    if item is None:
        return Made(read(target.known))
    each = plus(1, read(item.known)) if item.type.kind in ("string", "bytes") else 1
    return Made(times(target.known.most, each))


def _text_read(target: Part | None, _arguments: _Arguments) -> Made | None:
    assert target is not None
    return Made(read(target.known), target.known)


def _replaced(target: Part | None, arguments: _Arguments) -> Made | None:
    """The result is longest when the shortest parts become the longest, and shortest the other way round."""
    assert target is not None
    if len(arguments) < 2:
        return None
    text, old, new = target.known, arguments[0].known, arguments[1].known
    if old.least == 0:
        most = plus(times(min(text.most + 1, sizes.MOST), new.most), text.most)
    elif new.most <= old.least:
        most = text.most
    else:
        most = times(_quotient(text.most, old.least), new.most)
    if old.most == 0:
        least = plus(times(min(text.least + 1, sizes.MOST), new.least), text.least)
    elif old.most <= new.least:
        least = text.least
    else:
        least = times(_quotient(text.least, old.most), new.least)
    return Made(read(text, 2), Size(least, most))


def _quotient(number: int, divisor: int) -> int:
    """Rounded up."""
    return math.ceil(number / divisor)


def _split(target: Part | None, arguments: _Arguments) -> Made | None:
    assert target is not None
    most, limit = target.known.most, arguments[1].expression if len(arguments) > 1 else None
    if isinstance(limit, Constant) and isinstance(limit.value, int):
        most = limit.value % (sizes.MOST + 1)
    return Made(read(target.known, 2), Size(0, most))


def _joined(target: Part | None, arguments: _Arguments) -> Made | None:
    assert target is not None
    count, item = target.known, target.items
    size = count.times(item.known) if item is not None else Size(0, 0)
    if arguments:
        size = size.plus(arguments[0].known.times(Size(max(count.least - 1, 0), max(count.most - 1, 0))))
    return Made(read(size), size)


def _found(target: Part | None, arguments: _Arguments) -> Made | None:
    assert target is not None
    return Made(matched(target.known, arguments[0].known), Size(0, target.known.most))


def _contains_address(_target: Part | None, arguments: _Arguments) -> Made | None:
    base = read(_ADDRESS.plus(_ADDRESS))
    return Made(plus(base, _parsed_text(arguments[0])))


def _contains_network(_target: Part | None, arguments: _Arguments) -> Made | None:
    base = plus(read(_ADDRESS.plus(_ADDRESS)), read(_ADDRESS), 1)
    return Made(plus(base, _parsed_text(arguments[0])))


def _parsed_text(part: Part) -> int:
    """An address is there already."""
    return read(part.known) if part.type.kind in ("string", "dyn") else 0


def _validated(_target: Part | None, arguments: _Arguments) -> Made | None:
    return Made(scaled(read(arguments[0].known), _LONGEST_FORMAT_REGEX * sizes.REGEX))


def _selector(_target: Part | None, arguments: _Arguments) -> Made | None:
    """Each of its terms, of two characters at least, makes an object and a list."""
    length = arguments[0].known
    terms = scaled(scaled(length.most, 0.5), sizes.NEW_LIST + sizes.NEW_OBJECT)
    return Made(plus(sizes.NEW_LIST, read(length), terms))


def _parsed(_target: Part | None, arguments: _Arguments) -> Made | None:
    return Made(read(arguments[0].known))


_OF_TARGET: dict[str, _Known] = {
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _list_read),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _text_read),
    **dict.fromkeys(("find", "findAll"), _found),
    "replace": _replaced, "split": _split, "join": _joined, "containsIP": _contains_address,
    "containsCIDR": _contains_network, "validate": _validated, "fieldSelector": _selector, "labelSelector": _selector,
    "ip": lambda _target, _arguments: Made(1),
}  # fmt: skip
_OF_ARGUMENTS: dict[str, _Known] = {
    **dict.fromkeys(("cidr", "ip", "isIP", "isCIDR", "quantity", "isQuantity"), _parsed),
    "url": lambda _target, arguments: Made(read(arguments[0].known), arguments[0].known),
    "ip.isCanonical": lambda _target, arguments: Made(read(arguments[0].known, 2)),
}
