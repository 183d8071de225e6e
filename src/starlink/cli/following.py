"""Follows what was applied until it is decided: `apply --wait`, and the short look that every `apply` takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.duration import format_seconds
from starlink.api.kinds import ASSIGNMENT, POOL, SERVER, TASK, Kind
from starlink.api.labels import TASK as TASK_LABEL
from starlink.api.meta import ObjectKey
from starlink.backoff import Pauses
from starlink.cli import next_steps
from starlink.cli.hints import Command, LogsOf, retold
from starlink.cli.live import LiveLine
from starlink.cli.outcome import Outcome, may_be_failing, outcome
from starlink.cli.screen import Tone
from starlink.client.errors import ClientError, Forbidden, NotFound
from starlink.client.kube import Client

SURE_SECONDS = 2.0
"""For how long a bad outcome has to stand: a pool that comes with the same files first has to take its servers in."""
GLANCE_SECONDS = 2.0
"""How long an apply without --wait looks whether all finds a place."""
_PAUSES, _GLANCES = Pauses(0.1, 1.0, 1.5), Pauses(0.05, 1.0, 1.5)

Obj = dict[str, Any]
Clock = Callable[[], float]


@dataclass(slots=True)
class Followed:
    """An object that was applied; `bad_since` is when its outcome became a bad one."""

    kind: Kind
    key: ObjectKey
    uid: str
    found: Outcome = field(default_factory=lambda: Outcome("going", "not looked at yet", seen=False))
    bad_since: float | None = None

    @property
    def name(self) -> str:
        return f"{self.kind.kind.lower()} {self.key}"

    def note(self, found: Outcome, now: float) -> None:
        """Takes in an outcome that was seen now."""
        self.bad_since = (now if self.bad_since is None else self.bad_since) if found.is_bad else None
        self.found = found

    def is_decided(self, now: float) -> bool:
        """Whether it will stay as it is, as far as can be told."""
        if self.bad_since is not None:
            return now - self.bad_since >= SURE_SECONDS
        return self.found.state == "ready"


async def follow(
    client: Client,
    followed: Sequence[Followed],
    seconds: float,
    line: LiveLine,
    command: Command,
    logs_of: LogsOf,
    status: str = "",
    clock: Clock = time.monotonic,
) -> Sequence[Followed]:
    """Looks until each is decided or the time is over, and tells it; gives those that are not ready. `status` is the
    command that tells whether the operator runs, "" where there is none."""
    end, pauses, left = clock() + seconds, iter(_PAUSES), list(followed)
    try:
        while True:
            await _look(client, left, clock)
            for one in [one for one in left if one.is_decided(clock())]:
                left.remove(one)
                if one.found.words:
                    told = retold(_verdict(one), command)
                    line.leave(await _with_next_step(client, one, told, logs_of), _TONES[one.found.state])
            if not left or clock() >= end:
                break
            if under_way := [one for one in left if not one.found.is_bad]:
                line.say(_standing(under_way[0], len(followed) - len(left), len(followed)))
            await asyncio.sleep(max(min(next(pauses), end - clock()), 0))
    except asyncio.CancelledError:
        line.leave("no longer followed; what was applied stays", Tone.QUIET)
        raise
    line.clear()
    for one in left:
        told = f"{one.name} is not ready after {format_seconds(seconds)}: {one.found.words}{_doubt(one, status)}"
        line.leave(await _with_next_step(client, one, told, logs_of), Tone.BAD)
    return [one for one in followed if one in left or one.found.is_bad]


async def glance(
    client: Client,
    followed: Sequence[Followed],
    command: Command,
    logs_of: LogsOf,
    status: str = "",
    clock: Clock = time.monotonic,
) -> Sequence[str]:
    """What of the tasks finds no place or fails, and what nobody has looked at, in words; looks for two seconds at
    most."""
    tasks = [one for one in followed if one.kind == TASK]
    end, pauses = clock() + GLANCE_SECONDS, iter(_GLANCES)
    while any(_is_open(one) for one in tasks) and clock() < end:
        await asyncio.sleep(min(next(pauses), end - clock()))
        await _look(client, [one for one in tasks if _is_open(one)], clock)
    return [text for one in tasks if (text := await _warning(client, one, command, logs_of, status))]


def _is_open(one: Followed) -> bool:
    """Whether it may yet turn out to have a place, or none."""
    return one.found.state == "unplaced" or (one.found.state == "going" and not one.found.seen)


async def _warning(client: Client, one: Followed, command: Command, logs_of: LogsOf, status: str) -> str:
    if one.found.is_bad:
        return await _with_next_step(client, one, retold(_verdict(one), command), logs_of)
    return f"{one.name}: {one.found.words}{_doubt(one, status)}" if _is_open(one) else ""


def _doubt(one: Followed, status: str) -> str:
    """Where nobody has looked at it yet: whether there is somebody who does."""
    return "" if one.found.seen else f"; is it running?{f' see `{status}`' if status else ''}"


async def _look(client: Client, followed: Sequence[Followed], clock: Clock) -> None:
    found = await asyncio.gather(*(_outcome(client, one) for one in followed))
    for one, seen in zip(followed, found, strict=True):
        one.note(seen, clock())


async def _outcome(client: Client, one: Followed) -> Outcome:
    try:
        obj = await client.get(one.kind, one.key.name, one.key.namespace)
        if obj["metadata"]["uid"] != one.uid:
            return Outcome("failed", "it was deleted, and another was made under its name")
        return outcome(one.kind, obj, await _attempts(client, one, obj))
    except NotFound:
        return Outcome("failed", "it was deleted")
    except ClientError as error:
        if not error.retryable:
            raise
        return Outcome("going", f"the API server can't be asked: {error}")


async def _attempts(client: Client, one: Followed, obj: Obj) -> Sequence[Assignment] | None:
    """A task's assignments where its outcome depends on them, None where they may not be read."""
    return await _assignments(client, one) if one.kind == TASK and may_be_failing(obj) else None


async def _assignments(client: Client, one: Followed) -> Sequence[Assignment] | None:
    """Those of a task, None where they may not be read."""
    try:
        selector = f"{TASK_LABEL}={one.key.name}"
        listing = await client.list(ASSIGNMENT, one.key.namespace, label_selector=selector)
        return [msgspec.json.decode(item, type=Assignment) for item in listing.items]
    except (Forbidden, msgspec.ValidationError):
        return None


async def _with_next_step(client: Client, one: Followed, told: str, logs_of: LogsOf) -> str:
    """The words `told`, and for a task that is not ready the command to look further with, where there is one."""
    if one.kind != TASK or not one.found.reason:
        return told
    try:
        its = await _assignments(client, one)
    except ClientError:
        its = None
    step = next_steps.of_task(one.key, one.found.reason, its or (), logs_of)
    return f"{told}; {step}" if step else told


_TONES = {"ready": Tone.GOOD, "unplaced": Tone.BAD, "failed": Tone.BAD, "going": Tone.UNDER_WAY}
_WORDS = {"unplaced": "has instances without a place", "failed": "has failed"}


def _verdict(one: Followed) -> str:
    ready = "is in force" if one.kind in (POOL, SERVER) else "is ready"
    return f"{one.name} {_WORDS.get(one.found.state, ready)}: {one.found.words}"


def _standing(one: Followed, done: int, count: int) -> str:
    """How it stands with one that is under way, and how many of so many are done."""
    return f"{f'{done} of {count} done; ' if count > 1 else ''}{one.name}: {one.found.words}"
