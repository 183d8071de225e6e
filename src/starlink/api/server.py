"""Server: a machine on which a node agent runs instances."""

from typing import Annotated, Literal

import msgspec

from starlink.api import labels
from starlink.api.enumerations import known
from starlink.api.meta import Condition, Object, View
from starlink.api.quantity import Quantity

TaintEffect = Literal["NoSchedule", "NoExecute", "PreferNoSchedule"]


class Taint(View, frozen=True):
    key: str
    effect: Annotated[str, known(TaintEffect)]
    value: str = ""


class Address(View, frozen=True):
    type: str
    address: str


class ServerSpec(View, frozen=True):
    pool: str = ""
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class ServerStatus(View, frozen=True):
    observed_generation: int = 0
    machine_id: str = msgspec.field(default="", name="machineID")
    architecture: str = ""
    operating_system: str = ""
    kernel_version: str = ""
    agent_version: str = ""
    token_expires: str = ""
    addresses: tuple[Address, ...] = ()
    capacity: dict[str, Quantity] = msgspec.field(default_factory=dict)
    allocatable: dict[str, Quantity] = msgspec.field(default_factory=dict)
    allocated: dict[str, Quantity] = msgspec.field(default_factory=dict)
    runtimes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    pool: str = ""
    orphans: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


class Server(Object, frozen=True):
    spec: ServerSpec = ServerSpec()
    status: ServerStatus = ServerStatus()

    @property
    def has_joined(self) -> bool:
        """Whether its agent has ever reported the machine. People may make a Server before there is an agent."""
        return bool(self.status.architecture)

    @property
    def declared_gone(self) -> bool:
        """Whether a person has said that the server will not come back as it was."""
        return self.metadata.annotations.get(labels.GONE_ANNOTATION) == "true"
