"""What an instance has before its first run: its directory, what its artifact holds, and its ports.

The directory is made in one that only the agent can enter, given to the task's user as a whole, and only then put in
its place. So nothing is given away by a path on which the task, or an instance of it that runs already, has a part.
"""

import os
from pathlib import Path
from typing import IO

from starlink.api.template import Artifact
from starlink.files import tree
from starlink_nodeagent import threads
from starlink_nodeagent.artifacts.lanes import Progress
from starlink_nodeagent.instances import ports
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.journal.record import WORK, Record
from starlink_nodeagent.probes import probes
from starlink_nodeagent.users.uids import Task

LOGS, _STAGING = "logs", "staging"
"""Within the instance's directory."""


async def prepare(record: Record, directory: Path, host: Host) -> None:
    """Prepares the directory anew and notes the ports in the record, which has a user.

    Raises Failure for a probe without its port and for ports that can't be had, ArtifactError, OSError.
    """
    probes.check(record.template)
    assert record.user is not None
    staging, work = directory / _STAGING, directory / WORK
    await _remove(staging)
    staging.mkdir(mode=0o700)
    if record.template.artifact is None:
        (staging / WORK).mkdir()
        tree.give(staging / WORK, record.user.uid, record.user.gid)
    else:
        owner = record.namespace, record.task or record.name
        await _unpack(record.template.artifact, staging / WORK, host, owner)
        await threads.run(tree.give, staging / WORK, record.user.uid, record.user.gid)
        await host.turn()
    await _remove(work)
    (staging / WORK).rename(work)
    staging.rmdir()
    (directory / LOGS).mkdir(mode=0o700, exist_ok=True)
    record.ports = ports.assign(record.template.ports, record.uid, host.ports_in_use(record.uid))
    record.prepared = True


async def _remove(path: Path) -> None:
    """Removes what an agent that was killed left of an earlier try."""
    if _is_there(path):
        await threads.run(tree.remove, path)


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


async def _unpack(artifact: Artifact, work: Path, host: Host, owner: Task) -> None:
    # Imported when first needed: an agent without artifacts stays small.
    from starlink.artifacts.errors import shown
    from starlink.artifacts.fetch import Places, fetch
    from starlink.artifacts.guard import Guard
    from starlink.artifacts.unpack import unpack

    places = Places(host.cache, host.artifact_dir, Guard(host.allow_local_artifacts))

    def fetched(progress: Progress) -> IO[bytes]:
        return fetch(artifact.url, artifact.sha256, places, pace=progress.pace)

    async with host.fetching(artifact):
        with await host.fetches.run(owner, fetched) as archive:
            host.eviction.look_again()
            await host.unpacks.run(unpack, archive, work, shown(artifact.url))
