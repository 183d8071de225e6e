"""Amounts of resources as a person reads them.

The notation is that of Kubernetes' quantities:
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

_IN_BYTES = frozenset({"memory", "ephemeral-storage", "storage"})
_EXACT = (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20))
_ROUNDED = (("Mi", 2**20), ("Ki", 2**10))
_LEAST = 16


def quantity(resource: str, amount: int, *, up: bool = False) -> str:
    """The quantity of an amount: `1500` of cpu → `1500m`, of memory in bytes → `256Mi`, of others → `3`.

    Bytes that are no whole number of Mi are rounded to Mi or Ki, down unless `up`.
    """
    if resource == "cpu":
        return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"
    return _bytes(amount, up) if resource in _IN_BYTES else str(amount)


def _bytes(amount: int, up: bool) -> str:
    for unit, size in _EXACT:
        if amount and amount % size == 0:
            return f"{amount // size}{unit}"
    for unit, size in _ROUNDED:
        if amount >= _LEAST * size:
            return f"{-(-amount // size) if up else amount // size}{unit}"
    return str(amount)


def sized(resource: str, amount: int) -> str:
    """What is needed of a resource: `500m cpu`, `2Gi memory`, `1 gpu`, `1 assignment`, `2 assignments`."""
    if (resource, amount) == ("assignments", 1):
        return "1 assignment"
    return f"{quantity(resource, amount, up=True)} {resource}"
