"""A command that runs beside a run, as an exec probe does."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlink.api import duration
from starlink_nodeagent.failures.shortage import is_agents_lack
from starlink_nodeagent.processes.confinement import for_a_task
from starlink_nodeagent.processes.processes import gone
from starlink_nodeagent.users.user import TaskUser


async def succeed(command: Sequence[str], work: Path, env: Mapping[str, str], user: TaskUser, seconds: float) -> str:
    """Runs it to its end; "" when it exits with 0 in so many seconds, else why it did not. Nothing of its process group
    is left. Raises OSError when the agent lacks what it takes."""
    try:
        process = _started(command, work, env, user)
    except OSError as error:
        if is_agents_lack(error):
            raise
        return f"{command[0]} can't be run: {error.strerror}"
    try:
        async with asyncio.timeout(seconds):
            await gone(process.pid)
        timely = True
    except TimeoutError:
        timely = False
    finally:
        # Before it is waited for: until then its number is no other group's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await gone(process.pid)
        code = process.poll()
    if not timely:
        return f"no end within {duration.format_seconds(seconds)}"
    return "" if code == 0 else f"exit code {code}"


def _started(command: Sequence[str], work: Path, env: Mapping[str, str], user: TaskUser) -> "subprocess.Popen[bytes]":
    with for_a_task():
        return subprocess.Popen(
            command,
            cwd=work,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **user.popen(),
        )
