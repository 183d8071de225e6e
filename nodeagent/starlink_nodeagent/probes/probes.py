"""Probes: one try of each kind, and the loop that counts them."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlink.api import duration
from starlink.api.template import Probe, Template
from starlink_nodeagent.failures.failure import Failure
from starlink_nodeagent.failures.shortage import is_agents_lack
from starlink_nodeagent.processes.confinement import for_a_task
from starlink_nodeagent.processes.processes import gone
from starlink_nodeagent.users.user import TaskUser

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.05
UNTRIED_SECONDS = 1.0
_STATUS_LINE = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """What the probes of one run need to know of it."""

    ports: Mapping[str, int]
    env: Mapping[str, str]
    work: Path
    user: TaskUser


Try = Callable[[], Awaitable[str]]
"""One try: "" on success, else why it failed. Raises OSError when the agent lacks what a try takes, which tells nothing
of the instance."""


def check(template: Template) -> None:
    """Raises Failure (ProbePortMissing) when a probe names no port that there is."""
    probes = template.probes
    names = [port.name for port in template.ports]
    for which in ("startup", "liveness", "readiness"):
        probe: Probe | None = getattr(probes, which)
        action = (probe.http_get or probe.tcp_socket) if probe else None
        if action is None or isinstance(action.port, int):
            continue
        if (action.port is None and not names) or (action.port is not None and action.port not in names):
            wanted = action.port or "(the first)"
            raise Failure(
                "ProbePortMissing",
                f"probes.{which} asks port {wanted}, but template.ports has {', '.join(names) or 'none'}",
            )


def try_of(probe: Probe, target: Target) -> Try:
    """The function that tries the probe once."""
    seconds = duration.seconds(probe.timeout)
    if probe.exec is not None:
        command = probe.exec.command
        return lambda: _exec(command, target, seconds)
    if probe.http_get is not None:
        port, path = _port(probe.http_get.port, target), probe.http_get.path
        return lambda: _within(_http(port, path), seconds)
    assert probe.tcp_socket is not None
    number = _port(probe.tcp_socket.port, target)
    return lambda: _within(_tcp(number), seconds)


def _port(port: int | str | None, target: Target) -> int:
    if isinstance(port, int):
        return port
    return target.ports[port] if port is not None else next(iter(target.ports.values()))


async def follow(probe: Probe, target: Target, tell: Callable[[bool, str], None]) -> None:
    """Tries for ever; tells True when the successes in a row reach their threshold, False when the failures do.

    Until the first success it tries soon and then less often, so that what starts fast is ready fast.
    """
    attempt = try_of(probe, target)
    period, pause = duration.seconds(probe.period), FIRST_PAUSE
    successes = failures = 0
    succeeded = False
    await asyncio.sleep(duration.seconds(probe.initial_delay))
    started = asyncio.get_running_loop().time()
    while True:
        try:
            why = await attempt()
        except OSError as error:
            log.warning("a probe could not be tried: %s", error)
            await asyncio.sleep(max(period, UNTRIED_SECONDS))
            continue
        if why:
            successes = 0
            # The quick tries before the first success are not the failures that the threshold counts.
            elapsed = asyncio.get_running_loop().time() - started
            failures = failures + 1 if succeeded else int(elapsed / period) if period else failures + 1
            if failures >= probe.failure_threshold:
                tell(False, why)
        else:
            failures, succeeded = 0, True
            successes += 1
            if successes >= probe.success_threshold:
                tell(True, "")
        if succeeded:
            await asyncio.sleep(period)
        else:
            await asyncio.sleep(min(pause, period))
            pause = min(pause * 1.5, 1.0)


async def _within(attempt: Awaitable[str], seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            return await attempt
    except TimeoutError:
        return f"no answer within {duration.format_seconds(seconds)}"
    except OSError as error:
        if is_agents_lack(error):
            raise
        return str(error.strerror or error)


async def _tcp(port: int) -> str:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return ""


async def _http(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_STATUS_LINE)
    try:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: starlink-probe\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        line = await reader.readline()
    except ValueError:
        return "the answer is not HTTP"
    finally:
        writer.close()
    parts = line.split()
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/") or not parts[1].isdigit():
        return "the answer is not HTTP"
    status = int(parts[1])
    return "" if 200 <= status < 400 else f"HTTP status {status}"


async def _exec(command: Sequence[str], target: Target, seconds: float) -> str:
    try:
        process = _started(command, target)
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


def _started(command: Sequence[str], target: Target) -> "subprocess.Popen[bytes]":
    with for_a_task():
        return subprocess.Popen(
            command,
            cwd=target.work,
            env=dict(target.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **target.user.popen(),
        )
