"""What a group of identical instances asks of a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

HOSTNAME = "kubernetes.io/hostname"
"""The topology key whose domains are the servers themselves."""


class Toleration(Protocol):
    """A taint that is put up with; `key` None means every taint, `effect` None every effect."""

    @property
    def key(self) -> str | None: ...
    @property
    def operator(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def effect(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Term:
    """To be in a domain of `key` where an instance of one of the groups is, or is not. `weight` None: a must."""

    groups: frozenset[str]
    key: str = HOSTNAME
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the domains of `key` may differ in their numbers of the group's instances; not `required`: a wish."""

    key: str
    max_skew: int = 1
    required: bool = True


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Load:
    """What one instance takes of its server and its pool, and what it keeps away.

    `requests` are amounts by resource: cpu in millicores, everything else in whole units; `quota` the same in the words
    of a pool's quota. `group` tells instances of one task; `repels` are its required anti-affinities.
    """

    group: str = ""
    priority: int = 0
    requests: tuple[tuple[str, int], ...] = ()
    quota: tuple[tuple[str, int], ...] = ()
    ports: frozenset[int] = frozenset()
    repels: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """The needs of each of some identical instances. `pool` "" means any; `server` "" too. `local` are the servers that
    have the artifact already, `homes` those that had an instance of the group before, `refused` those whose agent would
    not start one. Who `ignores_cordon` goes to cordoned servers too. `architectures_from` is where the architectures
    are from, `unknown` the groups of the terms of which there is no task, `running` how many there are of it already,
    `host_ports` the load's ports that a driver asks for: all four are only told."""

    load: Load = Load()
    server: str = ""
    ignores_cordon: bool = False
    pool: str = ""
    namespace: str = ""
    architectures: tuple[str, ...] = ()
    architectures_from: str = "placement.architectures"
    preferred_architectures: tuple[str, ...] = ()
    runtime: str = ""
    features: frozenset[str] = frozenset()
    selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    affinity: tuple[Term, ...] = ()
    anti_affinity: tuple[Term, ...] = ()
    spread: tuple[Spread, ...] = ()
    local: frozenset[str] = frozenset()
    homes: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    gang: bool = False
    running: int = 0
    host_ports: tuple[int, ...] = ()
    unknown: frozenset[str] = frozenset()
