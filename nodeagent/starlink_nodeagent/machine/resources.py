"""Amounts of resources: what the machine has, what instances may have of it, and what they ask for. Pure.

cpu in millicores, memory and ephemeral-storage in bytes, all else in whole units.
"""

import re
from collections.abc import Iterable, Mapping

from starlink.api import quantity
from starlink.api.template import Template

CPU, MEMORY, STORAGE = "cpu", "memory", "ephemeral-storage"
MEASURED = (CPU, MEMORY, STORAGE)
MOST = 1_000_000
_MI = 1024 * 1024
_RESERVED_MEMORY = 128 * _MI
_RESERVED_STORAGE = 1024 * _MI
_NAME = re.compile(r"gpu|(?=.{1,253}/)[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
"""`gpu`, or a qualified name. https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"""

Amounts = Mapping[str, int]


class BadResource(ValueError):
    """A declared resource that can't be; the message names it and what would be right."""


def declared(words: Iterable[str]) -> dict[str, int]:
    """What `NAME=COUNT` words declare. Raises BadResource."""
    found: dict[str, int] = {}
    for word in words:
        name, _, count = word.partition("=")
        if name in MEASURED:
            raise BadResource(f"{word!r}: {name} is measured by the agent; declare other resources only")
        if not _NAME.fullmatch(name):
            raise BadResource(
                f"{word!r}: write NAME=COUNT, where NAME is gpu or DOMAIN/NAME, such as example.com/dongle=2"
            )
        if not re.fullmatch(r"[0-9]{1,7}", count) or int(count) > MOST:
            raise BadResource(f"{word!r}: {count!r} is no count; write a whole number from 0 to {MOST}")
        if name in found:
            raise BadResource(f"{word!r}: {name} is declared twice; declare it once, with the sum")
        found[name] = int(count)
    return found


def capacity(cpu: int, memory: int, storage: int, devices: Amounts) -> dict[str, int]:
    """What the machine has; bytes in whole Mi, so that what is told and what is reckoned with are the same."""
    return {CPU: cpu, MEMORY: memory // _MI * _MI, STORAGE: storage // _MI * _MI, **devices}


def allocatable(of: Amounts) -> dict[str, int]:
    """What instances may have of a capacity. The rest is the system's and the agent's: 128 Mi of memory, and of the
    disk a tenth, at most 1 Gi."""
    storage = of[STORAGE] - min(of[STORAGE] // 10, _RESERVED_STORAGE)
    return {**of, MEMORY: max(of[MEMORY] - _RESERVED_MEMORY, 0), STORAGE: storage // _MI * _MI}


def requested(template: Template) -> dict[str, int]:
    """What one instance asks for. Raises ValueError."""
    return {name: quantity.amount(name, value) for name, value in template.resources.requests.items()}


def quantities(amounts: Amounts) -> dict[str, str]:
    """Amounts as they are written in a status."""
    return {name: quantity.format_amount(name, amount) for name, amount in amounts.items()}
