"""Pool: servers that share a policy."""

from typing import Literal

import msgspec

from starlink.api.meta import Condition, Object, View
from starlink.api.template import Architecture


class PoolSpec(View, frozen=True):
    selector: dict[str, str] = msgspec.field(default_factory=dict)
    architectures: tuple[Architecture, ...] = ()
    strategy: Literal["Pack", "Spread"] = "Spread"


class PoolStatus(View, frozen=True):
    observed_generation: int = 0
    servers: int = 0
    ready_servers: int = 0
    conditions: tuple[Condition, ...] = ()


class Pool(Object, frozen=True):
    spec: PoolSpec = PoolSpec()
    status: PoolStatus = PoolStatus()
