"""What an instance has before its first run: its directory, what its artifact holds, and its ports."""

import shutil
from pathlib import Path

from starlink.api.template import Artifact
from starlink_nodeagent import ports, probes, threads
from starlink_nodeagent.host import Host
from starlink_nodeagent.journal import Record

WORK, LOGS = "work", "logs"
"""Within the instance's directory."""


async def prepare(record: Record, directory: Path, host: Host) -> None:
    """Prepares the directory anew and notes the ports in the record.

    Raises Failure for a probe without its port and for ports that can't be had, ArtifactError.
    """
    probes.check(record.template)
    work = directory / WORK
    artifact = record.template.artifact
    if artifact is None:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    else:
        await _unpack(artifact, work, host)
        await host.turn()
    host.user.own_tree(work)
    (directory / LOGS).mkdir(mode=0o700, exist_ok=True)
    record.ports = ports.assign(record.template.ports, record.uid, host.ports_in_use(record.uid))
    record.prepared = True


async def _unpack(artifact: Artifact, work: Path, host: Host) -> None:
    # Imported when first needed: an agent without artifacts stays small.
    from starlink.artifacts.errors import shown
    from starlink.artifacts.fetch import Places, fetch
    from starlink.artifacts.guard import Guard
    from starlink.artifacts.unpack import unpack

    places = Places(host.cache, host.artifact_dir, Guard(host.allow_local_artifacts))
    async with host.fetching(artifact.sha256):
        async with host.fetches:
            archive = await threads.run(fetch, artifact.url, artifact.sha256, places)
        with archive:
            shutil.rmtree(work, ignore_errors=True)
            async with host.unpacks:
                await threads.run(unpack, archive, work, shown(artifact.url))
