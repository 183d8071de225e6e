"""Pool: servers that share a quota and a policy."""

from typing import Annotated, Literal

import msgspec

from starlink.api.enumerations import known
from starlink.api.meta import Condition, Object, View
from starlink.api.quantity import Quantity


class Quota(View, frozen=True):
    """Amounts of what a pool's assignments may request in all; None is no limit.

    `storage` counts ephemeral-storage, `gpu` every resource named `gpu` or `*/gpu`, `assignments` the assignments.
    """

    cpu: Quantity | None = None
    memory: Quantity | None = None
    gpu: Quantity | None = None
    storage: Quantity | None = None
    assignments: int | None = None

    @property
    def limits(self) -> dict[str, Quantity]:
        """What has a limit, and the limit."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: limit for name, limit in given.items() if limit is not None}


def resource_of(limit: str) -> str:
    """The resource that a limit of this name counts."""
    return "ephemeral-storage" if limit == "storage" else limit


class Watermark(View, frozen=True):
    """Percent of allocatable: above `high` nothing new is placed until it is below `low`."""

    high: int
    low: int


class Watermarks(View, frozen=True):
    cpu: Watermark | None = None
    memory: Watermark | None = None


class Overcommit(View, frozen=True):
    """Percent of allocatable that may be requested; memory can't be, for what runs out of it is killed."""

    cpu: int = 100


class Weights(View, frozen=True):
    """How much each score counts; None leaves it to the operator."""

    use: int | None = None
    own: int | None = None
    affinity: int | None = None
    spread: int | None = None
    architecture: int | None = None
    locality: int | None = None
    balance: int | None = None
    failback: int | None = None
    taints: int | None = None


class PoolSpec(View, frozen=True):
    """`lend` is what others of the cohort may use while it is unused; `borrow` None borrows whatever is lent."""

    selector: dict[str, str] = msgspec.field(default_factory=dict)
    architectures: tuple[str, ...] = ()
    strategy: Annotated[str, known(Literal["Pack", "Spread"])] = "Spread"
    namespaces: tuple[str, ...] = ()
    quota: Quota = Quota()
    cohort: str = ""
    lend: Quota = Quota()
    borrow: Quota | None = None
    watermarks: Watermarks = Watermarks()
    overcommit: Overcommit = Overcommit()
    weights: Weights = Weights()


class PoolStatus(View, frozen=True):
    observed_generation: int = 0
    servers: int = 0
    ready_servers: int = 0
    capacity: dict[str, Quantity] = msgspec.field(default_factory=dict)
    allocated: dict[str, Quantity] = msgspec.field(default_factory=dict)
    headroom: dict[str, Quantity] = msgspec.field(default_factory=dict)
    assignments: int = 0
    quota: str = ""
    conditions: tuple[Condition, ...] = ()


class Pool(Object, frozen=True):
    spec: PoolSpec = PoolSpec()
    status: PoolStatus = PoolStatus()
