"""What one instance is: the part that a Task and its Assignments share.

The defaults here are those of the CRDs, so that a template with its defaults filled in and one
without are the same value and have the same revision.
"""

from typing import Annotated, Any, Literal

import msgspec

from starlink.api.enumerations import known
from starlink.api.meta import View
from starlink.api.quantity import Quantity

Architecture = Literal["amd64", "arm64", "riscv64"]
Runtime = Literal["Process", "Driver"]
RestartPolicy = Literal["Always", "OnFailure", "Never"]


class EnvVar(View, frozen=True):
    name: str
    value: str = ""


class ArtifactVariant(View, frozen=True):
    architecture: str
    url: str
    sha256: str


class ArtifactReference(View, frozen=True):
    url: str = ""
    sha256: str = ""
    variants: tuple[ArtifactVariant, ...] = ()


class Resources(View, frozen=True):
    """`requests` by resource name: cpu, memory, ephemeral-storage, gpu, `example.com/dongle`."""

    requests: dict[str, Quantity] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        # A request of 0 is none: written out, it is no other template and has no other revision.
        if 0 in self.requests.values():
            asked = {resource: value for resource, value in self.requests.items() if value != 0}
            msgspec.structs.force_setattr(self, "requests", asked)


class Port(View, frozen=True):
    name: str
    port: int = 0


class ExecAction(View, frozen=True):
    command: tuple[str, ...]


class HttpGetAction(View, frozen=True):
    path: str = "/"
    port: int | str | None = None


class TcpSocketAction(View, frozen=True):
    port: int | str | None = None


class Probe(View, frozen=True):
    """Exactly one of exec, http_get and tcp_socket; durations as strings."""

    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None
    tcp_socket: TcpSocketAction | None = None
    initial_delay: str = "0s"
    period: str = "10s"
    timeout: str = "1s"
    success_threshold: int = 1
    failure_threshold: int = 3


class Probes(View, frozen=True):
    startup: Probe | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None


class Backoff(View, frozen=True):
    initial: str = "500ms"
    factor: float = 2
    max: str = "30s"


class Restart(View, frozen=True):
    policy: Annotated[str, known(RestartPolicy)] | None = None
    backoff: Backoff = Backoff()
    limit: int | None = None


class Stop(View, frozen=True):
    signal: str = "SIGTERM"
    grace_period: str = "10s"


class Logs(View, frozen=True):
    max_size: Quantity = "10Mi"
    max_files: int = 3


class Driver(View, frozen=True):
    """A program of StarLink's own: `operation` is what it does, and `spec` what it does that for, by its own schema."""

    name: str
    operation: str
    spec: dict[str, Any] = msgspec.field(default_factory=dict)


class Template(View, frozen=True):
    """`driver` is given where `runtime` is Driver, and then in place of command, args, working_dir and artifact."""

    runtime: Annotated[str, known(Runtime)] = "Process"
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    working_dir: str = ""
    artifact: ArtifactReference | None = None
    resources: Resources = Resources()
    ports: tuple[Port, ...] = ()
    probes: Probes = Probes()
    restart: Restart = Restart()
    stop: Stop = Stop()
    logs: Logs = Logs()
    driver: Driver | None = None


def resolved(template: Template, policy: str) -> Template:
    """The template as an Assignment carries it: the restart policy written out."""
    restart = msgspec.structs.replace(template.restart, policy=template.restart.policy or policy)
    return msgspec.structs.replace(template, restart=restart)
