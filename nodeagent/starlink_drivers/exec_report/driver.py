"""exec-report: its operations."""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Mapping
from typing import Any

from starlink.api import duration
from starlink_drivers.kept import Kept
from starlink_drivers.session import Session, Wish, Work
from starlink_nodeagent.processes.processes import gone

MOST_LINES, LONGEST_LINE = 10, 200
_ROOM = 64 * 1024
_PATIENCE = 1.0
_KEPT, _GRACE = "command", 5.0


async def run(session: Session, wish: Wish) -> int:
    """Runs the command and reports its exit and its last lines, once or every so often; gives its exit status."""
    while True:
        code, lines = await _outcome(wish.spec["command"])
        session.report(_result(code, lines))
        if "every" not in wish.spec:
            return code if code >= 0 else 128 - code
        await asyncio.sleep(duration.seconds(wish.spec["every"]))


async def keep(session: Session, wish: Wish) -> int:
    """Keeps the command running beyond this run, and reports its number and whether another run had started it."""
    kept, command = Kept(session.environ), tuple(wish.spec["command"])
    if kept.command(_KEPT) != command:
        await kept.end(_KEPT, _GRACE)
    is_adopted = kept.find(_KEPT) is not None
    while True:
        if (pid := kept.find(_KEPT)) is None:
            await kept.end(_KEPT, _GRACE)
            pid, is_adopted = kept.start(_KEPT, command), False
        session.report({"pid": pid, "adopted": is_adopted})
        await gone(pid)


OPERATIONS: Mapping[str, Work] = {"run": run, "keep": keep}


def _result(code: int, lines: list[str]) -> dict[str, Any]:
    """Of an exit code as subprocess gives it: a signal is negative."""
    ending = {"exitCode": code} if code >= 0 else {"signal": _name(-code)}
    return {**ending, "lines": lines}


def _name(number: int) -> str:
    """Of a signal; those for real time have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


async def _outcome(command: list[str]) -> tuple[int, list[str]]:
    """The command's exit code and last lines. What it started is ended with it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return 127, [f"{command[0]} can't be run: {error.strerror}"[:LONGEST_LINE]]
    assert process.stdout is not None
    lines = deque[str](maxlen=MOST_LINES)
    reading = asyncio.create_task(_keep_lines(process.stdout, lines))
    try:
        code = await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await asyncio.wait({reading}, timeout=_PATIENCE)  # what left the group may hold its output open
        reading.cancel()
    return code, [*lines]


async def _keep_lines(output: asyncio.StreamReader, lines: "deque[str]") -> None:
    """Keeps the last lines, and says all of them in the log too."""
    rest = b""
    while part := await output.read(_ROOM):
        os.write(1, part)
        *whole, rest = (rest + part).split(b"\n")
        lines.extend(_text(line) for line in whole)
        rest = rest[:_ROOM]
    if rest:
        lines.append(_text(rest))


def _text(line: bytes) -> str:
    return line[: 4 * LONGEST_LINE].decode(errors="replace")[:LONGEST_LINE]
