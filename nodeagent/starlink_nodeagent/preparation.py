"""What an instance has before its first run: its directory, what its artifact holds, and its ports.

The directory is made in one that only the agent can enter, given to the task's user as a whole, and only then put in
its place. So nothing is given away by a path on which the task, or an instance of it that runs already, has a part.
"""

import os
import threading
from functools import partial
from pathlib import Path

from starlink.api.template import Artifact
from starlink.files import tree
from starlink_nodeagent import ports, probes, threads
from starlink_nodeagent.host import Host
from starlink_nodeagent.record import WORK, Record

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
        await _unpack(record.template.artifact, staging / WORK, host)
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


async def _unpack(artifact: Artifact, work: Path, host: Host) -> None:
    # Imported when first needed: an agent without artifacts stays small.
    from starlink.artifacts.errors import shown
    from starlink.artifacts.fetch import Places, fetch
    from starlink.artifacts.guard import Guard
    from starlink.artifacts.pace import Pace
    from starlink.artifacts.unpack import unpack

    places = Places(host.cache, host.artifact_dir, Guard(host.allow_local_artifacts))
    given_up = threading.Event()
    pace = partial(Pace, given_up=given_up.is_set)
    try:
        async with host.fetching(artifact):
            with await host.fetches.run(fetch, artifact.url, artifact.sha256, places, pace=pace) as archive:
                await host.unpacks.run(unpack, archive, work, shown(artifact.url))
    finally:
        given_up.set()
