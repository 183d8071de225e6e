"""CEL's quantity library: `quantity('1.5Gi').isGreaterThan(quantity('500M'))`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library
"""

import re
from decimal import ROUND_UP, Context, Decimal

from starlink.apiserver.cel.opaque import BOOL, DOUBLE, INT, OPAQUE, STRING, free, member, unwrap, wrap

QUANTITY = "kubernetes.Quantity"

_EXACT = Context(prec=1500)  # more digits than any exponent of three digits can need
_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([eE][+-]?[0-9]{1,3}|[numkMGTPE]|[KMGTPE]i|)")
_LIKE = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_NANO = Decimal("1e-9")
_MOST = Decimal(2**63 - 1)
_LONGEST = 512


def parse(text: str) -> Decimal:
    """The quantity's value. Raises ValueError with the real server's words."""
    found = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None and _LIKE.fullmatch(text):
        raise ValueError("unable to parse quantity's suffix")
    if found is None:
        raise ValueError(f"quantities must match the regular expression '^{_LIKE.pattern}$'")
    number, suffix = Decimal(found[1]), found[2]
    if suffix in _BINARY:
        return _rounded(_capped(_EXACT.multiply(number, Decimal(_BINARY[suffix]))))
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return _rounded(_EXACT.scaleb(number, exponent))


def _capped(value: Decimal) -> Decimal:
    """A binary quantity is at most the greatest int64."""
    return min(max(value, -_MOST), _MOST)


def _rounded(value: Decimal) -> Decimal:
    """Nothing is finer than a nano; what is rounds away from zero."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return value.quantize(_NANO, ROUND_UP, _EXACT) if exponent < -9 else value


def _is_quantity(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _value(value: Decimal) -> dict[str, str]:
    """The same text for equal quantities: CEL compares them by it."""
    return wrap(QUANTITY, format(_EXACT.normalize(value) if value else Decimal(0), "f"))


def _held(value: object) -> Decimal:
    return Decimal(unwrap(QUANTITY, value))


def _is_integer(value: object) -> bool:
    held = _held(value)
    return held == held.to_integral_value() and abs(held) <= _MOST


def _as_integer(value: object) -> int:
    if not _is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(_held(value))


def _compare(one: object, other: object) -> int:
    return int(_EXACT.compare(_held(one), _held(other)))


def _sign(value: object) -> int:
    return _compare(value, _value(Decimal(0)))


def _add(one: object, other: object) -> dict[str, str]:
    return _value(_EXACT.add(_held(one), Decimal(other) if isinstance(other, int) else _held(other)))


def _subtract(one: object, other: object) -> dict[str, str]:
    return _value(_EXACT.subtract(_held(one), Decimal(other) if isinstance(other, int) else _held(other)))


OVERLOADS = (
    free("quantity", OPAQUE, (STRING,), lambda text: _value(parse(text))),
    free("isQuantity", BOOL, (STRING,), _is_quantity),
    free("sign", INT, (OPAQUE,), _sign),
    member("sign", INT, (OPAQUE,), _sign),
    member("isInteger", BOOL, (OPAQUE,), _is_integer),
    member("asInteger", INT, (OPAQUE,), _as_integer),
    member("asApproximateFloat", DOUBLE, (OPAQUE,), lambda value: float(_held(value))),
    member("add", OPAQUE, (OPAQUE, OPAQUE), _add),
    member("add", OPAQUE, (OPAQUE, INT), _add),
    member("sub", OPAQUE, (OPAQUE, OPAQUE), _subtract),
    member("sub", OPAQUE, (OPAQUE, INT), _subtract),
    member("isLessThan", BOOL, (OPAQUE, OPAQUE), lambda one, other: _compare(one, other) < 0),
    member("isGreaterThan", BOOL, (OPAQUE, OPAQUE), lambda one, other: _compare(one, other) > 0),
    member("compareTo", INT, (OPAQUE, OPAQUE), _compare),
)
