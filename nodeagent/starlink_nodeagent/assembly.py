"""A host with all that belongs to it: the one place that knows which runtimes there are."""

from pathlib import Path

from starlink.api.labels import SERVER_NAMESPACE
from starlink_nodeagent.artifacts.artifacts import Artifacts
from starlink_nodeagent.artifacts.eviction import Limits
from starlink_nodeagent.clock import Clock
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.runtimes.driver.catalogue import installed
from starlink_nodeagent.runtimes.driver.runtime import Driver
from starlink_nodeagent.runtimes.process.runtime import Process
from starlink_nodeagent.runtimes.supervision.environment import PATH
from starlink_nodeagent.users.policy import Users


def assembled(
    server: str,
    journal: Journal,
    cache: Path,
    artifact_dir: Path | None,
    users: Users,
    *,
    path: str = PATH,
    clock: Clock = Clock(),  # noqa: B008 - it is frozen
    allow_local_artifacts: bool = False,
    cache_limits: Limits = Limits(),  # noqa: B008
    server_namespace: str = SERVER_NAMESPACE,
) -> Host:
    """The host of a server's instances. `path` is their PATH; `artifact_dir` holds what file:NAME names, and
    `cache_limits` bound what is kept of fetched artifacts in `cache`; `allow_local_artifacts` lets them be fetched from
    loopback and link-local addresses."""
    artifacts = Artifacts(
        cache, artifact_dir, cache_limits, lambda: host.archives_in_use(), clock.now, allow_local=allow_local_artifacts
    )
    host = Host(server, journal, artifacts, users, clock, server_namespace)
    host.runtimes[Process.name] = Process(host.processes, artifacts, path, host.turn)
    host.runtimes[Driver.name] = Driver(host.processes, path, installed())
    return host
