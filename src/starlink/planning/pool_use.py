"""How full a pool is."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How full a pool is, by resource: cpu in millicores, everything else in whole units.

    `capacity` may be requested of its servers in all, `allocated` is, `headroom` is what quota and servers leave.
    `exhausted` are the keys of the quota of which nothing is left, each as a person reads it with the way out, `above`
    the watermarks. `outsiders` are the fields of the spec that instances here go against, with the instances.
    `instances` is how many there are on its servers, counted for a pool that is being deleted.
    """

    capacity: Mapping[str, int] = field(default_factory=dict)
    allocated: Mapping[str, int] = field(default_factory=dict)
    headroom: Mapping[str, int] = field(default_factory=dict)
    assignments: int = 0
    exhausted: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    outsiders: tuple[str, ...] = ()
    instances: int = 0
