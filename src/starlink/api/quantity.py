"""Kubernetes quantities: `500m`, `256Mi`, `2`.

Grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import functools
import re
from decimal import ROUND_CEILING, Decimal

from starlink.api.proposals import QUANTITIES, write_such

_FORM = re.compile(r"^(\d+(?:\.\d+)?)(m|[kMGTP]|[KMGTP]i)?$")
_FACTOR = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** (power + 1) for power, unit in enumerate(("k", "M", "G", "T", "P"))},
    **{unit: Decimal(1024) ** (power + 1) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"))},
}

Quantity = int | float | str

CPU = "cpu"
RESOURCES = (CPU, "memory", "ephemeral-storage", "gpu")
"""Those with names of StarLink's own; what else servers report is called DOMAIN/NAME."""
MOST = 2**61
"""Of what `amount` counts: sums of some of them still are integers of 64 bits."""
LONGEST = 64
"""Characters of a quantity: what is longer is none."""
_IN_BYTES = frozenset({"memory", "ephemeral-storage", "storage"})


def _parse(value: Quantity) -> Decimal:
    text = str(value)
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters are no quantity; write at most {LONGEST}, such as 500m or 256Mi")
    match = _FORM.match(text)
    if match is None:
        meant = write_such(value, QUANTITIES, _FORM.match)
        right = meant or "write a number with an optional unit, such as 500m or 256Mi"
        raise ValueError(f"{value!r} is not a quantity; {right}")
    return Decimal(match[1]) * _FACTOR[match[2] or ""]


@functools.lru_cache(maxsize=4096)
def millicores(value: Quantity) -> int:
    """Thousandths of a core, rounded up: `0.5` → 500. Raises ValueError."""
    return int((_parse(value) * 1000).to_integral_value(ROUND_CEILING))


@functools.lru_cache(maxsize=4096)
def count_bytes(value: Quantity) -> int:
    """Whole bytes, rounded up: `1Ki` → 1024. Raises ValueError."""
    return int(_parse(value).to_integral_value(ROUND_CEILING))


def amount(resource: str, value: Quantity) -> int:
    """What a quantity of a resource counts: cpu in millicores, everything else in whole units, both rounded up.
    Raises ValueError, also for more than MOST."""
    counted = millicores(value) if resource == CPU else count_bytes(value)
    if counted > MOST:
        raise ValueError(f"{value!r} is more than can be counted; write less, at most 999Ti")
    return counted


def format_amount(resource: str, value: int) -> str:
    """The quantity of what `amount` counts: `1500` of cpu → `1500m`, of memory in bytes → `256Mi`, of others → `3`."""
    if resource == CPU:
        return format_millicores(value)
    return format_bytes(value) if resource in _IN_BYTES else str(value)


def format_millicores(value: int) -> str:
    """`1500` → `1500m`, `2000` → `2`."""
    return str(value // 1000) if value % 1000 == 0 else f"{value}m"


def format_bytes(value: int) -> str:
    """The largest binary unit that divides it: `268435456` → `256Mi`."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        factor = int(_FACTOR[unit])
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return str(value)
