"""What counting the whole fleet tells of each server and pool."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from starlink.api.pool import Pool
from starlink.planning.health import Health
from starlink.planning.pool_use import PoolUse


@dataclass(frozen=True, slots=True)
class Charged:
    """How many the unfinished assignments of a server are, and what they request by resource; None when that is not to
    be told now. `held_up` says why some don't leave a server that is being deleted."""

    instances: int
    amounts: Mapping[str, int] | None
    held_up: str = ""


class Figures(Protocol):
    """`pools` says the effective pool of each server, `faults` why the specs of pools can't be used, by name."""

    @property
    def pools(self) -> Mapping[str, str]: ...
    @property
    def health(self) -> Health: ...
    @property
    def faults(self) -> Mapping[str, str]: ...

    def charged(self, server: str) -> Charged:
        """What is charged to a server."""
        ...

    def use(self, pool: Pool) -> PoolUse:
        """How full a pool is."""
        ...
