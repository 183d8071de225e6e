"""Probes: one try of each kind, and the loop that counts them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlink.api import duration
from starlink.api.template import Probe, Template
from starlink.backoff import Pauses
from starlink_nodeagent.clock import Clock
from starlink_nodeagent.failures.failure import Failure
from starlink_nodeagent.failures.shortage import is_agents_lack

log = logging.getLogger(__name__)

PAUSES = Pauses(0.05, 1.0, 1.5)
UNTRIED_SECONDS = 1.0
_STATUS_LINE = 4096


Execute = Callable[[Sequence[str], float], Awaitable[str]]
"""Runs a command as the run's user for so many seconds at most, as runtimes do."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the probes of one run need to know of it."""

    ports: Mapping[str, int]
    execute: Execute
    clock: Clock


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
        return lambda: target.execute(command, seconds)
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
    attempt, sleep, clock = try_of(probe, target), target.clock.sleep, target.clock.elapsed
    period, pauses = duration.seconds(probe.period), iter(PAUSES)
    successes = failures = 0
    succeeded = False
    await sleep(duration.seconds(probe.initial_delay))
    started = clock()
    while True:
        try:
            why = await attempt()
        except OSError as error:
            log.warning("a probe could not be tried: %s", error)
            await sleep(max(period, UNTRIED_SECONDS))
            continue
        if why:
            successes = 0
            # The quick tries before the first success are not the failures that the threshold counts.
            elapsed = clock() - started
            failures = failures + 1 if succeeded else int(elapsed / period) if period else failures + 1
            if failures >= probe.failure_threshold:
                tell(False, why)
        else:
            failures, succeeded = 0, True
            successes += 1
            if successes >= probe.success_threshold:
                tell(True, "")
        if succeeded:
            await sleep(period)
        else:
            await sleep(min(next(pauses), period))


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
