"""Who one is to a server, now: what a plugin has given is kept until it ends or is refused."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from starlink.client.config import Config
from starlink.client.errors import BadConfig, Unreachable
from starlink.client.plugin import Credential, Plugin, credential, surroundings, use_of
from starlink.http.reasons import why

ALONE_SECONDS, WITH_A_PERSON_SECONDS = 60.0, 300.0
"""How long a plugin may take."""
LET_GO_SECONDS = 1.0
"""In which an output ends once all that writes it has been ended."""
MOST_ANSWER = 1024 * 1024
PAUSE_SECONDS = 5.0
"""After a plugin that failed, before it is called again."""


class Credentials:
    """Of one configuration. `wall` gives epoch seconds."""

    def __init__(self, config: Config, wall: Callable[[], float] = time.time) -> None:
        self._config = config
        self._wall = wall
        self._found: Config | None = None if config.plugin else config
        self._expires = float("inf")
        self._asked: asyncio.Task[Config] | None = None
        self._failed = (float("-inf"), "")

    def at_hand(self) -> Config | None:
        """The configuration with what a plugin gave in the plugin's place; None where the plugin is to be asked."""
        return self._found if self._expires == float("inf") or self._wall() < self._expires else None

    async def get(self) -> Config:
        """The same; asks the plugin where it must, once for all who wait. Raises Unreachable."""
        if (found := self.at_hand()) is not None:
            return found
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask())
            self._asked.add_done_callback(_retrieve)
        return await asyncio.shield(self._asked)

    def refused(self, used: Config) -> bool:
        """The server does not know who that is. Whether `get` may now bring something else."""
        if self._config.plugin is None:
            return False
        if self._found is used:
            self._found = None
        return True

    async def _ask(self) -> Config:
        plugin = self._config.plugin
        assert plugin is not None
        loop = asyncio.get_running_loop()
        until, reason = self._failed
        if loop.time() < until:
            raise Unreachable(reason)
        try:
            given = credential(plugin, await run(plugin))
        except BadConfig as error:
            self._failed = loop.time() + PAUSE_SECONDS, str(error)
            raise Unreachable(str(error)) from None
        self._found, self._expires = _with(self._config, given), given.expires
        return self._found


def _with(config: Config, given: Credential) -> Config:
    certificate, key = given.certificate or config.certificate, given.key or config.key
    return replace(config, plugin=None, token=given.token, certificate=certificate, key=key)


def _retrieve(asked: "asyncio.Task[Config]") -> None:
    """Whoever waited may be gone."""
    if not asked.cancelled():
        asked.exception()


async def run(plugin: Plugin) -> bytes:
    """What a plugin prints. It is called without a shell, has a bounded time, and talks to a person only where there
    is a terminal. Raises BadConfig, which quotes nothing that the plugin said."""
    name = Path(plugin.command).name
    try:
        interactive = use_of(plugin.mode, terminal=_is_terminal(sys.stdin))
    except BadConfig as error:
        raise BadConfig(f"exec {name}: {error}") from None
    seconds = WITH_A_PERSON_SECONDS if interactive else ALONE_SECONDS
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.arguments,
            env=surroundings(plugin, os.environ, interactive=interactive),
            stdin=None if interactive else DEVNULL,
            stdout=PIPE,
            stderr=None if _is_terminal(sys.stderr) else DEVNULL,  # a log is no place for what may be secret
            start_new_session=not interactive,
        )
    except OSError as error:
        hint = f"; {plugin.hint}" if plugin.hint else ""
        raise BadConfig(f"exec {name}: it can't be started: {why(error)}{hint}") from None
    try:
        async with asyncio.timeout(seconds):
            said = await _answer(process, name)
            status = await process.wait()
    except TimeoutError:
        await _end(process, group=not interactive)
        raise BadConfig(f"exec {name}: it did not end within {seconds:g} s") from None
    except BaseException:
        await _end(process, group=not interactive)
        raise
    if status != 0:
        raise BadConfig(f"exec {name}: it ended with {status}; run it by hand to see what it says")
    return said


async def _answer(process: asyncio.subprocess.Process, name: str) -> bytes:
    assert process.stdout is not None
    said = b""
    while part := await process.stdout.read(MOST_ANSWER):
        said += part
        if len(said) > MOST_ANSWER:
            raise BadConfig(f"exec {name}: it printed more than {MOST_ANSWER} bytes")
    return said


async def _end(process: asyncio.subprocess.Process, *, group: bool) -> None:
    """Ends a plugin at once, and what it has started, and lets go of its output."""
    with contextlib.suppress(ProcessLookupError):
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LET_GO_SECONDS):
            while process.stdout is not None and await process.stdout.read(MOST_ANSWER):
                pass
            await process.wait()  # it has ended for asyncio only when its output has


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream is not None and stream.isatty())  # type: ignore[attr-defined]
    except ValueError:  # it is closed
        return False
