"""Labels that are wanted, those that a server can't be given, and how they are written.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
https://kubernetes.io/docs/reference/labels-annotations-taints/
"""

import re
from collections.abc import Iterable

from starlink.api import remedy
from starlink.api.labels import ARCHITECTURE, OPERATING_SYSTEM
from starlink.scheduling.ask import HOSTNAME, Ask
from starlink.scheduling.fleet import Fleet

OF_THE_MACHINE = frozenset({ARCHITECTURE, OPERATING_SYSTEM, HOSTNAME})
"""What an agent says of its own machine: it writes them anew whenever it starts."""

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_PREFIX = 253


def is_key(key: str) -> bool:
    """Whether Kubernetes takes it as the key of a label: `name` or `domain/name`."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > _LONGEST_PREFIX or not _PREFIX.fullmatch(prefix)):
        return False
    return _NAME.fullmatch(name) is not None


def is_value(value: str) -> bool:
    """Whether Kubernetes takes it as the value of a label."""
    return not value or _NAME.fullmatch(value) is not None


def impossible(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The labels that no server can have."""
    return [(key, value) for key, value in sorted(pairs) if not (is_key(key) and is_value(value))]


def labels(pairs: Iterable[tuple[str, str]]) -> str:
    """Labels as kubectl takes them."""
    return ",".join(f"{key}={value}" for key, value in sorted(pairs))


def few_labels(pairs: Iterable[tuple[str, str]]) -> str:
    """The first of the labels, and how many more there are."""
    return remedy.few_labels([labels([pair]) for pair in sorted(pairs)])


def missing_labels(fleet: Fleet, ask: Ask, server: int) -> list[tuple[str, str]]:
    """The wanted labels that a server does not have."""
    has = fleet.nodes[server].labels
    return [(key, value) for key, value in sorted(ask.selector.items()) if has.get(key) != value]


def unlabelled(fleet: Fleet, keys: Iterable[str]) -> list[str]:
    """The topology keys that no server has a label of."""
    return [key for key in dict.fromkeys(keys) if key != HOSTNAME and not fleet.domains(key).names]
