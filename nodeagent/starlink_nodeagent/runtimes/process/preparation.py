"""What a process has before its first run: its directory, and in it what its artifact holds.

The directory is made in one that only the agent can enter, given to the task's user as a whole, and only then put in
its place. So nothing is given away by a path on which the task, or an instance of it that runs already, has a part.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlink.files import tree
from starlink_nodeagent import threads
from starlink_nodeagent.artifacts.artifacts import Artifacts
from starlink_nodeagent.layout import STAGING, WORK
from starlink_nodeagent.runtimes.contract import RunContext


async def prepare(run: RunContext, artifacts: Artifacts, turn: Callable[[], Awaitable[None]]) -> None:
    """Prepares the directory anew. Raises ArtifactError, OSError."""
    assert run.user is not None
    staging, work = run.directory / STAGING, run.directory / WORK
    await _remove(staging)
    staging.mkdir(mode=0o700)
    if run.template.artifact is None:
        (staging / WORK).mkdir()
        tree.give(staging / WORK, run.user.uid, run.user.gid)
    else:
        owner = run.namespace, run.task or run.name
        await artifacts.unpack(run.template.artifact, staging / WORK, owner)
        await threads.run(tree.give, staging / WORK, run.user.uid, run.user.gid)
        await turn()
    await _remove(work)
    (staging / WORK).rename(work)
    staging.rmdir()


async def _remove(path: Path) -> None:
    """Removes what an agent that was killed left of an earlier try."""
    if _is_there(path):
        await threads.run(tree.remove, path)


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)
